package vtep_test

import (
	"bytes"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// kinds of inner flows that offloads know.
var flows = []struct {
	name string
	packet
	kind encap.GSOKind
}{
	{"tcp4", packet{tcp: true}, encap.GSOTCPv4},
	{"tcp6", packet{tcp: true, v6: true}, encap.GSOTCPv6},
	{"udp4", packet{}, encap.GSOUDP},
	{"udp6", packet{v6: true}, encap.GSOUDP},
	{"tcp4 vlan", packet{tcp: true, tag: true}, encap.GSOTCPv4},
	{"tcp6 vlan", packet{tcp: true, tag: true, v6: true}, encap.GSOTCPv6},
}

// TestTrap1Superframe: a kernel VTEP on the same host passes a superframe as
// one datagram without metadata; its segment size follows from the link's MTU.
func TestTrap1Superframe(t *testing.T) {
	for _, tt := range flows {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, net *vteptest.Network) {
				r := newRig(t, net, func(c *vtep.LinkConfig) { c.MTU = 1450 })
				r.host.ArriveBy(vteptest.Veth0)
				p := tt.packet
				p.payload = 60000
				f := partial(t, p.build(t))
				want := bytes.Clone(f.Data)
				got := r.in(addrB, f)
				if len(got) != 1 || !bytes.Equal(got[0].Data, want) {
					t.Fatalf("delivered %d frames, or it changed", len(got))
				}
				in := encap.ParseInner(want)
				headers := len(want) - 60000
				seg := 1450 - (headers - int(in.L3))
				o := encap.Offload{Kind: tt.kind, Csum: encap.CsumPartial, SegSize: uint16(seg), CsumStart: in.L4, CsumOffset: uint16(csumAt(&in)) - in.L4}
				if got[0].Offload != o {
					t.Errorf("offload %+v, want %+v", got[0].Offload, o)
				}
				r.drops(nil)
			})
		})
	}
}

// TestTrap1Partial: small frames of such a peer have partial checksums too.
// A superframe whose length equals the MTU exactly is an ordinary frame.
func TestTrap1Partial(t *testing.T) {
	for _, tt := range flows {
		for _, payload := range []int{0, 1, 100, 1450 - 20 - 20, 1450 - 40 - 20} {
			bubble(t, func(t *testing.T, net *vteptest.Network) {
				r := newRig(t, net, func(c *vtep.LinkConfig) { c.MTU = 1450 })
				r.host.ArriveBy(vteptest.Veth0)
				p := tt.packet
				p.payload = payload
				f := p.build(t)
				if in := encap.ParseInner(f.Data); in.IPLen > 1450 {
					return
				}
				f = partial(t, f)
				in := encap.ParseInner(f.Data)
				got := r.in(addrB, f)
				o := encap.Offload{Csum: encap.CsumPartial, CsumStart: in.L4, CsumOffset: uint16(csumAt(&in)) - in.L4}
				if len(got) != 1 || got[0].Offload != o || !bytes.Equal(got[0].Data, f.Data) {
					t.Errorf("%s, %d bytes: %+v, want offload %+v", tt.name, payload, got, o)
				}
			})
		}
	}
}

// TestTrap4Corrupted: a frame whose checksum is wrong must not be marked, or
// the host's stack would trust it; nor one that is complete.
func TestTrap4Corrupted(t *testing.T) {
	for _, tt := range flows {
		for _, payload := range []int{100, 3000, 60000} {
			bubble(t, func(t *testing.T, net *vteptest.Network) {
				r := newRig(t, net, func(c *vtep.LinkConfig) { c.MTU = 1450 })
				r.host.ArriveBy(vteptest.Veth0)
				p := tt.packet
				p.payload = payload
				whole := p.build(t)
				for what, change := range map[string]func([]byte, *encap.Inner){
					"complete":         func([]byte, *encap.Inner) {},
					"payload":          func(b []byte, _ *encap.Inner) { b[len(b)-1] ^= 0x10 },
					"checksum":         func(b []byte, in *encap.Inner) { b[csumAt(in)] ^= 0x10 },
					"transport header": func(b []byte, in *encap.Inner) { b[in.L4+1] ^= 0x10 },
				} {
					f := encap.Frame{Data: bytes.Clone(whole.Data)}
					in := encap.ParseInner(f.Data)
					change(f.Data, &in)
					got := r.in(addrB, f)
					if len(got) != 1 || got[0].Offload != (encap.Offload{}) || !bytes.Equal(got[0].Data, f.Data) {
						t.Errorf("%s, %d bytes, %s: delivered %d frames, the first with %+v", tt.name, payload, what, len(got), got[0].Offload)
					}
				}
			})
		}
	}
}

