package fleet_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/evpn"
	"github.com/uvtep/uvtep/test/lab"
)

// TestBesideFRR: a kernel VTEP that FRR drives and a uvtep, and what EVPN promises of them: files
// arrive whole, nobody floods a question that can be answered at home, what is pinned stays, and
// what two hosts claim is held.
func TestBesideFRR(t *testing.T) {
	installed(t, zebra, bgpd, "vtysh", "setpriv", "bridge")
	sites := newFleet(t, "kernel", "uvtep")
	k, u := sites[0], sites[1]
	k.kernelVTEP(t, direct(65001))
	u.uvtep(t, agentFile(65001, 2, neighbor(1, 65001)))
	reach(t, k, u)

	t.Run("files", func(t *testing.T) {
		for _, way := range [][2]*site{{k, u}, {u, k}} { // TCPTransfer compares the hashes of both ends
			r := must(lab.TCPTransfer(way[0].behind, way[1].behind, inner(way[1].n), 32<<20))(t)
			t.Logf("%s to %s: %v", way[0], way[1], r)
		}
	})
	t.Run("questions stay at home", func(t *testing.T) { questions(t, k, u) })
	t.Run("sticky here", func(t *testing.T) {
		pinned := mac(0x99) // that of the page
		u.follow(t, "sticky")
		k.seesAs(t, pinned, "remote", "192.0.2.2")
		eventually(t, func() error {
			if text := k.frr.vty(t, "show evpn mac vni 42 mac "+pinned.String()); !strings.Contains(text, "Sticky") {
				return fmt.Errorf("FRR does not have it sticky:\n%s", text)
			}
			return nil
		})
		speak(t, k.behind, pinned)
		speak(t, k.behind, mac(0x98)) // and once this one is there the other one was heard
		u.hasAt(t, mac(0x98), k.local)
		if v := u.macView(t, pinned); !v.Local || !v.Sticky {
			t.Errorf("it is shown as %+v", v)
		}
		u.uvtepCLI(t, "fdb del "+pinned.String()+" dev vxlan42")
	})
	t.Run("sticky there", func(t *testing.T) {
		pinned := mac(0x97)
		must2(k.Run(t.Context(), "bridge", "fdb", "add", pinned.String(), "dev", k.port(t), "master", "sticky", "static"))(t)
		u.hasAt(t, pinned, k.local)
		speak(t, u.behind, pinned)
		eventually(t, func() error {
			if v := u.macView(t, pinned); v == nil || v.Local || !v.Sticky || v.VTEP != k.local {
				return fmt.Errorf("it is shown as %+v", v)
			}
			return nil
		})
		if text := k.frr.vty(t, "show evpn mac vni 42 mac "+pinned.String()); !strings.Contains(text, "Local") {
			t.Errorf("FRR does not have it any more:\n%s", text)
		}
	})
	t.Run("duplicate", func(t *testing.T) { duplicate(t, k, u) })
}

// questions: ARP and neighbour solicitations of hosts for one another are answered by their own VTEP.
func questions(t *testing.T, k, u *site) {
	must2(k.Run(t.Context(), "bridge", "link", "set", "dev", "vxlan42", "neigh_suppress", "on", "learning", "off"))(t)
	for _, s := range []*site{k, u} {
		check(t, s.behind.AddAddr("eth0", prefixOf(inner6(s.n), 64)))
	}
	// FRR has a host's addresses from the neighbours of the bridge, uvtep from frames.
	check(t, k.SetNeighbour(lab.ContainerBridge, inner(1), k.mac), k.SetNeighbour(lab.ContainerBridge, inner6(1), k.mac))
	check(t, u.behind.MustReach(inner(1), 56, soon), u.behind.MustReach(inner6(1), 56, soon))
	for _, a := range []netip.Addr{inner(1), inner6(1)} {
		u.prints(t, "neigh show dev vxlan42", a.String()+" lladdr "+k.mac.String())
	}
	for _, a := range []netip.Addr{inner(2), inner6(2)} {
		eventually(t, func() error {
			out := must2(k.Run(t.Context(), "ip", "neigh", "show", "dev", lab.ContainerBridge))(t)
			if !strings.Contains(out, a.String()+" lladdr "+u.mac.String()) {
				return fmt.Errorf("the bridge has no neighbour %v:\n%s", a, out)
			}
			return nil
		})
	}
	wire := must(u.Capture(u.wire, 256))(t)
	for _, way := range [][2]*site{{k, u}, {u, k}} {
		for _, a := range []netip.Addr{inner(way[1].n), inner6(way[1].n)} {
			check(t, way[0].behind.FlushNeighbours("eth0"), way[1].behind.FlushNeighbours("eth0"))
			if p := must(way[0].behind.Ping(lab.PingConfig{Dst: a, Count: 2}))(t); p.Lost() > 0 {
				t.Errorf("%s to %v: %v", way[0], a, p)
			}
		}
	}
	pings := 0
	for _, p := range must(wire.Stop())(t) {
		in := inside(p)
		if isQuestion(in) {
			t.Errorf("a question crosses: % x", in)
		}
		if in != nil {
			pings++
		}
	}
	if pings < 16 {
		t.Errorf("%d packets were seen: 8 pings are 16", pings)
	}
}

