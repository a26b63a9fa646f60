package vtep_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

func TestC01FlagRequired(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		sent := r.out(frame(bcast, macA, "x"))
		if len(sent) != 1 || sent[0].Payload[0] != 0x08 {
			t.Fatalf("sent %+v, want the I flag alone in the first byte", sent)
		}
		p := pack(42, frame(macA, macB, "x"))
		p[0] = 0
		r.hear(addrB, p)
		r.hear(addrB, p[:7])
		r.hear(addrB, nil)
		if got := r.got(); len(got) != 0 {
			t.Errorf("delivered %d frames", len(got))
		}
		checkDrops(t, r.Stats(), map[forward.DropReason]uint64{forward.RxNoVNIFlag: 1, forward.RxShortHeader: 2})
		r.drops(nil)
	})
}

func TestC02ReservedZeroOnTransmit(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		for _, s := range r.out(frame(bcast, macA, "x"), packet{}.build(t), packet{v6: true, tos: 0xff}.build(t)) {
			if want := []byte{8, 0, 0, 0, 0, 0, 42, 0}; !bytes.Equal(s.Payload[:8], want) {
				t.Errorf("header % x, want % x", s.Payload[:8], want)
			}
		}
	})
}

func TestC03ReservedBits(t *testing.T) {
	const flagI, flagP, firstVNI, lastVNI = 4, 5, 32, 55
	for bit := range 64 {
		if bit == flagI || bit >= firstVNI && bit <= lastVNI {
			continue
		}
		t.Run(fmt.Sprintf("bit %d", bit), func(t *testing.T) {
			bubble(t, func(t *testing.T, net *vteptest.Network) {
				r := newRig(t, net, nil)
				p := pack(42, frame(macA, macB, "x"))
				p[bit/8] |= 0x80 >> (bit % 8)
				if bit == flagP {
					p[3] = 3 // next protocol Ethernet: TestC03NotEthernet has the others
				}
				r.hear(addrB, p)
				if got := r.got(); len(got) != 1 || !bytes.Equal(got[0].Data, p[8:]) {
					t.Fatalf("reserved ignore: delivered %v", got)
				}
				if s := r.stats(t, r.link); s.Reserved != 1 || s.RxPackets != 1 {
					t.Errorf("reserved ignore: %+v", s)
				}
				r.drops(nil)
				must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.Reserved = vtep.ReservedDrop; return nil }))
				r.hear(addrB, p)
				if got := r.got(); len(got) != 0 {
					t.Errorf("reserved drop: delivered %v", got)
				}
				if s := r.stats(t, r.link); s.Reserved != 2 {
					t.Errorf("reserved drop: %+v", s)
				}
				r.drops(map[forward.DropReason]uint64{forward.RxReserved: 1})
			})
		})
	}
}

// TestC03NotEthernet: a header that says that its payload is something else than an
// Ethernet frame is believed, whatever is done about reserved bits.
func TestC03NotEthernet(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, acceptAny)
		gpe := func(flags, next byte) []byte {
			p := pack(42, frame(macA, macB, "x"))
			p[0], p[3] = flags, next
			return p
		}
		for next := range 256 {
			r.hear(addrB, gpe(0x0c, byte(next)))
			if got := r.got(); len(got) == 1 != (next == 3) {
				t.Errorf("next protocol %d: %d frames were delivered", next, len(got))
			}
			if next == 2 {
				r.behind(macB, netip.Addr{})
			}
		}
		r.drops(map[forward.DropReason]uint64{forward.RxNotEthernet: 255})
		r.hear(addrB, gpe(0x08, 1)) // without the P flag the byte is reserved
		if got := r.got(); len(got) != 1 {
			t.Errorf("without the P flag %d frames were delivered, want 1", len(got))
		}
		// A policy id is no next protocol, but P with the G flag is nothing of either.
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.GBP = true; return nil }))
		r.hear(addrB, gpe(0x88, 1))
		r.hear(addrB, gpe(0x8c, 1))
		if got := r.got(); len(got) != 1 {
			t.Errorf("with gbp %d frames were delivered, want 1", len(got))
		}
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.Reserved = vtep.ReservedDrop; return nil }))
		r.hear(addrB, gpe(0x0c, 1))
		r.drops(map[forward.DropReason]uint64{forward.RxNotEthernet: 256, forward.RxReserved: 1})
	})
}

