package packaging

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// Binary builds the program for a target: static, without the paths of this machine, and with the commit that root is at. Two
// builds of one commit by one version of Go are the same, byte for byte.
func Binary(ctx context.Context, root string, t Target, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=auto", "-ldflags=-s -w", "-o", out, "./cmd/uvtep")
	cmd.Dir = root
	cmd.Env = append(withoutGo(os.Environ()), append(t.Env, "GOOS=linux", "CGO_ENABLED=0")...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build for %s: %w\n%s", t.Name, err, text)
	}
	return nil
}

// withoutGo is the environment without what would change the binary.
func withoutGo(env []string) []string {
	changes := regexp.MustCompile(`^(GOFLAGS|GOEXPERIMENT|GOFIPS140|GO386|GO(AMD|ARM|MIPS|RISCV)[0-9]*|GCCGO.*|CGO_.*)=`)
	var rest []string
	for _, v := range env {
		if !changes.MatchString(v) {
			rest = append(rest, v)
		}
	}
	return rest
}

// Release is which version a binary is of, and when that was committed.
type Release struct {
	Version string // of packages
	Time    time.Time
}

// ReleaseOf reads what the Go tool has put into a binary.
func ReleaseOf(binary string) (Release, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return Release{}, err
	}
	r := Release{Version: PackageVersion(info.Main.Version), Time: time.Unix(0, 0).UTC()}
	for _, s := range info.Settings {
		if s.Key != "vcs.time" {
			continue
		}
		if r.Time, err = time.Parse(time.RFC3339, s.Value); err != nil {
			return Release{}, fmt.Errorf("%s: vcs.time: %w", binary, err)
		}
	}
	return r, nil
}

// PackageVersion is a module's version as both dpkg and rpm order it: what precedes a release sorts before it (~), and no
// hyphen is left, which would begin a revision.
func PackageVersion(v string) string {
	v, ok := strings.CutPrefix(v, "v")
	if !ok { // "(devel)": there was no git to ask
		return "0~devel"
	}
	v, metadata, _ := strings.Cut(v, "+")
	release, before, _ := strings.Cut(v, "-")
	if before != "" {
		release += "~" + strings.ReplaceAll(before, "-", ".")
	}
	if metadata != "" {
		release += "+" + strings.ReplaceAll(metadata, "-", ".")
	}
	return release
}
