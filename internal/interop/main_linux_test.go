package interop_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/uvtep/uvtep/internal/lab"
)

// exe is the program under test. TestMain builds it.
var exe string

// soon is how long anything that must happen may take, on a busy machine.
const soon = 10 * time.Second

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		fmt.Fprintln(os.Stderr, child(mode))
		os.Exit(99)
	}
	os.Exit(lab.TestMain(suite{m}))
}

// suite is the tests of this package with the program that they need.
type suite struct{ tests *testing.M }

// Run builds the program and runs the tests.
func (s suite) Run() int {
	dir, err := os.MkdirTemp("", "uvtep-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	// Another user runs it in TestErrors.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	exe = filepath.Join(dir, "uvtep")
	args := []string{"build", "-o", exe}
	if raceDetector {
		args = append(args, "-race")
		// A program with the detector sleeps for a second before it exits, each
		// time that a test asks the daemon something.
		if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	build := exec.Command("go", append(args, "github.com/uvtep/uvtep/cmd/uvtep")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return s.tests.Run()
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until cond returns nil.
func eventually(t *testing.T, cond func() error) {
	t.Helper()
	check(t, lab.Eventually(soon, cond))
}

func prefix(format string, a ...any) netip.Prefix {
	return netip.MustParsePrefix(fmt.Sprintf(format, a...))
}
func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// installed ends a test that needs a program which is not there.
func installed(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		lab.SkipOrFail(t, fmt.Errorf("%w: %s is not installed", lab.ErrUnavailable, program))
	}
}
