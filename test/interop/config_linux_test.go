package interop_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/uvtep/uvtep/test/lab"
)

// configured is a site whose daemon has a file.
type configured struct {
	*site
	t     *testing.T
	file  string
	times int // of SIGHUP
}

// newConfigured starts a daemon with links on a host. wrap is a command that
// starts it, or nothing.
func newConfigured(t *testing.T, h *lab.Host, n int, dev string, outer netip.Addr, links string, wrap ...string) *configured {
	t.Helper()
	c := &configured{site: &site{Host: h, kind: uvtep, n: n, dev: dev, outer: outer}, t: t, file: filepath.Join(t.TempDir(), "uvtep.yaml")}
	c.write(links)
	socket := filepath.Join(t.TempDir(), "s")
	args := append(wrap, exe, "--control", socket, "run", "--config", c.file)
	c.daemon = &daemon{host: h, socket: socket, proc: must(h.Start(lab.Command{Path: args[0], Args: args[1:]}))(t)}
	if err := c.daemon.proc.WaitStderr("uvtep: ready\n", soon); err != nil {
		t.Fatalf("%v: %s", err, c.daemon.proc.Stderr())
	}
	t.Cleanup(func() {
		if err := c.daemon.proc.Stop(soon); err != nil {
			t.Errorf("uvtep run after SIGTERM: %v", err)
		}
		if t.Failed() {
			t.Logf("%s: uvtep run logged:\n%s", h, c.daemon.proc.Stderr())
		}
	})
	return c
}

func (c *configured) write(links string) {
	c.t.Helper()
	check(c.t, os.WriteFile(c.file, []byte(links), 0o600))
}

// reload has the daemon read links, and returns what it logged of it.
func (c *configured) reload(links string) string {
	c.t.Helper()
	c.write(links)
	c.times++
	check(c.t, c.daemon.proc.Signal(syscall.SIGHUP))
	mark := fmt.Sprintf("reload=%d ", c.times)
	check(c.t, c.daemon.proc.WaitStderr(mark, soon))
	before, after, _ := strings.Cut(c.daemon.proc.Stderr(), mark)
	rest, _, _ := strings.Cut(after, "\n")
	return before[strings.LastIndex(before, "\n")+1:] + mark + rest
}

// twoConfigured are two hosts on a wire, each with the link vxlan0 to the other.
func twoConfigured(t *testing.T) (a, b *configured) {
	t.Helper()
	l := lab.ForTest(t)
	ha, hb := must(l.Host("a"))(t), must(l.Host("b"))(t)
	w := must(l.Wire(ha, hb, lab.WireOptions{}))(t)
	check(t, ha.AddAddr(w.A, prefix("192.0.2.%d/24", 1)), hb.AddAddr(w.B, prefix("192.0.2.%d/24", 2)))
	a = newConfigured(t, ha, 1, w.A, addr("192.0.2.1"), keptLink(1, 2))
	b = newConfigured(t, hb, 2, w.B, addr("192.0.2.2"), keptLink(2, 1))
	a.overlay(t, "vxlan0")
	b.overlay(t, "vxlan0")
	check(t, a.MustReach(inner4(2).Addr(), 56, soon))
	return a, b
}

func keptLink(local, remote int) string {
	return fmt.Sprintf("links:\n  - name: vxlan0\n    id: 42\n    local: 192.0.2.%d\n    remote: 192.0.2.%d\n", local, remote)
}

