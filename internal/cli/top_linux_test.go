package cli

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/uvtep/uvtep/test/lab"
)

// tmux is a terminal multiplexer whose windows tests look at.
type tmux struct {
	t      *testing.T
	socket string
}

func (m tmux) run(args ...string) (string, error) {
	out, err := exec.CommandContext(m.t.Context(), "tmux", append([]string{"-u", "-S", m.socket}, args...)...).CombinedOutput()
	return string(out), err
}

func (m tmux) must(args ...string) string {
	m.t.Helper()
	out, err := m.run(args...)
	if err != nil {
		m.t.Fatalf("tmux %v: %v: %s", args, err, out)
	}
	return out
}

// until waits for a screen that ok accepts.
func (m tmux) until(session, what string, ok func(screen string) bool, options ...string) {
	m.t.Helper()
	screen := ""
	if err := lab.Eventually(timeout, func() error {
		screen = m.must(append([]string{"capture-pane", "-p", "-t", session}, options...)...)
		if !ok(screen) {
			return fmt.Errorf("the screen has not: %s", what)
		}
		return nil
	}); err != nil {
		m.t.Fatalf("%v\n%s", err, screen)
	}
}

// shows waits for texts.
func (m tmux) shows(session string, texts ...string) {
	m.t.Helper()
	m.until(session, strings.Join(texts, ", "), func(screen string) bool {
		for _, s := range texts {
			if !strings.Contains(screen, s) {
				return false
			}
		}
		return true
	})
}

// topLab is two hosts that uvtep joins, with a link without a remote, and a tmux server in the
// first of them.
func topLab(t *testing.T) (a, b host, daemon *lab.Process, m tmux) {
	need(t, "tmux")
	l := lab.ForTest(t)
	var all [2]host
	for i, name := range []string{"a", "b"} {
		h, err := l.Host(name)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = host{h, t, filepath.Join(t.TempDir(), "uvtep.sock")}
	}
	a, b = all[0], all[1]
	if _, err := l.Wire(a.Host, b.Host, lab.WireOptions{NameA: "eth0", NameB: "eth0"}); err != nil {
		t.Fatal(err)
	}
	for i, h := range all {
		if err := h.AddAddr("eth0", prefix(fmt.Sprintf("192.0.2.%d/24", i+1))); err != nil {
			t.Fatal(err)
		}
	}
	b.daemon("vxlan0 id 42 local 192.0.2.2 remote 192.0.2.1")
	daemon = a.daemon("vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2")
	a.mustUvtep("link add lab id 7 local 192.0.2.1 up")
	for i, h := range all {
		if err := h.AddAddr("vxlan0", prefix(fmt.Sprintf("198.51.100.%d/24", i+1))); err != nil {
			t.Fatal(err)
		}
	}
	m = tmux{t, filepath.Join(t.TempDir(), "tmux")}
	if _, err := a.Start(lab.Command{Path: "tmux", Args: []string{"-D", "-f", "/dev/null", "-S", m.socket}, Env: []string{"LC_ALL=C.UTF-8", "UVTEP_CONTROL=" + a.socket, "NO_COLOR="}}); err != nil {
		t.Fatal(err)
	}
	if err := lab.Eventually(timeout, func() error { _, err := net.Dial("unix", m.socket); return err }); err != nil {
		t.Fatal(err)
	}
	return a, b, daemon, m
}

