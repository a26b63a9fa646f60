package tap

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

// observer collects what a Watch reports.
type observer struct {
	states chan State
	ended  chan error
	stop   context.CancelFunc
}

// observe watches d until the test ends.
func observe(t *testing.T, d *Device) *observer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	o := &observer{states: make(chan State, 1000), ended: make(chan error, 1), stop: cancel}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		o.ended <- d.Watch(ctx, func(s State) {
			s.Neighbours = 0 // the kernel's own, now and then
			o.states <- s
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-finished
	})
	return o
}

// expect waits for a state that satisfies want.
func (o *observer) expect(t *testing.T, what string, want func(State) bool) State {
	t.Helper()
	for {
		select {
		case s := <-o.states:
			if want(s) {
				return s
			}
		case err := <-o.ended:
			t.Fatalf("%s: Watch ended: %v", what, err)
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: not reported", what)
		}
	}
}

// end waits for Watch to return.
func (o *observer) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-o.ended:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("Watch did not return")
		return nil
	}
}

func TestWatch(t *testing.T) {
	onHost(t)
	d := mustOpen(t, Config{Name: "vxlan0", MAC: hostMAC})
	o := observe(t, d)
	first := <-o.states
	if first != mustState(t, d) || first.Up || first.Name != "vxlan0" || first.MAC != hostMAC {
		t.Errorf("first report %+v, want the present state, down", first)
	}

	// As an operator does it, by netlink.
	l := mustLink(t, "vxlan0")
	for _, step := range []struct {
		what string
		do   func() error
		want func(State) bool
	}{
		{"up", func() error { return netlink.LinkSetUp(l) }, func(s State) bool { return s.Up && s.LowerUp }},
		{"MTU", func() error { return netlink.LinkSetMTU(l, 1450) }, func(s State) bool { return s.MTU == 1450 }},
		{"MAC", func() error { return netlink.LinkSetHardwareAddr(l, peerMAC[:]) }, func(s State) bool { return s.MAC == peerMAC }},
		{"down", func() error { return netlink.LinkSetDown(l) }, func(s State) bool { return !s.Up }},
		{"rename", func() error { return netlink.LinkSetName(l, "overlay0") }, func(s State) bool { return s.Name == "overlay0" }},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		o.expect(t, step.what, step.want)
	}
	// And through the device, under its new name.
	mustSet(t, d, Change{Up: new(true), MAC: &hostMAC, MTU: new(1400), TxQueueLen: new(500), Name: "again0"})
	want := State{Name: "again0", Index: first.Index, MAC: hostMAC, MTU: 1400, Up: true, LowerUp: true, Namespace: first.Namespace,
		TxQueueLen: 500, GSOMaxSize: first.GSOMaxSize, GSOMaxSegs: first.GSOMaxSegs}
	o.expect(t, "Set", func(s State) bool { return s == want })
	if got := mustState(t, d); got != want {
		t.Errorf("state %+v, want %+v", got, want)
	}
	if n := mustLink(t, "again0").Attrs().TxQLen; n != 500 {
		t.Errorf("transmit queue length %d, want 500", n)
	}
	o.stop()
	if err := o.end(t); err != nil {
		t.Errorf("Watch after its context ended: %v, want nil", err)
	}
}

// A toggle that is over before anybody looks is reported all the same: what
// was learned on the link depends on it.
func TestWatchReportsShortDown(t *testing.T) {
	onHost(t)
	d := mustOpen(t, Config{})
	mustSet(t, d, Change{Up: new(true)})
	o := observe(t, d)
	o.expect(t, "up", func(s State) bool { return s.Up })
	mustSet(t, d, Change{Up: new(false)})
	mustSet(t, d, Change{Up: new(true)})
	o.expect(t, "down", func(s State) bool { return !s.Up })
	o.expect(t, "up again", func(s State) bool { return s.Up })
}

// What another device does is no news, nor is leaving a bridge a deletion.
func TestWatchIgnoresOthers(t *testing.T) {
	onHost(t)
	d, other := mustOpen(t, Config{}), mustOpen(t, Config{})
	o := observe(t, d)
	<-o.states
	mustSet(t, other, Change{Up: new(true), MTU: new(1300)})
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	if err := netlink.LinkAdd(br); err != nil {
		t.Fatal(err)
	}
	l := mustLink(t, mustState(t, d).Name)
	if err := netlink.LinkSetMaster(l, br); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetNoMaster(l); err != nil {
		t.Fatal(err)
	}
	mustSet(t, d, Change{MTU: new(1234)})
	select {
	case s := <-o.states:
		if s.MTU != 1234 {
			t.Errorf("reported %+v, which is no change", s)
		}
	case err := <-o.ended:
		t.Errorf("Watch ended: %v", err)
	}
}