// TestReload: while SIGHUP adds, changes and removes other links and tells of
// broken files, a link that no file changed loses no frame and keeps what it
// learned and what others gave it.
func TestReload(t *testing.T) {
	t.Parallel()
	a, b := twoConfigured(t)
	a.daemon.uvtep(t, "fdb", "add", "02:00:00:00:00:99", "dev", "vxlan0", "dst", "192.0.2.2")
	learned := b.mac(t, "vxlan0") + " dst 192.0.2.2 self "
	a.wantEntry(t, "vxlan0", learned)
	index := must(a.Link("vxlan0"))(t).Attrs().Index

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	results := make(chan lab.UDPResult, 1)
	var traffic sync.WaitGroup
	traffic.Go(func() {
		var sum lab.UDPResult
		for ctx.Err() == nil {
			r, err := lab.UDP(t.Context(), lab.UDPConfig{From: a.Host, To: b.Host, Dst: inner4(2).Addr(), Size: 200, Count: 500, Window: 8})
			if err != nil {
				t.Error(err)
				break
			}
			add(&sum.Forth, r.Forth)
			add(&sum.Back, r.Back)
		}
		results <- sum
	})
	kept := keptLink(1, 2)
	for i := range 4 {
		for _, step := range []struct{ links, want string }{
			{kept + "  - {name: other, id: 43, local: 192.0.2.1, remotes: [192.0.2.2, 192.0.2.3]}\n", "is applied"},
			{kept + "  - {name: other, id: 43, local: 192.0.2.1, remotes: [192.0.2.2], ttl: 7, dstport: 4790, df: unset}\n", "is applied"},
			{kept + "  - {name: other, id: 44, local: 192.0.2.1, fdb: [{mac: '02:00:00:00:00:07', dst: 192.0.2.7}]}\n  - {name: more, id: 45, local: 192.0.2.1, group: 239.1.1.1, dev: " + a.dev + "}\n", "is applied"},
			{kept + "  - {name: other, id: 44, local: 192.0.2.1}\n    banana\n", ":7:"},
			{"links: []\n  - name: vxlan0\n", "uvtep.yaml:"},
			{"", "is applied"}, // replaced below
		} {
			if step.links == "" {
				step.links = kept + fmt.Sprintf("  - {name: last%d, id: 50}\n", i)
			}
			if log := a.reload(step.links); !strings.Contains(log, step.want) {
				t.Errorf("SIGHUP with\n%slogged %q, want %q in it", step.links, log, step.want)
			}
		}
	}
	if log := a.reload(kept + "...\n"); !strings.Contains(log, "is applied") {
		t.Errorf("at the end: %q", log)
	}
	stop()
	traffic.Wait()
	r := <-results
	t.Logf("over %d reloads: %v forth, %v back", a.times, r.Forth, r.Back)
	if r.Forth.Sent < 1000 || r.Forth.Lost() != 0 || r.Back.Lost() != 0 || r.Forth.SendErrors+r.Back.SendErrors != 0 {
		t.Errorf("lost: %v forth, %v back", r.Forth, r.Back)
	}
	a.wantEntry(t, "vxlan0", learned)
	a.wantEntry(t, "vxlan0", "02:00:00:00:00:99 dst 192.0.2.2 self permanent")
	if is := must(a.Link("vxlan0"))(t).Attrs().Index; is != index {
		t.Error("vxlan0 is another device")
	}
	if all := a.daemon.uvtep(t, "link", "show"); strings.Contains(all, "other") || strings.Contains(all, "last") || strings.Contains(all, "more") {
		t.Errorf("links that the file has no more:\n%s", all)
	}
}

func add(to *lab.UDPCount, c lab.UDPCount) {
	to.Sent += c.Sent
	to.Received += c.Received
	to.SendErrors += c.SendErrors
}

// TestReloadLive: a link that the file changed stays the device that it is, with
// its addresses, what it learned and what others gave it; traffic goes on.
func TestReloadLive(t *testing.T) {
	t.Parallel()
	a, b := twoConfigured(t)
	a.daemon.uvtep(t, "fdb", "add", "02:00:00:00:00:99", "dev", "vxlan0", "dst", "192.0.2.2")
	index := must(a.Link("vxlan0"))(t).Attrs().Index
	log := a.reload("links:\n  - name: vxlan0\n    id: 42\n    local: 192.0.2.1\n    remotes: [192.0.2.2, 192.0.2.3]\n    ttl: 9\n" +
		"    maxaddress: 100\n    fdb: [{mac: '02:00:00:00:00:07', dst: 192.0.2.7}]\n")
	if !strings.Contains(log, "is applied") {
		t.Fatal(log)
	}
	show := a.daemon.uvtep(t, "-d", "link", "show", "vxlan0")
	if is := must(a.Link("vxlan0"))(t).Attrs().Index; is != index || !strings.Contains(show, " ttl 9 ") || !strings.Contains(show, " maxaddr 100 ") {
		t.Errorf("index %d, want %d: %s", is, index, show)
	}
	for _, want := range []string{
		b.mac(t, "vxlan0") + " dst 192.0.2.2 self ", "02:00:00:00:00:99 dst 192.0.2.2 self permanent",
		"02:00:00:00:00:07 dst 192.0.2.7 self permanent", defaultEntry(addr("192.0.2.3")),
	} {
		a.wantEntry(t, "vxlan0", want)
	}
	if r := must(lab.Ping(a.Host, netip.Addr{}, inner4(2).Addr(), 56, 3))(t); r.Lost() != 0 {
		t.Error(r)
	}
}