// TestTop plays top in a terminal: rates, a drop's reason, a link's FDB, filter, help, other
// sizes, no colour, and a daemon that ends and comes back.
func TestTop(t *testing.T) {
	a, b, daemon, m := topLab(t)
	script := "TERM=dumb $0 top; echo dumb $?; $0 --control /nowhere/sock top; echo none $?; $0 top --interval 0.2; echo left $?; exec cat"
	m.must("new-session", "-d", "-s", "colour", "-x", "110", "-y", "34", "sh", "-c", script, exe)
	m.must("new-session", "-d", "-s", "plain", "-x", "80", "-y", "24", "-e", "NO_COLOR=1", "-e", "LC_ALL=C", exe, "top")
	mac, err := b.MAC("vxlan0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.OpenPacket("lab")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	flood := append(bytes.Repeat([]byte{0xff}, 6), append([]byte{2, 0, 0, 0, 0, 9, 0x08, 0}, make([]byte, 46)...)...)
	rate := regexp.MustCompile(`192\.0\.2\.2 +[0-9]+s +[0-9.]*[1-9]`)
	m.until("colour", "a rate and a drop", func(screen string) bool {
		if err := s.Send(flood); err != nil {
			t.Fatal(err)
		}
		if _, err := lab.Ping(a.Host, prefix("198.51.100.1/24").Addr(), prefix("198.51.100.2/24").Addr(), 100, 3); err != nil {
			t.Fatal(err)
		}
		return rate.MatchString(screen) && strings.Contains(screen, "tx-no-remote") && strings.ContainsAny(screen, "▂▃▄▅▆▇█") &&
			strings.Contains(screen, "vxlan0 vni 42") && strings.Contains(screen, "degraded: ")
	})
	m.until("colour", "colours", func(screen string) bool { return strings.Contains(screen, "\x1b[36m") }, "-e")
	m.until("plain", "no colour, ASCII alone", func(screen string) bool {
		return strings.Contains(screen, "vxlan0 vni 42") && !regexp.MustCompile(`\x1b\[([0-9;]*;)?[349][0-7]`).MatchString(screen) && strings.Trim(screen, "\x1b\x0f\n\t !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~") == ""
	}, "-e")

	m.must("send-keys", "-t", "colour", "/", "vxlan0", "Enter", "Enter")
	m.shows("colour", "vxlan0  up  vni 42  dstport 4789  local 192.0.2.1", "00:00:00:00:00:00", mac.String())
	m.must("send-keys", "-t", "colour", "/", mac.String())
	m.shows("colour", "filter: "+mac.String()+"_", ", 1 listed", mac.String()+" 192.0.2.2")
	m.must("send-keys", "-t", "colour", "Enter", "?")
	m.shows("colour", "It only reads; q leaves", "uvtep explain")
	m.must("send-keys", "-t", "colour", "x")
	m.shows("colour", "filter: "+mac.String())
	m.must("resize-window", "-t", "colour", "-x", "80", "-y", "24")
	m.until("colour", "80x24", func(screen string) bool {
		lines := strings.Split(strings.TrimRight(screen, "\n"), "\n")
		for _, l := range lines {
			if utf8.RuneCountInString(l) > 80 {
				return false
			}
		}
		return len(lines) == 24 && strings.HasPrefix(lines[0], "uvtep ") && strings.HasPrefix(lines[23], "esc back")
	})

	if err := daemon.Stop(timeout); err != nil {
		t.Fatal(err)
	}
	m.shows("colour", "no answer since")
	m.must("send-keys", "-t", "colour", "Left")
	m.shows("colour", "asking again: no uvtep daemon is running")
	a.daemon("vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2")
	m.until("colour", "the daemon again", func(screen string) bool {
		return strings.Contains(screen, "vxlan0 vni 42") && !strings.Contains(screen, "no answer")
	})
	m.must("send-keys", "-t", "colour", "q")
	m.shows("colour", "dumb 1", "none 3", "left 0")
}

// TestTopRefuses: where top cannot draw, it says what to use instead.
func TestTopRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"top": "uvtep status --watch", "-j top": "uvtep -j status", "top banana": "banana", "top --interval 0": "write seconds", "top --interval 3601": "write seconds",
		"top --interval x": "write seconds", "top --interval": "a number of seconds",
	} {
		r := uvtep(t, "/nowhere/sock", strings.Fields(line)...)
		if r.status != 1 || !strings.Contains(r.stderr, want) || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("uvtep %s: %d %q, want %q", line, r.status, r.stderr, want)
		}
	}
	for s, want := range map[string]time.Duration{"2": 2 * time.Second, "0.5": 500 * time.Millisecond, "1s": time.Second, "100ms": 100 * time.Millisecond, "3600": time.Hour} {
		if got, err := parseInterval(s); err != nil || got != want {
			t.Errorf("%s is %v, %v", s, got, err)
		}
	}
}
