// Command build makes the release in a directory: binaries, .deb and .rpm packages, and their checksums. It runs in
// the repository's root.
//
//	go run ./packaging/build [-out dist] [-targets amd64,arm64] [-formats deb,rpm] [-version 1.2.3]
package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/uvtep/uvtep/packaging"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var b build
	flag.StringVar(&b.out, "out", "dist", "the `directory` of what is made")
	targets := flag.String("targets", "", "the `machines`, with commas between; all unless said")
	formats := flag.String("formats", "deb,rpm", "the kinds of `packages`; an empty list: binaries alone")
	flag.StringVar(&b.version, "version", "", "the `version` of the packages, where git is not to say")
	flag.Parse()
	b.targets, b.formats = split(*targets), split(*formats)
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

type build struct {
	out, version     string
	targets, formats []string
	made             []string
}

func (b *build) run(ctx context.Context) error {
	if _, err := os.Stat("packaging/nfpm.yaml"); err != nil {
		return fmt.Errorf("%w: run it in the repository's root", err)
	}
	for _, name := range []string{"UVTEP_CONTROL", "UVTEP_EVPN_SOCKET"} { // defaults, which the man pages tell
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	known := packaging.Targets()
	for _, name := range b.targets {
		if !slices.ContainsFunc(known, func(t packaging.Target) bool { return t.Name == name }) {
			return fmt.Errorf("there is no target %q", name)
		}
	}
	for _, t := range known {
		if len(b.targets) > 0 && !slices.Contains(b.targets, t.Name) {
			continue
		}
		if err := b.target(ctx, t); err != nil {
			return err
		}
	}
	return b.sums()
}

// target makes what there is for a machine.
func (b *build) target(ctx context.Context, t packaging.Target) error {
	binary := filepath.Join(b.out, "uvtep-linux-"+t.Name)
	if err := packaging.Binary(ctx, ".", t, binary); err != nil {
		return err
	}
	b.made = append(b.made, binary)
	release, err := packaging.ReleaseOf(binary)
	if err != nil {
		return err
	}
	if b.version != "" {
		release.Version = b.version
	}
	for _, format := range b.formats {
		if format == "rpm" && !t.RPM {
			continue
		}
		p := packaging.Package{Root: ".", Binary: binary, Arch: t.Arch, Format: format, Release: release, Out: filepath.Join(b.out, fmt.Sprintf("uvtep_%s_%s.%s", release.Version, t.Name, format))}
		if err := p.Make(ctx); err != nil {
			return err
		}
		b.made = append(b.made, p.Out)
	}
	return nil
}

// sums writes and prints the checksums, in the form of sha256sum.
func (b *build) sums() error {
	var all strings.Builder
	for _, name := range b.made {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&all, "%x  %s\n", sha256.Sum256(text), filepath.Base(name))
	}
	fmt.Fprint(os.Stdout, all.String())
	return os.WriteFile(filepath.Join(b.out, "SHA256SUMS"), []byte(all.String()), 0o644)
}
