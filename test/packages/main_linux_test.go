package packages_test

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/uvtep/uvtep/internal/cli"
	"github.com/uvtep/uvtep/packaging"
	"github.com/uvtep/uvtep/test/lab"
)

// exe is the program under test: this binary, started as uvtep.
var exe string

var (
	system = flag.String("system", "/", "the Debian system that the packages are installed on, in a `directory`: such as debootstrap makes; it is not changed")
	debs   = flag.String("debs", "", "two .deb `files` of this machine, with a comma between, the older one first; unless said, of this test's own binary")
	rpms   = flag.String("rpms", "", "two .rpm `files` of this machine, the same way; the system has rpm. Unless said, no .rpm is installed")
	image  = flag.String("image", "", "the files of the container's image, in a `directory`; unless said, they are made of this test's own binary")
	long   = flag.Bool("long", false, "test what takes minutes, too")
)

// soon is how long anything that must happen may take, on a busy machine.
const soon = 60 * time.Second

func TestMain(m *testing.M) { os.Exit(lab.TestProgram(m, "uvtep", cli.Main, &exe)) }

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

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }

// deb makes a package of this test's binary.
func deb(t *testing.T, version string) string {
	t.Helper()
	p := packaging.Package{
		Root: "../..", Binary: exe, Arch: "amd64", Format: "deb", Compression: "none",
		Release: packaging.Release{Version: version, Time: time.Unix(1700000000, 0)},
		Out:     filepath.Join(t.TempDir(), fmt.Sprintf("uvtep_%s.deb", version)),
	}
	check(t, p.Make(t.Context()))
	return p.Out
}
