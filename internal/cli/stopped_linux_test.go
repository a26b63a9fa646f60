package cli

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestStoppedDaemon: a daemon that is there and does not answer, here by SIGSTOP,
// is waited for 5 s, and then the error says what to do. It is no reason to start
// another one, so that the status is not 3.
func TestStoppedDaemon(t *testing.T) {
	a, _ := hosts(t)
	p := a.daemon("vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2")
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	lines := []string{"link show", "link add vxlan1 id 43", "fdb show", "monitor"}
	type done struct {
		line string
		result
		took time.Duration
	}
	ended := make(chan done, len(lines))
	for _, line := range lines {
		go func() {
			begin := time.Now()
			ended <- done{line, a.uvtep(line), time.Since(begin)}
		}()
	}
	for range lines {
		select {
		case d := <-ended:
			if d.status != exitRefused || strings.Count(d.stderr, "\n") != 1 || !strings.Contains(d.stderr, "kill -CONT") || d.took < 4*time.Second || d.took > 8*time.Second {
				t.Errorf("uvtep %s after %v: %+v, want status 2 and what to do after 5 s", d.line, d.took, d.result)
			}
		case <-time.After(15 * time.Second):
			t.Error("a client waits for 15 s")
		}
	}
	if err := p.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	a.mustUvtep("link show vxlan0")
}
