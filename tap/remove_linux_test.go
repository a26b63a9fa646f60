package tap

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestRemove: the netdevs of many devices go together while their descriptors are
// open yet. What is persistent, elsewhere, closed before or somebody else's stays,
// whatever groups and names the user gave.
func TestRemove(t *testing.T) {
	home := onHost(t)
	const n = 2*fewest + 3
	devices := make([]*Device, n)
	open := func(c Config) *Device {
		t.Helper()
		d, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		return d
	}
	for i := range devices {
		devices[i] = open(Config{Name: fmt.Sprint("many", i), Queues: 1 + i%2, Persist: i == 0})
		up := true
		if err := devices[i].Set(Change{Up: &up}); err != nil {
			t.Fatal(err)
		}
	}
	stranger := open(Config{Name: "stranger"})
	link := func(name string) netlink.Link {
		t.Helper()
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	other := newHost(t, home.Lab(), "other")
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	must(
		home.MoveLink("many1", other),
		netlink.LinkSetGroup(link("many2"), 7),
		netlink.LinkSetGroup(link("stranger"), 7),
		netlink.LinkSetDown(link("many3")),
		netlink.LinkSetName(link("many3"), "renamed"), // and somebody takes its name
		netlink.LinkSetDown(link("stranger")),
		netlink.LinkSetName(link("stranger"), "many3"),
		devices[4].Close(),
	)
	must(Remove(devices))
	for i, d := range devices {
		_, err := d.State()
		if stays := i < 2; stays && err != nil {
			t.Errorf("many%d is gone: %v", i, err)
		} else if !stays && i != 4 && !errors.Is(err, ErrGone) {
			t.Errorf("many%d after Remove: %v, want ErrGone", i, err)
		}
	}
	if s, err := stranger.State(); err != nil || s.Name != "many3" {
		t.Errorf("somebody else's TAP: %+v, %v", s, err)
	}
	if l := link("many0"); l.Attrs().Group != 0 || l.Attrs().Flags&1 == 0 {
		t.Errorf("the persistent netdev has group %d and flags %v, want 0 and up", l.Attrs().Group, l.Attrs().Flags)
	}
}

// TestRemoveRefusesGroup: nothing is deleted by a group that a netdev which is not
// to go has got meanwhile.
func TestRemoveRefusesGroup(t *testing.T) {
	onHost(t)
	h := &hub{}
	devices := make([]*Device, 3)
	for i := range devices {
		d, err := Open(Config{Name: fmt.Sprint("own", i)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		devices[i], h = d, d.hub
	}
	mine, groups, err := h.find(devices)
	if err != nil || len(mine) != len(devices) {
		t.Fatalf("found %v, %v", mine, err)
	}
	g := freeGroups(groups, 1)
	if err := h.rtnl.tag(mine, g); err != nil {
		t.Fatal(err)
	}
	if err := h.onlyOurs(map[uint32][]int{g: mine}, mine); err != nil {
		t.Errorf("with ours alone: %v", err)
	}
	if err := h.onlyOurs(map[uint32][]int{g: mine}, mine[1:]); err == nil {
		t.Error("a netdev that is not to go has the group, and nobody says so")
	}
}

// TestFreeGroups: a group in use is passed over, and so is a row that it is in.
func TestFreeGroups(t *testing.T) {
	used := map[uint32]bool{}
	for range 1000 {
		first := freeGroups(used, 8)
		for g := range uint32(8) {
			if used[first+g] || first+g < 1<<30 {
				t.Fatalf("group %d", first+g)
			}
			used[first+g] = true
		}
	}
}

// TestStateOfTruncated: a link message that ends early gives what it has.
func TestStateOfTruncated(t *testing.T) {
	onHost(t)
	d, err := Open(Config{Name: "whole", MTU: 1400})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	m, err := d.hub.rtnl.link("whole", home, rtextFilterSkipStats)
	if err != nil {
		t.Fatal(err)
	}
	want := stateOf(m, 1)
	if want.Name != "whole" || want.MTU != 1400 || want.Index == 0 || want.MAC.IsZero() || want.GSOMaxSize == 0 {
		t.Errorf("%+v", want)
	}
	for n := range m {
		s := stateOf(m[:n], 1)
		if n < unix.SizeofIfInfomsg && s != (State{Namespace: 1}) || s.MTU != 0 && s.MTU != 1400 {
			t.Fatalf("%d bytes: %+v", n, s)
		}
	}
}
