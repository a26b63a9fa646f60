package cli

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/test/lab"
)

// crowd holds connections to the daemon, on each of which send is written and
// nothing read.
func (h host) crowd(n int, network, address, send string) {
	h.t.Helper()
	err := h.Do(func() error {
		for range n {
			conn, err := net.DialTimeout(network, address, time.Second)
			if err != nil {
				return err
			}
			h.t.Cleanup(func() { conn.Close() })
			if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
				return err
			}
			_, _ = io.WriteString(conn, send) // as much as is taken
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// prompt runs commands, which each connect anew; they are to be done within a
// second and what it takes to start them.
func (h host) prompt(what string, times int) error {
	for range times {
		begin := time.Now()
		r := h.uvtep("link show vxlan0")
		if took := time.Since(begin); r.status != exitDone || took > 1500*time.Millisecond {
			return fmt.Errorf("beside %s: %+v after %v", what, r, took)
		}
	}
	return nil
}

// TestCrowd: who holds connections, to the control socket or to the metrics,
// keeps the operator out of neither.
func TestCrowd(t *testing.T) {
	const get = "GET /v1/links HTTP/1.1\r\nHost: u\r\n\r\n"
	const metrics = "127.0.0.1:9472"
	for what, c := range map[string]struct {
		n             int
		network, send string
	}{
		"connections that ask for nothing":                      {300, "unix", ""},
		"connections that were answered":                        {300, "unix", get},
		"headers without end":                                   {300, "unix", "GET /v1/links HTTP/1.1\r\nHost: u"},
		"bodies without end":                                    {300, "unix", "POST /v1/links HTTP/1.1\r\nHost: u\r\nContent-Length: 100\r\n\r\n{"},
		"readers that are stuck":                                {256, "unix", "GET /v1/fdb?dev=vxlan0 HTTP/1.1\r\nHost: u\r\n\r\n"},
		"connections to the metrics":                            {300, "tcp", ""},
		"scrapes that are stuck, 4 of which are made at a time": {40, "tcp", strings.Repeat("GET /metrics HTTP/1.1\r\nHost: u\r\n\r\n", 1000)},
	} {
		t.Run(what, func(t *testing.T) {
			a, _ := hosts(t)
			if err := a.SetUp("lo", true); err != nil {
				t.Fatal(err)
			}
			p := a.daemon("--metrics " + metrics + " vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2")
			a.fillFDB("vxlan0", 2000) // more than the kernel keeps for a reader
			address := a.socket
			if c.network == "tcp" {
				address = metrics
			}
			a.crowd(c.n, c.network, address, c.send)
			// What they asked for is worked on first, until they are stuck.
			if err := lab.Eventually(30*time.Second, func() error { return a.prompt(what, 3) }); err != nil {
				t.Fatal(err)
			}
			if err := a.Do(func() error { return scrape(metrics, 2*time.Second) }); err != nil {
				t.Errorf("beside %s: %v", what, err)
			}
			if n := descriptorsOf(t, p); n > 400 {
				t.Errorf("the daemon holds %d descriptors", n)
			}
		})
	}
}

// fillFDB adds entries to a link.
func (h host) fillFDB(link string, n int) {
	h.t.Helper()
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "fdb add 02:00:00:00:%02x:%02x dev %s dst 192.0.2.3\n", i>>8, i&0xff, link)
	}
	name := filepath.Join(h.t.TempDir(), "entries")
	if err := os.WriteFile(name, []byte(lines.String()), 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.mustUvtep("-batch " + name)
}

// scrape asks for the metrics, by the thread that calls it.
func scrape(address string, within time.Duration) error {
	conn, err := net.DialTimeout("tcp", address, within)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "GET /metrics HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	b, err := io.ReadAll(conn)
	if err == nil && !strings.Contains(string(b), "uvtep_link_up") {
		err = fmt.Errorf("the answer is %.100q", b)
	}
	return err
}

func descriptorsOf(t *testing.T, p *lab.Process) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestNoDescriptors: a daemon without a free file descriptor answers, and goes on
// when there are some again.
func TestNoDescriptors(t *testing.T) {
	a, _ := hosts(t)
	p := a.daemon("vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2")
	a.mustUvtep("link show vxlan0") // opens what it opens once
	var before unix.Rlimit
	if err := unix.Prlimit(p.Pid(), unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	few := unix.Rlimit{Cur: uint64(descriptorsOf(t, p)), Max: before.Max}
	if err := unix.Prlimit(p.Pid(), unix.RLIMIT_NOFILE, &few, nil); err != nil {
		t.Fatal(err)
	}
	if err := a.prompt("no free descriptor", 3); err != nil {
		t.Error(err)
	}
	a.crowd(5, "unix", a.socket, "")
	if err := a.prompt("no free descriptor, and others that wait", 3); err != nil {
		t.Error(err)
	}
	if err := unix.Prlimit(p.Pid(), unix.RLIMIT_NOFILE, &before, nil); err != nil {
		t.Fatal(err)
	}
	a.mustUvtep("link add vxlan1 id 43 local 192.0.2.1")
	if err := p.Stop(timeout); err != nil || p.ExitCode() != exitDone {
		t.Errorf("ended with %d, %v: %s", p.ExitCode(), err, p.Stderr())
	}
}
