package interop_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// groups are of the blocks that the recipes use.
func groups() []struct {
	family
	addr netip.Addr
} {
	return []struct {
		family
		addr netip.Addr
	}{
		{families()[0], addr("224.1.1.1")},
		{families()[0], addr("239.1.1.1")},
		{families()[1], addr("ff05::100")},
	}
}

// joined reports whether the host has joined group on its device, as
// /proc/net/igmp or /proc/net/igmp6 says, with the number of users.
func (s *site) joined(t *testing.T, group netip.Addr) bool {
	t.Helper()
	file, digits := "igmp6", fmt.Sprintf("%x", group.AsSlice())
	if group.Is4() {
		// include/linux/igmp.h: the address as a number of this machine.
		file, digits = "igmp", fmt.Sprintf("%08X", binary.NativeEndian.Uint32(group.AsSlice()))
	}
	return strings.Contains(must(s.ReadProcNet(file))(t), digits)
}

func (s *site) wantJoined(t *testing.T, group netip.Addr, want bool) {
	t.Helper()
	eventually(t, func() error {
		if got := s.joined(t, group); got != want {
			return fmt.Errorf("%s (%s): joined %s: %t, want %t", s, s.kind, group, got, want)
		}
		return nil
	})
}

// TestGroup is scenario 4 with four hosts, of which the last comes later.
func TestGroup(t *testing.T) {
	t.Parallel()
	for _, g := range groups() {
		t.Run(g.addr.String(), func(t *testing.T) {
			sites := newSites(t, g.family, lab.WireOptions{}, uvtep, kernel, uvtep, kernel)
			for i, s := range sites {
				s.wantJoined(t, g.addr, false)
				s.addLink(t, link{group: g.addr})
				s.overlay(t, "vxlan0")
				s.wantJoined(t, g.addr, true)
				s.wantEntry(t, "vxlan0", zeros+" dst "+g.addr.String()+" via "+s.dev+" self permanent")
				for _, earlier := range sites[:i] {
					groupPing(t, s, earlier)
					groupPing(t, earlier, s)
				}
			}
			for _, s := range sites {
				for _, other := range sites {
					if s != other {
						s.wantEntry(t, "vxlan0", other.mac(t, "vxlan0")+" dst "+other.outer.String()+" self ")
					}
				}
			}
			t.Run("wire", func(t *testing.T) { groupWire(t, sites, g.addr) })
			t.Run("down-and-up", func(t *testing.T) { downAndUp(t, sites, g.addr) })
			for _, s := range sites {
				s.delLink(t, "vxlan0")
				s.wantJoined(t, g.addr, false)
			}
		})
	}
}

func groupPing(t *testing.T, from, to *site) {
	t.Helper()
	check(t, from.MustReach(inner4(to.n).Addr(), 56, soon))
	r := must(lab.Ping(from.Host, netip.Addr{}, inner4(to.n).Addr(), 1400, 3))(t)
	if r.Received != 3 || r.Duplicates > 0 {
		t.Errorf("%s to %s: %v", from, to, r)
	}
}

// groupWire sends a frame to all: it must leave each host once, to the group's
// address and MAC (RFC 1112 section 6.4, RFC 2464 section 7) with TTL 1, and
// arrive once at each other one.
func groupWire(t *testing.T, sites []*site, group netip.Addr) {
	mac := []byte{0x33, 0x33, 0, 0, 0x01, 0x00}
	if g := group.AsSlice(); group.Is4() {
		mac = []byte{0x01, 0x00, 0x5e, g[1] & 0x7f, g[2], g[3]}
	}
	for _, from := range sites {
		wire := must(from.Capture(from.dev, 0))(t)
		var seen []*lab.Capture
		for _, s := range sites {
			seen = append(seen, must(s.Capture("vxlan0", 0))(t))
		}
		out := must(from.OpenPacket("vxlan0"))(t)
		all := net.HardwareAddr{255, 255, 255, 255, 255, 255}
		for i := range 5 {
			check(t, out.Send(frame(all, must(from.MAC("vxlan0"))(t), nil, 100, fmt.Sprintf("echo %02d", i))))
		}
		for i, s := range sites {
			if s != from {
				once(t, seen[i], 5)
			}
		}
		sent := 0
		for _, p := range outerPackets(must(wire.Stop())(t)) {
			// A capture on a veth shows what UDP_SEGMENT joined before it is cut.
			n := bytes.Count(p.inner, []byte("echo "))
			if n == 0 {
				continue
			}
			if sent += n; p.src != from.outer || !p.toGroup(group) || p.ttl != 1 || !bytes.Equal(p.mac, mac) {
				t.Errorf("%s (%s): %s to %s (%s), TTL %d", from, from.kind, p.src, p.dst, p.mac, p.ttl)
			}
		}
		if sent != 5 {
			t.Errorf("%s (%s): 5 frames made %d packets", from, from.kind, sent)
		}
	}
}

// downAndUp: a link that is down has left the group and forgotten what it
// learned; up again, it is as before.
func downAndUp(t *testing.T, sites []*site, group netip.Addr) {
	s, other := sites[0], sites[1]
	s.daemon.uvtep(t, "link", "set", "vxlan0", "down")
	s.wantJoined(t, group, false)
	want := []string{zeros + " dst " + group.String() + " via " + s.dev + " self permanent"}
	if have := s.showFDB(t, "vxlan0"); len(have) != 1 || have[0] != want[0] {
		t.Errorf("FDB of a link that is down: %q, want %q", have, want)
	}
	check(t, s.SetUp("vxlan0", true)) // by `ip link set vxlan0 up`
	s.wantJoined(t, group, true)
	s.overlay(t, "vxlan0")
	groupPing(t, other, s)
}

// TestGroupShared: links that share a group share the join, and the last one
// leaves.
func TestGroupShared(t *testing.T) {
	t.Parallel()
	for _, g := range groups()[1:] {
		t.Run(g.addr.String(), func(t *testing.T) {
			sites := newSites(t, g.family, lab.WireOptions{}, uvtep, kernel)
			for _, s := range sites {
				s.addLink(t, link{group: g.addr})
				s.addLink(t, link{group: g.addr, name: "vxlan1", vni: 43})
				check(t, s.AddAddr("vxlan0", prefix("198.51.100.%d/28", s.n)), s.AddAddr("vxlan1", prefix("198.51.100.%d/28", 16+s.n)))
			}
			a, b := sites[0], sites[1]
			ping(t, a.Host, prefix("198.51.100.%d/28", b.n).Addr(), 56)
			ping(t, a.Host, prefix("198.51.100.%d/28", 16+b.n).Addr(), 56)
			a.delLink(t, "vxlan0")
			if !a.joined(t, g.addr) {
				t.Error("the group was left with a link still in it")
			}
			check(t, a.FlushNeighbours("vxlan1"))
			ping(t, b.Host, prefix("198.51.100.%d/28", 16+a.n).Addr(), 56)
			a.delLink(t, "vxlan1")
			a.wantJoined(t, g.addr, false)
		})
	}
}
