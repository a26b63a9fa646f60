package tap

import (
	"errors"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestIndex: the netdev gets the index asked for, with one queue and with more; one that is taken is refused and
// leaves nothing; a TAP that is there keeps its own.
func TestIndex(t *testing.T) {
	onHost(t)
	before := len(openFDs(t))
	for _, queues := range []int{1, 2} {
		d, err := Open(Config{Name: "vxlan0", Index: 4711, Queues: queues})
		if err != nil {
			t.Fatal(err)
		}
		if s := mustState(t, d); s.Index != 4711 || d.Queues() != queues {
			t.Errorf("index %d with %d queues", s.Index, d.Queues())
		}
		if _, err := Open(Config{Name: "vxlan1", Index: 4711}); !errors.Is(err, ErrIndex) {
			t.Errorf("an index that is taken: %v", err)
		}
		if _, err := netlink.LinkByName("vxlan1"); !errors.As(err, new(netlink.LinkNotFoundError)) {
			t.Errorf("what was refused left a netdev: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := netlink.LinkByName("vxlan0"); !errors.As(err, new(netlink.LinkNotFoundError)) {
			t.Errorf("the netdev after Close: %v", err)
		}
	}
	if err := netlink.LinkAdd(&netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "vxlan0"}, Mode: netlink.TUNTAP_MODE_TAP}); err != nil {
		t.Fatal(err)
	}
	has := mustLink(t, "vxlan0").Attrs().Index
	if _, err := Open(Config{Name: "vxlan0", Index: has + 1}); err == nil || !strings.Contains(err.Error(), "which it keeps") {
		t.Errorf("another index than the TAP has: %v", err)
	}
	d, err := Open(Config{Name: "vxlan0", Index: has})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if n := len(openFDs(t)); n != before {
		t.Errorf("%d file descriptors, %d before", n, before)
	}
}
