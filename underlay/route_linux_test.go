package underlay

import (
	"net"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// device makes an interface that is up, and is its index.
func (h *host) device(t *testing.T, link netlink.Link) int {
	t.Helper()
	h.do(t, func() error {
		if err := netlink.LinkAdd(link); err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	})
	return link.Attrs().Index
}

// TestRouteOfSeveralHops: the MTU is the least of what the next hops and the
// route itself allow, whichever a packet would take.
func TestRouteOfSeveralHops(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		second := a.device(t, &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth1", MTU: 1550}, PeerName: "far"})
		dst := netip.MustParsePrefix("203.0.113.0/24")
		gateway := net.ParseIP("198.51.100.9")
		own := netip.MustParsePrefix("198.51.100.1/24")
		if v6 {
			dst, gateway, own = netip.MustParsePrefix("2001:db8:9::/48"), net.ParseIP("2001:db8:8::9"), netip.MustParsePrefix("2001:db8:8::1/64")
		}
		check(t, a.AddAddr("eth1", own))
		check(t, a.SetUp("far", true))
		for _, c := range []struct{ metric, want int }{{0, 1550}, {1400, 1400}, {9000, 1550}} {
			a.do(t, func() error {
				err := netlink.RouteReplace(&netlink.Route{Dst: ipNet(dst), MTU: c.metric, MultiPath: []*netlink.NexthopInfo{
					{LinkIndex: a.index, Gw: b.addr(v6).AsSlice()}, {LinkIndex: second, Gw: gateway},
				}})
				if err != nil {
					return err
				}
				r, err := RouteTo(dst.Addr().Next(), "")
				over := []Lower{{Index: a.index, MTU: 1600}, {Index: second, MTU: 1550}}
				slices.SortFunc(over, func(x, y Lower) int { return x.Index - y.Index })
				if err == nil && (r.MTU != c.want || r.Metric != c.metric || !reflect.DeepEqual(r.Over, over)) {
					t.Errorf("a route with mtu %d: %+v, want MTU %d over %+v", c.metric, r, c.want, over)
				}
				return err
			})
		}
	})
}

// TestRouteStacked: what a route leaves through at the bottom, below a bridge and
// a macvlan.
func TestRouteStacked(t *testing.T) {
	a, _ := newWire(t)
	tap := a.device(t, &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tap0"}, Mode: unix.IFF_TAP})
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	a.device(t, bridge)
	a.device(t, &netlink.Macvlan{LinkAttrs: netlink.LinkAttrs{Name: "mac0", ParentIndex: bridge.Index}, Mode: netlink.MACVLAN_MODE_BRIDGE})
	bottom := func(dev string) []Lower {
		t.Helper()
		var i Interface
		a.do(t, func() (err error) { i, err = InterfaceByName(dev); return err })
		return i.Over
	}
	own := func(dev string) []Lower {
		t.Helper()
		link, err := a.Link(dev)
		check(t, err)
		return []Lower{{Index: link.Attrs().Index, MTU: link.Attrs().MTU}}
	}
	if got, want := bottom("br0"), own("br0"); !reflect.DeepEqual(got, want) {
		t.Errorf("a bridge without ports is over %+v, want itself, %+v", got, want)
	}
	check(t, a.SetMaster("tap0", "br0"))
	check(t, a.SetMaster("eth0", "br0"))
	check(t, a.AddAddr("mac0", netip.MustParsePrefix("203.0.113.1/24")))
	want := []Lower{{Index: tap, MTU: 1500, TUN: true}, {Index: a.index, MTU: 1600}}
	slices.SortFunc(want, func(x, y Lower) int { return x.Index - y.Index })
	var got []Lower
	a.do(t, func() error {
		r, err := RouteTo(netip.MustParseAddr("203.0.113.9"), "")
		got = r.Over
		return err
	})
	slices.SortFunc(got, func(x, y Lower) int { return x.Index - y.Index })
	if !reflect.DeepEqual(got, want) {
		t.Errorf("a macvlan of a bridge is over %+v, want its ports, %+v", got, want)
	}
	if got, want := bottom("eth0"), []Lower{{Index: a.index, MTU: 1600}}; !reflect.DeepEqual(got, want) {
		t.Errorf("one end of a veth pair is over %+v, want itself", got)
	}
}
