package interop_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/test/lab"
)

// succession is a pair of hosts of which a's daemon is followed by another one.
type succession struct {
	a, b *configured
	args []string // of a's daemon
}

// newSuccession starts the daemons, a's with the options, and has clients give a's what is in no file: a static entry, a
// link.
func newSuccession(t *testing.T, options ...string) *succession {
	t.Helper()
	a, b := twoConfigured(t)
	check(t, a.daemon.proc.Stop(soon))
	s := &succession{a: a, b: b}
	s.args = append([]string{"--control", a.daemon.socket, "run", "--config", a.file}, options...)
	s.next(t, s.args)
	a.overlay(t, "vxlan0")
	check(t, a.MustReach(inner4(2).Addr(), 56, soon))
	a.daemon.uvtep(t, "fdb", "add", "02:00:00:00:00:99", "dev", "vxlan0", "dst", "192.0.2.2")
	a.daemon.uvtep(t, "link", "add", "vxlan1", "type", "vxlan", "id", "43", "local", "192.0.2.1", "remote", "192.0.2.2", "ttl", "7")
	c := client.New(a.daemon.socket)
	defer c.Close()
	neighbour := api.NeighChange{Op: "replace", NeighEntry: api.NeighEntry{Dev: "vxlan1", IP: addr("198.51.100.77"), MAC: "02:00:00:00:00:77"}}
	told := must(c.BatchNeighs(t.Context(), api.NeighBatch{Owner: "ctl", Generation: 5, Changes: []api.NeighChange{neighbour}}))(t)
	check(t, told.Results[0].Err())
	return s
}

// next makes a's daemon the one that is started with args.
func (s *succession) next(t *testing.T, args []string, env ...string) {
	t.Helper()
	s.start(t, lab.Command{Path: exe, Args: args, Env: env})
}

func (s *succession) start(t *testing.T, c lab.Command) {
	t.Helper()
	p := must(s.a.Start(c))(t)
	s.a.daemon.proc = p
	if err := p.WaitStderr("uvtep: ready\n", soon); err != nil {
		t.Fatal(err)
	}
}

// knows checks that a knows what it was given and what it learned.
func (s *succession) knows(t *testing.T) {
	t.Helper()
	s.a.wantEntry(t, "vxlan0", s.b.mac(t, "vxlan0")+" dst 192.0.2.2 self ")
	if all := s.a.daemon.uvtep(t, "fdb", "show", "dev", "vxlan0"); !strings.Contains(all, "02:00:00:00:00:99 dst 192.0.2.2 self permanent") {
		t.Errorf("the entry of the API is lost:\n%s", all)
	}
	if shown := s.a.daemon.uvtep(t, "-d", "link", "show", "vxlan1"); !strings.Contains(shown, "id 43") || !strings.Contains(shown, "ttl 7") {
		t.Errorf("the link of the API is lost:\n%s", shown)
	}
	c := client.New(s.a.daemon.socket)
	defer c.Close()
	if all := must(c.Neighs(t.Context(), "vxlan1"))(t); len(all) != 1 || all[0].MAC != "02:00:00:00:00:77" || all[0].Owner != "ctl" || all[0].Generation != 5 {
		t.Errorf("the controller's neighbour is lost: %+v", all)
	}
}

