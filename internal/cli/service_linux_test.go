package cli

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// TestServiceManager: the daemon, confined, tells who started it as a service when it is ready,
// that it works, that it reads its file again, and that it ends.
func TestServiceManager(t *testing.T) {
	a, _ := hosts(t)
	dir := t.TempDir()
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(dir, "notify")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file := filepath.Join(dir, "uvtep.yaml")
	if err := os.WriteFile(file, []byte("links:\n- {name: vxlan0, id: 42, remotes: [192.0.2.2]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := a.Start(lab.Command{
		Path: exe, Args: []string{"run", "--control", a.socket, "--config", file},
		Env: []string{"NOTIFY_SOCKET=" + l.LocalAddr().String(), "WATCHDOG_USEC=" + strconv.Itoa(int((200 * time.Millisecond).Microseconds()))},
	})
	if err != nil {
		t.Fatal(err)
	}
	// hears waits for a message that begins with text, passing others by.
	hears := func(text string) string {
		t.Helper()
		if err := l.SetReadDeadline(time.Now().Add(timeout)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		for {
			n, err := l.Read(b)
			if err != nil {
				t.Fatalf("waiting for %q: %v: %s", text, err, p.Stderr())
			}
			if got := string(b[:n]); strings.HasPrefix(got, text) {
				return got
			}
		}
	}
	hears("READY=1")
	if err := p.WaitStderr("uvtep: ready\n", timeout); err != nil {
		t.Error(err)
	}
	hears("WATCHDOG=1")
	hears("WATCHDOG=1")
	if err := p.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	since, ok := strings.CutPrefix(hears("RELOADING=1"), "RELOADING=1\nMONOTONIC_USEC=")
	if usec, err := strconv.ParseUint(strings.TrimSpace(since), 10, 64); !ok || err != nil || usec == 0 {
		t.Errorf("reloading since %q: %v", since, err)
	}
	hears("READY=1")
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hears("STOPPING=1")
	if err := p.Wait(timeout); err != nil {
		t.Errorf("after SIGTERM: %v: %s", err, p.Stderr())
	}
}
