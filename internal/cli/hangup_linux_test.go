package cli

import (
	"strings"
	"syscall"
	"testing"
)

// TestHangupWithoutFile: SIGHUP, which has the daemon read its file again, ends no
// daemon that has none; it is told once.
func TestHangupWithoutFile(t *testing.T) {
	a, _ := hosts(t)
	p := a.daemon("vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2")
	const told = "SIGHUP does nothing"
	for range 5 {
		if err := p.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if err := p.WaitStderr(told, timeout); err != nil {
			t.Fatal(err)
		}
		a.mustUvtep("link show vxlan0")
	}
	if err := p.Stop(timeout); err != nil || p.ExitCode() != exitDone {
		t.Errorf("ended with %d, %v", p.ExitCode(), err)
	}
	if n := strings.Count(p.Stderr(), told); n != 1 {
		t.Errorf("told %d times: %s", n, p.Stderr())
	}
}