// inside is the frame in a VXLAN packet over IPv4; nil: it is none.
func inside(p lab.Packet) []byte {
	const udp, vxlan = 14 + 20, 14 + 20 + 8
	if len(p.Data) < vxlan+8+14 || p.EtherType() != 0x0800 || p.Data[14] != 0x45 || p.Data[14+9] != 17 || binary.BigEndian.Uint16(p.Data[udp+2:]) != 4789 {
		return nil
	}
	return p.Data[vxlan+8:]
}

// isQuestion reports whether a frame asks everybody for an address: a broadcast ARP packet, or a
// neighbour solicitation to a group.
func isQuestion(b []byte) bool {
	if len(b) < 14 || b[0]&1 == 0 {
		return false
	}
	switch binary.BigEndian.Uint16(b[12:]) {
	case 0x0806:
		return true
	case 0x86dd:
		return len(b) > 14+40 && b[14+6] == 58 && b[14+40] == 135
	}
	return false
}

// duplicate: an address that two hosts use is held after five moves, until somebody clears it.
func duplicate(t *testing.T, k, u *site) {
	m := mac(0x96)
	held := func() bool {
		var all []evpn.Duplicate
		check(t, json.Unmarshal([]byte(u.evpn(t, "-j", "show", "duplicate")), &all))
		return len(all) == 1 && all[0].MAC == m.String() && all[0].Other == k.local
	}
	moves := 0
	for ; moves < 12 && !held(); moves++ {
		at := k
		if moves%2 == 0 {
			at = u
		}
		speak(t, at.behind, m)
		eventually(t, func() error {
			if v := u.macView(t, m); !held() && (v == nil || v.Local != (at == u) || at == k && v.VTEP != k.local) {
				return fmt.Errorf("move %d: it is shown as %+v", moves, v)
			}
			return nil
		})
	}
	if !held() || moves < 5 {
		t.Fatalf("after %d moves it is not held, or too early:\n%s", moves, u.evpn(t, "show", "mac"))
	}
	k.seesAs(t, m, "local", "")
	if v := u.macView(t, m); v.Local || !v.Duplicate {
		t.Errorf("it is shown as %+v", v)
	}
	for command, out := range u.follow(t, "clear") {
		if out != "released: 1\n" {
			t.Errorf("%s: %s", command, out)
		}
	}
	speak(t, u.behind, m)
	k.seesAs(t, m, "remote", u.local.String())
}

// mac is a MAC address of no site's host.
func mac(n byte) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0x42, n} }

// inner6 is the IPv6 address of the host behind a site.
func inner6(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 2, 15: byte(n)})
}

// speak has a host send a broadcast frame of some MAC address.
func speak(t *testing.T, h *lab.Host, m net.HardwareAddr) {
	t.Helper()
	s := must(h.OpenPacket("eth0"))(t)
	frame := append(append([]byte{255, 255, 255, 255, 255, 255}, m...), append([]byte{0x88, 0xb5}, make([]byte, 46)...)...)
	check(t, s.Send(frame), s.Close())
}

// macView is what the agent shows of a MAC address; nil: nothing.
func (s *site) macView(t *testing.T, m net.HardwareAddr) *evpn.MACView {
	t.Helper()
	var all []evpn.MACView
	check(t, json.Unmarshal([]byte(s.evpn(t, "-j", "show", "mac")), &all))
	for i := range all {
		if all[i].MAC == m.String() {
			return &all[i]
		}
	}
	return nil
}

// prints waits until the data plane prints a text.
func (s *site) prints(t *testing.T, command, want string) {
	t.Helper()
	eventually(t, func() error {
		if out := s.uvtepCLI(t, command); !strings.Contains(out, want) {
			return fmt.Errorf("uvtep %s does not print %q:\n%s", command, want, out)
		}
		return nil
	})
}

// port is the bridge's port of the host behind.
func (s *site) port(t *testing.T) string {
	t.Helper()
	out := must2(s.Run(t.Context(), "bridge", "-o", "link", "show"))(t)
	for line := range strings.Lines(out) {
		if name := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ':' || r == '@' })[1]; name != "vxlan42" {
			return name
		}
	}
	t.Fatalf("no port:\n%s", out)
	return ""
}
