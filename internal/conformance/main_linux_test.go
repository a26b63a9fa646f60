package conformance

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/uvtep/uvtep/internal/lab"
)

// noOffload is for the daemons of all tests: what they do on the wire must not
// depend on offloads.
var noOffload = flag.String("no-offload", "", "what `uvtep run --no-offload` is given: tap,udp-gso,udp-gro")

// uvtep is the path of the program under test, which TestMain builds.
var uvtep string

func TestMain(m *testing.M) { os.Exit(lab.TestMain(builder{m})) }

// builder builds the daemon where the tests run, after lab has seen to their
// privileges.
type builder struct{ m *testing.M }

func (b builder) Run() int {
	dir, err := os.MkdirTemp("", "uvtep-conformance-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	uvtep = filepath.Join(dir, "uvtep")
	args := []string{"build", "-o", uvtep}
	if raceBuild() {
		args = append(args, "-race")
		// Programs with the race detector otherwise sleep a second at their end.
		if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	build := exec.Command("go", append(args, "github.com/uvtep/uvtep/cmd/uvtep")...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the daemon:", err)
		return 1
	}
	return b.m.Run()
}

// raceBuild reports whether the tests were built with -race: the daemon is
// then, too.
func raceBuild() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}
