package interop_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/uvtep/uvtep/internal/cli"
	"github.com/uvtep/uvtep/test/lab"
)

// exe is the program under test: this binary, started as uvtep.
var exe string

// soon is how long anything that must happen may take, on a busy machine.
const soon = 30 * time.Second

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		fmt.Fprintln(os.Stderr, child(mode))
		os.Exit(99)
	}
	os.Exit(lab.TestProgram(m, "uvtep", cli.Main, &exe))
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