// TestTrap5Complete: what leaves for the wire has complete checksums.
func TestTrap5Complete(t *testing.T) {
	for _, tt := range flows {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r := newRig(t, net, nil)
			must(t, r.FDBAppend(vtep.FDBEntry{Link: r.link, Remote: vtep.Remote{Addr: addrC}}))
			p := tt.packet
			p.payload = 101
			want := p.build(t)
			f := partial(t, p.build(t))
			in := encap.ParseInner(f.Data)
			f.Offload = encap.Offload{Csum: encap.CsumPartial, CsumStart: in.L4, CsumOffset: uint16(csumAt(&in)) - in.L4}
			sent := r.out(f)
			if len(sent) != 2 {
				t.Fatalf("%s: %d packets", tt.name, len(sent))
			}
			for _, s := range sent {
				if !bytes.Equal(s.Payload[8:], want.Data) || s.Frame.Offload != (encap.Offload{}) {
					t.Errorf("%s: the checksum is not complete: % x", tt.name, s.Payload)
				}
			}
			for _, start := range []uint16{0xffff, uint16(len(f.Data)), uint16(len(f.Data)) - 1} {
				bad := f
				bad.Offload = encap.Offload{Csum: encap.CsumPartial, CsumStart: start, CsumOffset: 6}
				if sent := r.out(bad); len(sent) != 0 {
					t.Errorf("%s: sent although the checksum lies outside", tt.name)
				}
			}
			r.drops(map[forward.DropReason]uint64{forward.TxBadOffload: 3})
		})
	}
}

// TestTxResults: what the underlay refuses is counted by its reason.
func TestTxResults(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		r.host.Block(addrC)
		must(t, r.FDBAppend(vtep.FDBEntry{Link: r.link, Remote: vtep.Remote{Addr: addrC}}))
		if sent := r.out(frame(bcast, macA, "x")); len(sent) != 1 {
			t.Errorf("sent %v", dsts(sent))
		}
		r.drops(map[forward.DropReason]uint64{forward.TxUnreachable: 1})
		if s := r.stats(t, r.link); s.TxPackets != 1 || s.TxBytes != 1 {
			t.Errorf("statistics %+v", s)
		}
	})
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		fits := frame(bcast, macA, string(make([]byte, 1500-50)))
		tooBig := frame(bcast, macA, string(make([]byte, 1500-50+1)))
		if sent := r.out(fits, tooBig, fits); len(sent) != 2 {
			t.Errorf("sent %d", len(sent))
		}
		r.drops(map[forward.DropReason]uint64{forward.TxTooBig: 1})
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.DF = vtep.DFUnset; return nil }))
		if sent := r.out(tooBig); len(sent) != 1 {
			t.Error("df unset: not sent")
		}
		r.drops(map[forward.DropReason]uint64{forward.TxTooBig: 1})
	})
}

// TestRxPortRefuses: what the netdev does not take is counted, and not as
// received.
func TestRxPortRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := net.Host(addrA)
		hook := &hooks{Host: h}
		n := startNode(t, net, h, hook, addrA)
		r := &rig{node: n, t: t, wire: net.Capture(), link: "vxlan0"}
		r.dev = r.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB})
		hook.let(rules{noWrite: true})
		for range 3 {
			r.in(addrB, frame(bcast, macB, "four"))
		}
		r.drops(map[forward.DropReason]uint64{forward.RxPort: 3})
		if s := r.stats(t, r.link); s.RxPackets != 0 || s.RxBytes != 0 || s.Multicast != 0 {
			t.Errorf("counted as received: %+v", s)
		}
	})
}

// TestDFInherit: the outer DF bit follows the inner one.
func TestDFInherit(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.DF = vtep.DFInherit })
		for _, tt := range []struct {
			packet
			set bool
		}{{packet{payload: 1450}, true}, {packet{payload: 1450, noDF: true}, false}, {packet{payload: 1450, v6: true}, true}} {
			if sent := r.out(tt.build(t)); len(sent) == 0 != tt.set { // too big: sent only without DF
				t.Errorf("%+v: sent %d", tt.packet, len(sent))
			}
		}
		if sent := r.out(frame(bcast, macA, string(make([]byte, 1480)))); len(sent) != 1 {
			t.Error("a frame without IP was sent with DF")
		}
		if n := len(r.host.Transmitters()); n != 2 {
			t.Errorf("%d transmitters", n)
		}
	})
}
