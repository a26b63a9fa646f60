package book_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/uvtep/uvtep/internal/cli"
	"github.com/uvtep/uvtep/internal/ping"
	"github.com/uvtep/uvtep/test/lab"
)

// exe is the program under test: this binary, started as uvtep.
var exe string

// soon is how long anything that must happen may take, on a busy machine.
const soon = 60 * time.Second

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "ping" {
		os.Exit(pingMain())
	}
	os.Exit(lab.TestProgram(m, "uvtep", cli.Main, &exe))
}

// pingMain is ping(8) as far as the pages use it, which the gate's machine may not have: `ping -c N IP`.
func pingMain() int {
	to, err := netip.ParseAddr(os.Args[len(os.Args)-1])
	count := 0
	if err == nil {
		_, err = fmt.Sscan(os.Args[2], &count)
	}
	h := new(ping.Host)
	got := 0
	for i := 0; i < count && err == nil; i++ {
		var from netip.Addr
		if _, from, _, err = h.Route(to, from); err != nil {
			break
		}
		if answer, e := h.Echo(from, to, 84, time.Second); e == nil {
			got++
			fmt.Printf("64 bytes from %s: icmp_seq=%d time=%v\n", to, i+1, answer.RTT)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ping:", err)
		return 2
	}
	fmt.Printf("%d packets transmitted, %d received\n", count, got)
	if got == 0 {
		return 1
	}
	return 0
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

// installed ends a test that needs programs which are not there.
func installed(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			lab.SkipOrFail(t, fmt.Errorf("%w: %s is not installed", lab.ErrUnavailable, p))
		}
	}
}
