package tap

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

// TestNeighbours: the table is read and its changes are heard of, also after
// the netdev moved to another namespace.
func TestNeighbours(t *testing.T) {
	home := onHost(t)
	d := mustOpen(t, Config{Name: "vxlan0"})
	ipv6(t, home, "vxlan0", true)
	mustSet(t, d, Change{Up: new(true)})
	away := newHost(t, home.Lab(), "away")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heard, ended := make(chan State, 1000), make(chan error, 1)
	go func() { ended <- d.Watch(ctx, func(s State) { heard <- s }) }()
	now := <-heard

	add := func(n netlink.Neigh) {
		t.Helper()
		n.LinkIndex = mustState(t, d).Index
		if err := netlink.NeighSet(&n); err != nil {
			t.Fatal(err)
		}
	}
	has := func(what string, want ...Neighbour) {
		t.Helper()
		for late := time.After(10 * time.Second); ; {
			select {
			case s := <-heard:
				news := s.Neighbours != now.Neighbours
				now = s
				got, err := d.Neighbours()
				if err != nil {
					t.Fatal(err)
				}
				slices.SortFunc(got, func(a, b Neighbour) int { return a.IP.Compare(b.IP) })
				if news && slices.Equal(got, want) {
					return
				}
			case <-late:
				got, err := d.Neighbours()
				t.Fatalf("%s: not heard of within 10 s: %v, %v, want %v", what, got, err, want)
			}
		}
	}
	mac := encap.MAC{2, 0, 0, 0, 0, 7}
	ip4, ip6 := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8::7")
	add(netlink.Neigh{IP: ip4.AsSlice(), HardwareAddr: mac[:], State: netlink.NUD_PERMANENT})
	has("added", Neighbour{ip4, mac})
	add(netlink.Neigh{IP: ip6.AsSlice(), HardwareAddr: mac[:], State: netlink.NUD_NOARP})
	has("IPv6 added", Neighbour{ip4, mac}, Neighbour{ip6, mac})
	add(netlink.Neigh{IP: net.IPv4(198, 51, 100, 8), HardwareAddr: mac[:], State: netlink.NUD_STALE})
	if err := netlink.NeighDel(&netlink.Neigh{LinkIndex: now.Index, IP: ip4.AsSlice(), Family: unix.AF_INET}); err != nil {
		t.Fatal(err)
	}
	has("removed, and one that is not usable", Neighbour{ip6, mac})

	check(t, home.MoveLink("vxlan0", away))
	has("moved")
	mustSet(t, d, Change{Up: new(true)})
	check(t, away.SetNeighbour("vxlan0", ip4, mac[:]))
	has("added over there", Neighbour{ip4, mac})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
