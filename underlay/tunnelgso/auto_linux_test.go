package tunnelgso

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/underlay"
)

// TestAutoMeasures: with auto, superframes leave whole through a veth whose other end takes them whole, and no more once a
// device behind it, which nothing here tells of, has the kernel cut them.
func TestAutoMeasures(t *testing.T) {
	l := lab.ForTest(t)
	a, b := newHost(t, l, 1), newHost(t, l, 2)
	s := must(l.Switch(lab.WireOptions{MTU: 1600}, a.Host, b.Host))(t)
	meet(t, "eth0", a, b)
	w := a.way(t, Auto)
	tx := a.transmitter(t, w, underlay.TransmitterConfig{})
	burst := func(want bool, why string) {
		t.Helper()
		check(t, lab.Eventually(patience, func() error {
			for range 2 * trialPairs {
				check(t, tx.WriteBatch([]encap.Packet{super(t, b.v4, false, 60_000, 1400)}))
			}
			if o := tx.Offloads(); o.Tunnel != want || !contains(o.TunnelReason, why) {
				return fmt.Errorf("on %v: %q, want %v, %q", o.Tunnel, o.TunnelReason, want, why)
			}
			return nil
		}))
	}
	burst(true, "")
	check(t, s.Host.SetOffload(s.Ports[1], map[string]bool{"tx-udp_tnl-segmentation": false, "tx-udp_tnl-csum-segmentation": false}))
	burst(false, "longer than in pieces")
	check(t, s.Host.SetOffload(s.Ports[1], map[string]bool{"tx-udp_tnl-segmentation": true, "tx-udp_tnl-csum-segmentation": true}))
	burst(true, "")
}

// TestTAPWhenNeeded: there is no TAP before a superframe comes that may take it.
func TestTAPWhenNeeded(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	w := a.way(t, Auto)
	tx := a.transmitter(t, w, underlay.TransmitterConfig{})
	send(t, tx, small(b.v4, "x"), super(t, netip.MustParseAddr("127.0.0.1"), false, 3000, 1000))
	check(t, lab.Eventually(patience, func() error {
		if o := tx.Offloads(); !contains(o.TunnelReason, "this host") {
			return fmt.Errorf("%+v", o)
		}
		return nil
	}))
	if w.open.Load() {
		t.Error("there is one already")
	}
	send(t, tx, super(t, b.v4, false, 3000, 1000))
	check(t, lab.Eventually(patience, func() error {
		if !w.open.Load() {
			return errAgain
		}
		return nil
	}))
}

// TestFilteredOutput: with auto, none leaves past a firewall for what this host sends, also where that comes later.
func TestFilteredOutput(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	w := a.way(t, Auto)
	look := func(want string) {
		t.Helper()
		check(t, a.Do(func() error {
			if h := lookOnce(t, w, pathKey{dst: encap.AddrFrom(b.v4), port: port}); !contains(h.why, want) {
				t.Errorf("%q, want %q", h.why, want)
			}
			return nil
		}))
	}
	run := func(words ...string) {
		t.Helper()
		if _, stderr, err := a.Run(t.Context(), "nft", words...); err != nil {
			t.Fatalf("nft %s: %v: %s", words, err, stderr)
		}
	}
	run("add", "table", "inet", "t")
	for hook, want := range map[string]string{"output": "chain t c of nftables is for what this host sends, which would not see it", "input": "", "postrouting": ""} {
		run("add", "chain", "inet", "t", "c", "{ type filter hook "+hook+" priority 0 ; }")
		look(want)
		run("delete", "chain", "inet", "t", "c")
	}
	look("")
}

// TestInPieces: what a link's receivers on this host would not take leaves in pieces.
func TestInPieces(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	tx := a.transmitter(t, a.way(t, On), underlay.TransmitterConfig{InPieces: true})
	send(t, tx, super(t, b.v4, false, 30_000, 1400))
	if o := tx.Offloads(); o.Tunnel || o.Tunnelled != 0 || !contains(o.TunnelReason, "samehost none") {
		t.Errorf("%+v", o)
	}
}

// TestAllocations: superframes and what is beside them cost no allocation.
func TestAllocations(t *testing.T) {
	a, b := newWire(t)
	tx := a.transmitter(t, a.way(t, On), underlay.TransmitterConfig{})
	opened(t, tx, b.v4, "")
	p := []encap.Packet{small(b.v4, "x"), super(t, b.v4, false, 3000, 1000), small(b.v4, "y")}
	before := tx.Offloads().Tunnelled
	least := 1.0
	for range 10 { // the follower, which looks at the path meanwhile, allocates
		if least = min(least, testing.AllocsPerRun(200, func() { _ = tx.WriteBatch(p) })); least == 0 {
			break
		}
	}
	if least != 0 {
		t.Errorf("%v allocations", least)
	}
	if tx.Offloads().Tunnelled < before+200 {
		t.Error("they did not leave whole")
	}
}

// TestUnheardGroup: where the process may not hear of nftables, no descriptor is closed twice: one that another part of the program
// has by then would go.
func TestUnheardGroup(t *testing.T) {
	var e *events
	a := newHost(t, lab.ForTest(t), 1)
	check(t, a.Do(func() (err error) {
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var had, none [2]unix.CapUserData
		if err := unix.Capget(&head, &had[0]); err != nil {
			return err
		}
		none = had
		none[0].Effective, none[1].Effective = 0, 0
		if err := unix.Capset(&head, &none[0]); err != nil {
			return err
		}
		e, err = listen()
		return errors.Join(err, unix.Capset(&head, &had[0]))
	}))
	defer e.close()
	if len(e.fds) != 1 {
		t.Errorf("%d sockets, want that of routes alone", len(e.fds))
	}
	var next [8]int
	for i := range next {
		next[i] = must(unix.Dup(e.fds[0]))(t)
		defer unix.Close(next[i])
	}
	runtime.GC()
	runtime.GC() // cleanups run after the first
	time.Sleep(10 * time.Millisecond)
	for _, fd := range next {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			t.Errorf("descriptor %d was closed: %v", fd, err)
		}
	}
}