func TestC04VNIRange(t *testing.T) {
	for _, vni := range []encap.VNI{0, 1, 0xabcdef, 0xffffff} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r := newRig(t, net, func(c *vtep.LinkConfig) { c.VNI = vni })
			sent := r.out(frame(bcast, macA, "x"))
			if want := []byte{byte(vni >> 16), byte(vni >> 8), byte(vni), 0}; len(sent) != 1 || !bytes.Equal(sent[0].Payload[4:8], want) {
				t.Errorf("VNI %d: sent %+v", vni, sent)
			}
			r.hear(addrB, pack(vni, frame(macA, macB, "x")))
			if got := r.got(); len(got) != 1 {
				t.Errorf("VNI %d: delivered %d frames", vni, len(got))
			}
		})
	}
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		if err := newNode(t, net, addrA).AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 1 << 24}); err == nil {
			t.Error("a VNI of 25 bits was taken")
		}
	})
}

func TestC05Isolation(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		wire := net.Capture()
		vnis := []encap.VNI{22, 34, 74, 98}
		a, b := newNode(t, net, addrA), newNode(t, net, addrB)
		da, db := make(map[encap.VNI]*vteptest.Device), make(map[encap.VNI]*vteptest.Device)
		for _, vni := range vnis {
			name := fmt.Sprintf("vxlan%d", vni)
			da[vni] = a.addUp(t, vtep.LinkConfig{Name: name, VNI: vni, Local: addrA, Remote: addrB})
			db[vni] = b.addUp(t, vtep.LinkConfig{Name: name, VNI: vni, Local: addrB, Remote: addrA})
		}
		if n := len(a.host.Receivers()); n != 1 {
			t.Errorf("four links of one address and port have %d receivers", n)
		}
		for _, vni := range vnis {
			// The same MACs in each: they must not be learned across.
			da[vni].Inject(frame(bcast, macA, fmt.Sprint("flood ", vni)))
			b.stats(t, "vxlan22")
			db[vni].Inject(frame(macA, macB, fmt.Sprint("unicast ", vni)))
		}
		for _, vni := range vnis {
			a.stats(t, "vxlan22")
			ga, gb := drain(da[vni].Output()), drain(db[vni].Output())
			if len(ga) != 1 || string(ga[0].Data[14:]) != fmt.Sprint("unicast ", vni) {
				t.Errorf("a, VNI %d: %v", vni, ga)
			}
			if len(gb) != 1 || string(gb[0].Data[14:]) != fmt.Sprint("flood ", vni) {
				t.Errorf("b, VNI %d: %v", vni, gb)
			}
		}
		if n := len(drain(wire)); n != 8 {
			t.Errorf("%d packets on the wire, want 8", n)
		}
		a.hear(addrB, pack(43, frame(macA, macB, "x")))
		a.hear(addrB, pack(22<<8, frame(macA, macB, "x")))
		for _, vni := range vnis {
			if s := a.stats(t, fmt.Sprintf("vxlan%d", vni)); len(s.Drops) != 0 || s.RxPackets != 1 || s.TxPackets != 1 {
				t.Errorf("VNI %d: %+v", vni, s)
			}
		}
		checkDrops(t, a.Stats(), map[forward.DropReason]uint64{forward.RxUnknownVNI: 2})
	})
}

func TestC06Learn(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.Accept.Mode = vtep.AcceptAny })
		r.in(addrC, frame(macA, macC, "x"))
		r.behind(macC, addrC)
		if got := dsts(r.out(frame(macC, macA, "x"))); len(got) != 1 || got[0] != netip.AddrPortFrom(addrC, 4789) {
			t.Errorf("the answer went to %v", got)
		}
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.NoLearning = true; return nil }))
		if got := r.in(addrC, frame(macA, macB, "x")); len(got) != 1 {
			t.Error("nolearning: not delivered")
		}
		r.behind(macB, netip.Addr{})
		r.drops(nil)
	})
}