// TestReloadBroken: a broken file changes nothing at all.
func TestReloadBroken(t *testing.T) {
	t.Parallel()
	a, _ := twoConfigured(t)
	show := func() string {
		shown := ""
		for line := range strings.Lines(a.daemon.uvtep(t, "-d", "link", "show") + a.daemon.uvtep(t, "fdb", "show")) {
			if !strings.Contains(line, "uvtep trouble ") { // counts what the network says of the remote
				shown += line
			}
		}
		return shown
	}
	before := show()
	kept := keptLink(1, 2)
	for links, at := range map[string]string{
		kept + "    ttl: 300\n":                                                    ":6:10: ",
		kept + "    ttl: 5\n    banana: 1\n":                                       ":7:5: ",
		kept + "    ttl: 5\n  - {name: x, id: 42, local: 192.0.2.1}\n":             ":7:19: ",
		kept + "    ttl: 5\n    fdb: [{mac: '02:00:00:00:00:01', dst: nowhere}]\n": ":7:43: ",
		"links:\n  - {name: new, id: 9}\n  - {name: new, id: 10}\n":                ":3:12: ",
		"links:\n\t- {name: new, id: 9}\n":                                         ":2:",
		kept + "    \"ttl: 5\n":                                                    ":6:",
		"banana: 1\n":                                                              ":1:1: ",
	} {
		if log := a.reload(links); !strings.Contains(log, a.file+at) {
			t.Errorf("%s\nlogged %q, want the place %s", links, log, at)
		}
		if now := show(); now != before {
			t.Fatalf("%s\nchanged something: before\n%snow\n%s", links, before, now)
		}
	}
}

// TestRemoteName: a name among the remotes is followed as its name server says.
func TestRemoteName(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"unshare", "sh", "mount"} { // a mount namespace with a resolv.conf of its own
		installed(t, program)
	}
	l := lab.ForTest(t)
	h := must(l.Host("a"))(t)
	check(t, h.AddBridge("eth0"), h.AddAddr("eth0", prefix("192.0.2.%d/24", 1)))
	dns := newNameServer(t, h, "192.0.2.1:53")
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	check(t, os.WriteFile(resolv, []byte("nameserver 192.0.2.1\n"), 0o644))
	c := newConfigured(t, h, 1, "eth0", addr("192.0.2.1"),
		"links:\n  - {name: vxlan0, id: 42, local: 192.0.2.1, remotes: [192.0.2.2, peer3.example.net]}\n",
		"unshare", "-m", "sh", "-c", "mount --bind "+resolv+` /etc/resolv.conf && exec "$@"`, "sh")
	follow := func(want ...string) {
		t.Helper()
		lines := []string{defaultEntry(addr("192.0.2.2"))}
		for _, w := range want {
			lines = append(lines, defaultEntry(addr(w)))
		}
		for deadline := time.Now().Add(2 * soon); ; time.Sleep(20 * time.Millisecond) {
			have := c.showFDB(t, "vxlan0")
			if strings.Join(have, "\n") == strings.Join(lines, "\n") {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the flood list is %q, want %q", have, lines)
			}
		}
	}
	follow() // the name does not resolve, and the daemon is there
	dns.set("192.0.2.3", "192.0.2.4")
	follow("192.0.2.3", "192.0.2.4")
	dns.set("192.0.2.4")
	follow("192.0.2.4")
	dns.set()
	follow()
}

// nameServer has the addresses of one name, for a second each.
type nameServer struct {
	mu    sync.Mutex
	addrs []string
}

func newNameServer(t *testing.T, h *lab.Host, at string) *nameServer {
	t.Helper()
	s := &nameServer{}
	var conn *net.UDPConn
	check(t, h.Do(func() (err error) {
		conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
		return err
	}))
	var serving sync.WaitGroup
	serving.Go(func() {
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if answer, err := s.answer(b[:n]); err == nil {
				_, _ = conn.WriteToUDPAddrPort(answer, from)
			}
		}
	})
	t.Cleanup(func() {
		_ = conn.Close()
		serving.Wait()
	})
	return s
}

func (s *nameServer) set(addrs ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addrs = addrs
}

func (s *nameServer) answer(question []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	m.Response, m.Additionals = true, nil
	if len(s.addrs) == 0 {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range s.addrs {
		if m.Questions[0].Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 1},
				Body:   &dnsmessage.AResource{A: addr(a).As4()},
			})
		}
	}
	return m.Pack()
}
