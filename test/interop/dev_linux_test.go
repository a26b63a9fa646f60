package interop_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/test/lab"
)

// dualHomed is a VTEP with two uplinks and its address on lo, and a host at the other
// end of both, whose address the routing table has behind the second.
type dualHomed struct {
	*site
	far    *lab.Host
	wires  [2]*lab.Wire
	uplink [2]*lab.PacketSocket // the far ends
	own    netip.Addr
	peer   netip.Addr    // of far, on its lo
	gates  [2]netip.Addr // of far, on the wires
	inside *lab.PacketSocket
}

func newDualHomed(t *testing.T, kind string, v6 bool) *dualHomed {
	t.Helper()
	if kind == kernel {
		lab.NeedKernelVXLAN(t)
	}
	l := lab.ForTest(t)
	near := must(l.Host("near"))(t)
	h := &dualHomed{far: must(l.Host("far"))(t), own: addr("203.0.113.1"), peer: addr("203.0.113.2")}
	nets, length := [2]string{"192.0.2.%d/24", "198.51.100.%d/24"}, 32
	if v6 {
		h.own, h.peer = addr("2001:db8:f::1"), addr("2001:db8:f::2")
		nets, length = [2]string{"2001:db8:a::%d/64", "2001:db8:b::%d/64"}, 128
	}
	check(t, near.AddAddr("lo", netip.PrefixFrom(h.own, length)), h.far.AddAddr("lo", netip.PrefixFrom(h.peer, length)))
	for i := range h.wires {
		w := must(l.Wire(near, h.far, lab.WireOptions{}))(t)
		a, b := prefix(nets[i], 1), prefix(nets[i], 2)
		check(t, near.AddAddr(w.A, a), h.far.AddAddr(w.B, b))
		mac := must(h.far.MAC(w.B))(t)
		for _, to := range []netip.Addr{b.Addr(), h.peer, prefix(nets[1-i], 2).Addr()} {
			check(t, near.SetNeighbour(w.A, to, mac))
		}
		h.wires[i], h.gates[i], h.uplink[i] = w, b.Addr(), must(h.far.OpenPacket(w.B))(t)
	}
	check(t, h.far.AddRoute(lab.Route{Dst: netip.PrefixFrom(h.own, length), Via: prefix(nets[0], 1).Addr(), Dev: h.wires[0].B}))
	h.route(t, 1)
	h.site = newSite(t, near, kind, 1, h.wires[0].A, h.own)
	return h
}

// route has the routing table lead to the peer by an uplink.
func (h *dualHomed) route(t *testing.T, by int) {
	t.Helper()
	check(t, h.wires[by].HostA.AddRoute(lab.Route{Dst: netip.PrefixFrom(h.peer, h.peer.BitLen()), Via: h.gates[by], Dev: h.wires[by].A}))
}

// leaves is the uplink that a frame to mac leaves by; -1: none, for it stays in lo.
func (h *dualHomed) leaves(t *testing.T, mac string) int {
	t.Helper()
	frame := append(append(must(net.ParseMAC(mac))(t), 2, 0, 0, 0, 0, 0xaa, 0x88, 0xb5), make([]byte, 46)...)
	lo := must(h.OpenPacket("lo"))(t)
	defer lo.Close()
	binary.BigEndian.PutUint64(frame[20:], uint64(h.n)) // tells it from those before
	h.n++
	for _, u := range h.uplink {
		must(u.Drain())(t)
	}
	check(t, h.inside.Send(frame))
	by := -2
	eventually(t, func() error {
		for i, s := range []*lab.PacketSocket{h.uplink[0], h.uplink[1], lo} {
			_, err := s.WaitFor(func(p lab.Packet) bool { // the peer answers by ICMP, which quotes it
				return (s == lo || !p.Outgoing) && bytes.Contains(p.Data, frame)
			}, soon/1000)
			if err == nil {
				by = i
				return nil
			}
		}
		return fmt.Errorf("a frame to %s left by none", mac)
	})
	if by == len(h.uplink) {
		return -1
	}
	return by
}

// hear has the VTEP hear a frame from the peer, and so learn its source.
func (h *dualHomed) hear(t *testing.T, mac string) {
	t.Helper()
	packet := append([]byte{8, 0, 0, 0, 0, 0, 42, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, must(net.ParseMAC(mac))(t)...)
	packet = append(append(packet, 0x88, 0xb5), make([]byte, 46)...)
	check(t, h.far.Do(func() error {
		d := net.Dialer{LocalAddr: &net.UDPAddr{IP: h.peer.AsSlice()}}
		c, err := d.DialContext(context.Background(), "udp", netip.AddrPortFrom(h.own, 4789).String())
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write(packet)
		return err
	}))
	eventually(t, func() error {
		for _, line := range h.showFDB(t, "vxlan0") {
			if line == mac+" dst "+h.peer.String()+" self " {
				return nil
			}
		}
		return fmt.Errorf("%s was not learned: %q", mac, h.showFDB(t, "vxlan0"))
	})
}

// TestDevRoutes: where packets leave is what a kernel device of the same words does
// (vxlan_xmit_one in drivers/net/vxlan/vxlan_core.c): `dev` routes the default remote,
// an entry's `via` that entry, and the routing table what names neither.
func TestDevRoutes(t *testing.T) {
	t.Parallel()
	const none, via, plain, learned = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03", "02:00:00:00:00:04"
	for _, f := range testedFamilies() {
		t.Run(f.name, func(t *testing.T) {
			got := map[string]map[string]int{}
			for _, kind := range []string{kernel, uvtep} {
				h := newDualHomed(t, kind, f.name == "IPv6")
				leaves := map[string]int{}
				look := func(what, mac string) { leaves[what] = h.leaves(t, mac) }
				for _, dev := range []string{"lo", h.wires[0].A, h.wires[1].A} {
					h.dev = dev
					l := link{remote: h.gates[0]}
					if dev == "lo" {
						l.remote = netip.Addr{} // as with EVPN, whose entries are all there is
					}
					h.addLink(t, l)
					h.inside = must(h.OpenPacket("vxlan0"))(t)
					h.fdb(t, "add", "vxlan0", plain, h.peer)
					h.fdbVia(t, via, h.peer, h.wires[0].A)
					if dev != "lo" {
						look(dev+", default remote", none)
					}
					look(dev+", via", via)
					look(dev+", entry", plain)
					h.hear(t, learned)
					look(dev+", learned", learned)
					h.route(t, 0) // as a routing daemon does where an uplink fails
					look(dev+", entry, other route", plain)
					look(dev+", learned, other route", learned)
					h.route(t, 1)
					h.delLink(t, "vxlan0")
				}
				got[kind] = leaves
			}
			if diff := cmp.Diff(got[kernel], got[uvtep]); diff != "" {
				t.Errorf("uplinks (- kernel + uvtep):\n%s", diff)
			}
			if f.name == "IPv4" && (got[kernel]["eth1, default remote"] != 1 || got[kernel]["lo, entry"] != 1 || got[kernel]["lo, entry, other route"] != 0) {
				t.Errorf("the kernel did %v", got[kernel])
			}
		})
	}
}

// fdbVia adds an entry that has a device of its own.
func (h *dualHomed) fdbVia(t *testing.T, mac string, dst netip.Addr, dev string) {
	t.Helper()
	if h.kind == uvtep {
		h.daemon.uvtep(t, "fdb", "add", mac, "dev", "vxlan0", "dst", dst.String(), "via", dev)
		return
	}
	check(t, h.FDBAdd("vxlan0", lab.FDBEntry{MAC: must(net.ParseMAC(mac))(t), Dst: dst, Via: dev}))
}
