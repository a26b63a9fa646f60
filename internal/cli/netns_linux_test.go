package cli

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestRunInNetns: `uvtep -n NAME run` runs in a namespace that `ip netns` knows,
// and `uvtep -n NAME link` finds it.
func TestRunInNetns(t *testing.T) {
	a, _ := hosts(t)
	name := fmt.Sprintf("uvtep-test-%d", os.Getpid())
	link := filepath.Join(netnsDir, name)
	if err := errors.Join(os.MkdirAll(netnsDir, 0o755), os.Symlink(a.Path(), link)); err != nil {
		t.Skipf("a namespace cannot be given a name here: %v", err)
	}
	t.Cleanup(func() { _ = os.Remove(link) })
	none := filepath.Join(t.TempDir(), "none") // of another namespace's daemon
	p := program(none, "-n", name, "run", "vxlan0", "id", "42", "local", "192.0.2.1")
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	for lines := bufio.NewScanner(stderr); ; {
		if !lines.Scan() {
			t.Fatalf("the daemon ended: %v", p.Wait())
		}
		if lines.Text() == "uvtep: ready" {
			break
		}
		t.Log(lines.Text())
	}
	if !a.HasLink("vxlan0") {
		t.Error("the link is not in the namespace")
	}
	if r := uvtep(t, none, "-br", "-n", name, "link"); r.status != 0 || !strings.HasPrefix(r.out, "vxlan0 ") {
		t.Errorf("-n %s link: %+v", name, r)
	}
	if r := uvtep(t, none, "link"); r.status != exitNotRunning {
		t.Errorf("link without -n: %+v", r)
	}
	if r := uvtep(t, none, "-n", name+"x", "link"); r.status != exitNotRunning {
		t.Errorf("-n of a namespace without a daemon: %+v", r)
	}
	if r := uvtep(t, none, "-n", name+"x", "run"); r.status != exitRefused || !strings.Contains(r.stderr, "ip netns add") {
		t.Errorf("-n of no namespace, run: %+v", r)
	}
	if err := errors.Join(p.Process.Signal(syscall.SIGTERM), p.Wait()); err != nil {
		t.Error(err)
	}
}