func TestC07Flood(t *testing.T) {
	unknown := encap.MAC{0x02, 0, 0, 0, 0, 0x99}
	mcast := encap.MAC{0x01, 0, 0x5e, 1, 1, 1}
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		must(t, r.FDBAppend(vtep.FDBEntry{Link: r.link, Remote: vtep.Remote{Addr: addrC}}))
		for _, dst := range []encap.MAC{bcast, mcast, unknown, {}} {
			got := dsts(r.out(frame(dst, macA, "x")))
			if len(got) != 2 || got[0].Addr() != addrB || got[1].Addr() != addrC {
				t.Errorf("to %s: sent to %v", dst, got)
			}
		}
		if s := r.stats(t, r.link); s.TxPackets != 8 {
			t.Errorf("%d packets counted, want one a copy, 8", s.TxPackets)
		}
		must(t, r.FDBDel(r.link, encap.MAC{}, nil))
		if got := r.out(frame(bcast, macA, "x")); len(got) != 0 {
			t.Errorf("with an empty flood list: sent %v", got)
		}
		r.drops(map[forward.DropReason]uint64{forward.TxNoRemote: 1})
	})
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.Remote, c.Group, c.Dev = netip.Addr{}, group, "eth0" })
		for _, dst := range []encap.MAC{bcast, mcast, unknown} {
			if got := dsts(r.out(frame(dst, macA, "x"))); len(got) != 1 || got[0].Addr() != group {
				t.Errorf("to %s: sent to %v", dst, got)
			}
		}
	})
}

func TestC11Port(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.DstPort = 8472 })
		if got := dsts(r.out(frame(bcast, macA, "x"))); len(got) != 1 || got[0].Port() != 8472 {
			t.Errorf("sent to %v", got)
		}
		for _, port := range []uint16{4789, 8472} {
			net.Send(netip.AddrPortFrom(addrB, 1), netip.AddrPortFrom(addrA, port), 0, pack(42, frame(macA, macB, "x")))
			if got := r.got(); len(got) == 1 != (port == 8472) {
				t.Errorf("port %d: %d frames", port, len(got))
			}
		}
	})
}

func TestC12SourcePort(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		for _, rng := range [][2]uint16{{0, 0}, {50000, 50099}} {
			r := newRig(t, net, func(c *vtep.LinkConfig) { c.SrcPortMin, c.SrcPortMax = rng[0], rng[1] })
			lo, hi := uint16(49153), uint16(65535)
			if rng[0] != 0 {
				lo, hi = rng[0], rng[1]
			}
			ports := make(map[uint16]bool)
			for flow := range uint16(64) {
				f := packet{tcp: true, sport: 10000 + flow}
				sent := r.out(f.build(t), packet{tcp: true, sport: 10000 + flow, payload: 100, tos: 0x10}.build(t))
				if len(sent) != 2 || sent[0].SrcPort != sent[1].SrcPort || sent[0].Hash != sent[1].Hash {
					t.Fatalf("flow %d: %+v", flow, sent)
				}
				if p := sent[0].SrcPort; p < lo || p > hi {
					t.Errorf("source port %d is not in %d-%d", p, lo, hi)
				}
				ports[sent[0].SrcPort] = true
			}
			if len(ports) < 32 {
				t.Errorf("64 flows left from %d ports", len(ports))
			}
			must(t, r.DelLink(r.link))
		}
	})
}

func TestC14NoFCS(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		f := frame(bcast, macA, "exactly this")
		if sent := r.out(f); len(sent) != 1 || !bytes.Equal(sent[0].Payload[8:], f.Data) {
			t.Errorf("sent %+v", sent)
		}
		f = frame(macA, macB, "and this")
		if got := r.in(addrB, f); len(got) != 1 || !bytes.Equal(got[0].Data, f.Data) {
			t.Errorf("delivered %+v", got)
		}
		// The kernel counts without the inner Ethernet header.
		if s := r.stats(t, r.link); s.TxBytes != 12 || s.RxBytes != 8 {
			t.Errorf("bytes: tx %d, rx %d", s.TxBytes, s.RxBytes)
		}
	})
}

func TestC15C16InnerVLAN(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		f := packet{tag: true}.build(t)
		cut := encap.Frame{Data: append(frame(macA, macB, "").Data[:12], 0x88, 0xa8)}
		if sent, got := r.out(f, cut), r.in(addrB, f, cut); len(sent) != 2 || len(got) != 2 {
			t.Errorf("innervlan pass: sent %d, delivered %d", len(sent), len(got))
		}
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.InnerVLAN = vtep.InnerVLANDrop; return nil }))
		if sent, got := r.out(f, cut), r.in(addrB, f, cut); len(sent) != 0 || len(got) != 0 {
			t.Errorf("innervlan drop: sent %d, delivered %d", len(sent), len(got))
		}
		r.drops(map[forward.DropReason]uint64{forward.TxInnerVLAN: 2, forward.RxInnerVLAN: 2})
		plain := packet{}.build(t)
		if sent, got := r.out(plain), r.in(addrB, plain); len(sent) != 1 || len(got) != 1 {
			t.Errorf("innervlan drop, untagged: sent %d, delivered %d", len(sent), len(got))
		}
	})
}