// Many watched devices share one event loop and one socket.
func TestWatchIsShared(t *testing.T) {
	onHost(t)
	const devices = 50
	ds := make([]*Device, devices)
	for i := range ds {
		ds[i] = mustOpen(t, Config{})
	}
	fds, routines := openFDs(t), runtime.NumGoroutine()
	os := make([]*observer, devices)
	for i, d := range ds {
		os[i] = observe(t, d)
		<-os[i].states
	}
	if d := cmp.Diff(fds, openFDs(t)); d != "" {
		t.Errorf("file descriptors for %d watches:\n%s", devices, d)
	}
	if n := runtime.NumGoroutine() - routines - devices; n > 1 {
		t.Errorf("%d goroutines beside those that watch", n)
	}
	for i, d := range ds {
		mustSet(t, d, Change{MTU: new(1000 + i)})
	}
	for i, o := range os {
		o.expect(t, "MTU", func(s State) bool { return s.MTU == 1000+i })
	}
	for _, o := range os {
		o.stop()
		if err := o.end(t); err != nil {
			t.Error(err)
		}
	}
	sameGoroutines(t, routines)
	// The loop ended; it starts again, and knows nothing of what it missed.
	mustSet(t, ds[0], Change{MTU: new(1300)})
	o := observe(t, ds[0])
	if s := <-o.states; s.MTU != 1300 {
		t.Errorf("first report of a new watch: MTU %d, want 1300", s.MTU)
	}
	mustSet(t, ds[0], Change{MTU: new(1301)})
	if s := <-o.states; s.MTU != 1301 {
		t.Errorf("second report: MTU %d, want 1301", s.MTU)
	}
}

func TestWatchAfterLostEvents(t *testing.T) {
	onHost(t)
	d := mustOpen(t, Config{})
	o := observe(t, d)
	<-o.states
	// Events that the hub does not hear of, as after an overflow.
	for _, g := range []int{unix.RTNLGRP_LINK, unix.RTNLGRP_NSID} {
		if err := unix.SetsockoptInt(d.hub.events.fd, unix.SOL_NETLINK, unix.NETLINK_DROP_MEMBERSHIP, g); err != nil {
			t.Fatal(err)
		}
	}
	mustSet(t, d, Change{MTU: new(1321)})
	d.hub.notifyAll(event{lost: true})
	o.expect(t, "MTU", func(s State) bool { return s.MTU == 1321 })
}

func TestDeleted(t *testing.T) {
	onHost(t)
	d := mustOpen(t, Config{Name: "vxlan0", Queues: 2})
	mustSet(t, d, Change{Up: new(true)})
	o := observe(t, d)
	<-o.states
	readers := make(chan error, 2)
	for q := range 2 {
		go func() {
			for {
				if _, err := d.ReadBatch(q, make([]encap.Frame, 1)); err != nil {
					readers <- err
					return
				}
			}
		}()
	}
	if err := netlink.LinkDel(mustLink(t, "vxlan0")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-readers; !errors.Is(err, ErrGone) {
			t.Errorf("blocked ReadBatch: %v, want ErrGone", err)
		}
	}
	if err := o.end(t); !errors.Is(err, ErrGone) {
		t.Errorf("Watch: %v, want ErrGone", err)
	}
	expectGone(t, d)
}

// expectGone checks that every method says so.
func expectGone(t *testing.T, d *Device) {
	t.Helper()
	frames := []encap.Frame{{Data: testFrame(60, 1)}}
	_, read := d.ReadBatch(0, make([]encap.Frame, 1))
	_, write := d.WriteBatch(0, frames)
	_, state := d.State()
	for what, err := range map[string]error{
		"ReadBatch": read, "WriteBatch": write, "State": state,
		"Set":   d.Set(Change{MTU: new(1400)}),
		"Watch": d.Watch(t.Context(), func(State) {}),
	} {
		if !errors.Is(err, ErrGone) {
			t.Errorf("%s of a deleted device: %v, want ErrGone", what, err)
		}
	}
}

// Nobody reads, so only the event can tell.
func TestWatchHearsDeletion(t *testing.T) {
	onHost(t)
	d := mustOpen(t, Config{Name: "vxlan0"})
	o := observe(t, d)
	<-o.states
	if err := netlink.LinkDel(mustLink(t, "vxlan0")); err != nil {
		t.Fatal(err)
	}
	if err := o.end(t); !errors.Is(err, ErrGone) {
		t.Errorf("Watch: %v, want ErrGone", err)
	}
}