// losesNothing has frames flow both ways, 1,000 a second each, while change goes on.
func (s *succession) losesNothing(t *testing.T, change func()) {
	t.Helper()
	until := make(chan struct{})
	var counts [2]lab.UDPCount
	var both sync.WaitGroup
	for i := range counts {
		from, to, n := s.a.Host, s.b.Host, 2
		if i == 1 {
			from, to, n = to, from, 1
		}
		both.Go(func() {
			var err error
			counts[i], err = lab.UDPAtRate(t.Context(), lab.RateConfig{
				From: from, To: to, Dst: inner4(n).Addr(), Size: 200, Rate: 1000, Duration: time.Minute, Until: until,
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(300 * time.Millisecond) // frames before, and after: no condition is waited for
	change()
	time.Sleep(300 * time.Millisecond)
	close(until)
	both.Wait()
	for i, n := range counts {
		if n.Lost() > 0 || n.SendErrors > 0 || n.Duplicated+n.Corrupt > 0 || n.Sent < 100 {
			t.Errorf("%s: %v, %d lost", []string{"forth", "back"}[i], n, n.Lost())
		}
		t.Logf("%s: %v", []string{"forth", "back"}[i], n)
	}
}

// TestTakeOver: `uvtep run --take-over` follows a daemon without the loss of a frame, with all that clients made and that
// it learned, on the same netdev. One that cannot start leaves everything to the daemon that runs.
func TestTakeOver(t *testing.T) {
	s := newSuccession(t)
	index := must(s.a.Link("vxlan0"))(t).Attrs().Index
	over := append(s.args, "--take-over")
	s.losesNothing(t, func() {
		old := s.a.daemon.proc
		begin := time.Now()
		s.next(t, over)
		t.Logf("the next daemon is ready %v after its start", time.Since(begin))
		check(t, old.Wait(soon))
	})
	s.knows(t)
	if is := must(s.a.Link("vxlan0"))(t).Attrs().Index; is != index {
		t.Errorf("another netdev: index %d, was %d", is, index)
	}
	s.losesNothing(t, func() {
		bad := filepath.Join(t.TempDir(), "bad.yaml")
		check(t, os.WriteFile(bad, []byte("links:\n  - {name: vxlan0, id: 42, local: 192.0.2.1, dev: nope}\n"), 0o600))
		p := must(s.a.Start(lab.Command{Path: exe, Args: []string{"--control", s.a.daemon.socket, "run", "--config", bad, "--take-over"}}))(t)
		if err := p.Wait(soon); err == nil {
			t.Error("a daemon with a bad file has taken over")
		}
		check(t, s.a.daemon.proc.WaitStderr("could not start, going on", soon))
		check(t, lab.Eventually(soon, func() error {
			_, errs, err := s.a.daemon.try(t.Context(), "link", "show", "vxlan1")
			if err != nil {
				return fmt.Errorf("%w: %s", err, errs)
			}
			return nil
		}))
	})
	s.knows(t)
	s.next(t, over)
	s.knows(t)
}

// TestKilledAndStarted: a daemon that is killed and started has what the API made and what it learned, if it has a
// directory for that, and its persistent netdev is the same.
func TestKilledAndStarted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	s := newSuccession(t, "--state", dir)
	s.a.daemon.uvtep(t, "link", "set", "vxlan0", "persist")
	index := must(s.a.Link("vxlan0"))(t).Attrs().Index
	learned := must(net.ParseMAC(s.b.mac(t, "vxlan0")))(t)
	check(t, lab.Eventually(2*soon, func() error {
		for want, file := range map[string]string{"\x02\x00\x00\x00\x00\x99": "made", "vxlan1": "made", "\x02\x00\x00\x00\x00\x77": "made", string(learned): "learned"} {
			if b, err := os.ReadFile(filepath.Join(dir, file)); err != nil || !strings.Contains(string(b), want) {
				return fmt.Errorf("%s has no %q: %w", file, want, err)
			}
		}
		return nil
	}))
	check(t, s.a.daemon.proc.Signal(unix.SIGKILL))
	_ = s.a.daemon.proc.Wait(soon)
	begin := time.Now()
	s.next(t, s.args)
	t.Logf("ready %v after the start", time.Since(begin))
	s.knows(t)
	if is := must(s.a.Link("vxlan0"))(t).Attrs().Index; is != index {
		t.Errorf("another netdev: index %d, was %d", is, index)
	}
	check(t, s.a.MustReach(inner4(2).Addr(), 56, soon)) // by the address that it had
	check(t, s.a.daemon.proc.Stop(soon))
	check(t, os.WriteFile(filepath.Join(dir, "made"), []byte("cut short"), 0o600))
	s.next(t, s.args)
	if log := s.a.daemon.proc.Stderr(); !strings.Contains(log, "cannot be used") {
		t.Errorf("a broken state is not told:\n%s", log)
	}
}

// TestDescriptorStore: a restart by systemd loses no frame where systemd keeps the descriptors. The test is systemd: it
// keeps what the daemon sends, and gives it to the next one.
func TestDescriptorStore(t *testing.T) {
	dir := t.TempDir()
	s := newSuccession(t, "--state", filepath.Join(dir, "state"))
	notify := filepath.Join(dir, "notify")
	c := must(net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"}))(t)
	defer c.Close()
	store := &fdStore{}
	go store.run(c)
	check(t, s.a.daemon.proc.Stop(soon))
	s.next(t, s.args, "NOTIFY_SOCKET="+notify, "FDSTORE=64")
	s.a.overlay(t, "vxlan0")
	check(t, s.a.MustReach(inner4(2).Addr(), 56, soon))
	s.knows(t)
	index := must(s.a.Link("vxlan0"))(t).Attrs().Index
	s.losesNothing(t, func() {
		check(t, s.a.daemon.proc.Stop(soon))
		c := store.command(t, exe, s.args)
		s.start(t, c)
		for _, f := range c.Files {
			check(t, f.Close())
		}
	})
	s.knows(t)
	if is := must(s.a.Link("vxlan0"))(t).Attrs().Index; is != index {
		t.Errorf("another netdev: index %d, was %d", is, index)
	}
}

// fdStore is what systemd keeps.
type fdStore struct {
	mu    sync.Mutex
	names []string
	fds   []int
}

// run takes what the daemon sends. A barrier's descriptor is closed by then.
func (s *fdStore) run(c *net.UnixConn) {
	b, control := make([]byte, 4096), make([]byte, 4096)
	for {
		n, oobn, _, _, err := c.ReadMsgUnix(b, control)
		if err != nil {
			return
		}
		messages, _ := unix.ParseSocketControlMessage(control[:oobn])
		_, name, stored := strings.Cut(string(b[:n]), "FDNAME=")
		for i := range messages {
			fds, _ := unix.ParseUnixRights(&messages[i])
			for _, fd := range fds {
				unix.CloseOnExec(fd)
				if !stored {
					_ = unix.Close(fd)
					continue
				}
				s.mu.Lock()
				s.names, s.fds = append(s.names, strings.TrimSpace(name)), append(s.fds, fd)
				s.mu.Unlock()
			}
		}
	}
}

// command runs the program with what is kept, in another order than it was sent.
func (s *fdStore) command(t *testing.T, program string, args []string) lab.Command {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.fds) == 0 {
		t.Fatal("the daemon has stored nothing")
	}
	slices.Reverse(s.fds)
	slices.Reverse(s.names)
	c := lab.Command{
		Path: "/bin/sh", Args: append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, program}, args...),
		Env: []string{fmt.Sprint("LISTEN_FDS=", len(s.fds)), "LISTEN_FDNAMES=" + strings.Join(s.names, ":")},
	}
	for _, fd := range s.fds {
		c.Files = append(c.Files, os.NewFile(uintptr(fd), "kept"))
	}
	return c
}
