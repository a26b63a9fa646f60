package packaging

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Package is a .deb or .rpm package to make.
type Package struct {
	Root    string // of the repository
	Binary  string
	Arch    string // nfpm's name
	Format  string // deb or rpm
	Release Release
	// Compression is that of a .deb; "": gzip.
	Compression string
	Out         string // the package's file
}

// Make makes the package. The same binary and release give the same package, byte for byte.
func (p *Package) Make(ctx context.Context) error {
	stage, err := os.MkdirTemp("", "uvtep-package-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(stage) }()
	if err := p.stage(stage); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(p.Root, "packaging", "nfpm.yaml"))
	if err != nil {
		return err
	}
	compression := p.Compression
	if compression == "" {
		compression = "gzip"
	}
	values := map[string]string{
		"ARCH": p.Arch, "VERSION": strconv.Quote(p.Release.Version), "MTIME": p.Release.Time.UTC().Format(time.RFC3339), "STAGE": stage, "COMPRESSION": compression,
	}
	config := filepath.Join(stage, "nfpm.yaml")
	if err := os.WriteFile(config, []byte(os.Expand(string(text), func(name string) string { return values[name] })), 0o600); err != nil {
		return err
	}
	out, err := filepath.Abs(p.Out)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "tool", "-modfile=tools/nfpm.mod", "nfpm", "package", "--config", config, "--packager", p.Format, "--target", out)
	cmd.Dir = p.Root
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(p.Release.Time.Unix(), 10))
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make %s: %w\n%s", p.Out, err, said)
	}
	return nil
}

// stage lays what goes in out in dir, all of it as old as the release.
func (p *Package) stage(dir string) error {
	made := []string{"usr/bin", "man", "completions", "packaging"}
	for _, name := range made {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"systemd", "sysusers.d", "tmpfiles.d", "etc", "deb", "rpm"} {
		if err := os.CopyFS(filepath.Join(dir, "packaging", name), os.DirFS(filepath.Join(p.Root, "packaging", name))); err != nil {
			return err
		}
	}
	for to, from := range map[string]string{"usr/bin/uvtep": p.Binary, "LICENSE": filepath.Join(p.Root, "LICENSE")} {
		b, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, to), b, 0o755); err != nil {
			return err
		}
	}
	if err := ManPages(filepath.Join(dir, "man"), p.Release); err != nil {
		return err
	}
	if err := Completions(filepath.Join(dir, "completions")); err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(path, filepath.Join(dir, "man")+"/") && !d.IsDir() && filepath.Ext(path) != ".gz" {
			err = compress(path)
			path += ".gz"
		}
		if err != nil {
			return err
		}
		return os.Chtimes(path, p.Release.Time, p.Release.Time)
	})
}
