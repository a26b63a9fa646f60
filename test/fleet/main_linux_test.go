package fleet_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/internal/cli"
	"github.com/uvtep/uvtep/test/lab"
)

// exe is the program under test: this binary, started as uvtep.
var exe string

// soon is how long anything that must happen may take, on a busy machine.
const soon = 60 * time.Second

func TestMain(m *testing.M) { os.Exit(lab.TestProgram(wholePage{m}, "uvtep", cli.Main, &exe)) }

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// must2 is must for a command that ran: what it printed.
func must2(stdout, stderr string, err error) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		if err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
		return stdout
	}
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, cond func() error) {
	t.Helper()
	check(t, lab.Eventually(soon, cond))
}

// installed ends a test that needs a program which is not there, or a user that is none.
func installed(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			lab.SkipOrFail(t, fmt.Errorf("%w: %s is not installed", lab.ErrUnavailable, p))
		}
	}
	// In a user namespace there is one user, who is called root.
	if users, err := os.ReadFile("/proc/self/uid_map"); err != nil || os.Getuid() != 0 || !strings.Contains(string(users), "4294967295") {
		lab.SkipOrFail(t, fmt.Errorf("%w: FRR and the agent run as users of their own, which needs root", lab.ErrUnavailable))
	}
}

// Underlay and overlay addresses of site number n.
func outer(n int) netip.Addr                       { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}) }
func inner(n int) netip.Addr                       { return netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}) }
func prefixOf(a netip.Addr, bits int) netip.Prefix { return netip.PrefixFrom(a, bits) }

// openDir makes a directory that other users may read.
func openDir(t *testing.T) string {
	t.Helper()
	dir := must(os.MkdirTemp("", "fleet-"))(t) //nolint:usetesting // t.TempDir is the owner's alone
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	check(t, os.Chmod(dir, 0o755))
	return dir
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	check(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}
