package txring

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
)

// TestRoutesBySockets: remotes whose way is unusual are reached by sockets.
func TestRoutesBySockets(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	must(a.Lab().Wire(a.Host, b.Host, lab.WireOptions{NameA: "eth1", NameB: "eth1"}))(t)
	check(t, a.AddAddr("eth1", netip.MustParsePrefix("198.51.100.1/24")))
	hops := netlink.Route{Dst: &net.IPNet{IP: net.IP{203, 0, 113, 0}, Mask: net.CIDRMask(24, 32)}}
	for _, via := range []struct {
		dev string
		gw  net.IP
	}{{"eth0", b.v4.AsSlice()}, {"eth1", net.IP{198, 51, 100, 2}}} {
		hops.MultiPath = append(hops.MultiPath, &netlink.NexthopInfo{LinkIndex: must(a.Link(via.dev))(t).Attrs().Index, Gw: via.gw})
	}
	check(t, a.Netlink(func(n *netlink.Handle) error { return n.RouteAdd(&hops) }))
	check(t, a.Do(func() error {
		r := Open(Auto)
		defer func() { check(t, r.Close()) }()
		round := r.round()
		for dst, why := range map[string]string{
			"192.0.2.1": "none to another host", "192.0.2.255": "none to another host", "127.0.0.2": "none to another host", "224.0.0.1": "no unicast", "0.0.0.0": "no unicast",
			"fe80::1": "link-local", "203.0.113.9": "several next hops", "203.0.112.1": "no route", "198.51.100.9": "neighbour 198.51.100.9 is not known", "192.0.2.2": "",
		} {
			h := round.look(pathKey{dst: encap.AddrFrom(netip.MustParseAddr(dst)), port: port})
			if why == "" != (h.why == "") || !strings.Contains(h.why, why) {
				t.Errorf("%s: %q, want %q", dst, h.why, why)
			}
		}
		if h := round.look(pathKey{dst: encap.AddrFrom(b.v4), port: port, zone: uint32(must(a.Link("eth1"))(t).Attrs().Index)}); !strings.Contains(h.why, "depends on the device") && !strings.Contains(h.why, "no route") {
			t.Errorf("%q: a device that the route does not lead through is taken", h.why)
		}
		if h := round.look(pathKey{dst: encap.AddrFrom(b.v4), port: port, zone: uint32(must(a.Link("eth0"))(t).Attrs().Index), dscp: 0xe0}); h.why != "" {
			t.Errorf("the device that the route leads through: %q", h.why)
		}
		return nil
	}))
}

// TestNextHops: routes with several next hops are told from those with one, however they are made, or how much the kernel shows.
func TestNextHops(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs ip")
	}
	a, b := newWire(t)
	must(a.Lab().Wire(a.Host, b.Host, lab.WireOptions{NameA: "eth1", NameB: "eth1"}))(t)
	check(t, a.AddAddr("eth1", netip.MustParsePrefix("198.51.100.1/24"), netip.MustParsePrefix("2001:db8:1::1/64")))
	for _, at := range []string{"198.51.100.2", "2001:db8:1::2"} {
		check(t, a.SetNeighbour("eth1", netip.MustParseAddr(at), must(b.MAC("eth1"))(t)))
	}
	const several, hidden = "several next hops", "nexthop_compat_mode"
	for _, c := range []struct{ name, commands, whole, apart string }{ // apart: where routes do not show the parts of next-hop objects
		{"one", "route add DST via ONE", "", ""},
		{"several", "route add DST nexthop via ONE dev eth0 nexthop via TWO dev eth1", several, several},
		{"an object", "nexthop add id 1 via ONE dev eth0; route add DST nhid 1", "", hidden},
		{"a group", "nexthop add id 1 via ONE dev eth0; nexthop add id 2 via TWO dev eth1; nexthop add id 3 group 1/2; route add DST nhid 3", several, hidden},
	} {
		for _, v6 := range []bool{false, true} {
			for _, compat := range []string{"1", "0"} {
				t.Run(fmt.Sprintf("%s/v6=%v/compat=%s", c.name, v6, compat), func(t *testing.T) {
					dst, one, two := "203.0.113.0/24", b.v4.String(), "198.51.100.2"
					if v6 {
						dst, one, two = "2001:db8:2::/64", b.v6.String(), "2001:db8:1::2"
					}
					check(t, a.Sysctl("net.ipv4.nexthop_compat_mode", compat))
					for line := range strings.SplitSeq(c.commands, "; ") {
						line = strings.NewReplacer("DST", dst, "ONE", one, "TWO", two).Replace(line)
						if _, stderr, err := a.Run(t.Context(), "ip", strings.Fields(line)...); err != nil {
							t.Fatalf("ip %s: %v: %s", line, err, stderr)
						}
					}
					defer func() {
						_, _, _ = a.Run(t.Context(), "ip", "route", "del", dst)
						_, _, _ = a.Run(t.Context(), "ip", "nexthop", "flush")
					}()
					want := c.whole
					if compat == "0" {
						want = c.apart
					}
					check(t, a.Do(func() error {
						r := Open(Auto)
						defer func() { check(t, r.Close()) }()
						h := r.round().look(pathKey{dst: encap.AddrFrom(netip.MustParsePrefix(dst).Addr().Next()), port: port})
						if (want == "") != (h.why == "") || !strings.Contains(h.why, want) {
							t.Errorf("%q, want %q", h.why, want)
						}
						return nil
					}))
				})
			}
		}
	}
}
