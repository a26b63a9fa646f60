package vtep_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// decapECN is conformance L09 written out: [inner][outer], -1 for a drop.
var decapECN = [4][4]int{
	{0, 0, 0, -1},
	{1, 1, 1, 3},
	{2, 1, 2, 3},
	{3, 3, 3, 3},
}

func TestL09Decap(t *testing.T) {
	for inner := range uint8(4) {
		for outer := range uint8(4) {
			for _, p := range []packet{
				{tos: 0xb8 | inner}, {tos: 0xb8 | inner, v6: true}, {tos: inner, tag: true}, {tos: 0xfc | inner, v6: true, tag: true, tcp: true},
			} {
				t.Run(fmt.Sprintf("%02b+%02b %+v", inner, outer, p), func(t *testing.T) {
					bubble(t, func(t *testing.T, net *vteptest.Network) {
						r := newRig(t, net, nil)
						f := p.build(t)
						// The outer DSCP is of no importance.
						r.hearTOS(addrB, 0x48|outer, pack(42, f))
						got := r.got()
						want := decapECN[inner][outer]
						if want < 0 {
							if len(got) != 0 {
								t.Error("delivered")
							}
							r.drops(map[forward.DropReason]uint64{forward.RxECN: 1})
							return
						}
						if len(got) != 1 {
							t.Fatal("not delivered")
						}
						checkTOS(t, got[0].Data, f.Data, p.tos&0xfc|uint8(want))
						r.drops(nil)
					})
				})
			}
		}
	}
}

// checkTOS: got is f with that TOS, and otherwise as it was but for a right
// IPv4 header checksum.
func checkTOS(t *testing.T, got, f []byte, tos uint8) {
	t.Helper()
	in, was := encap.ParseInner(got), encap.ParseInner(f)
	if in.TOS != tos {
		t.Errorf("TOS %#x, want %#x", in.TOS, tos)
	}
	if in.IPVersion == 4 && !soundIPv4(got, int(in.L3)) {
		t.Error("the IPv4 header checksum is wrong")
	}
	want := bytes.Clone(f)
	copy(want[was.L3:was.L3+2], got[in.L3:]) // version, traffic class
	if in.IPVersion == 4 {
		copy(want[was.L3+10:was.L3+12], got[in.L3+10:])
	}
	if !bytes.Equal(got, want) {
		t.Errorf("more than the TOS changed:\n% x\n% x", got, f)
	}
}

func TestL09DecapNoIP(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		r.hearTOS(addrB, 3, pack(42, frame(macA, macB, "ARP, say")))
		if got := r.got(); len(got) != 1 {
			t.Error("a frame without IP was dropped for the outer CE")
		}
		r.drops(nil)
	})
}

func TestL09Encap(t *testing.T) {
	for inner := range uint8(4) {
		for _, v6 := range []bool{false, true} {
			bubble(t, func(t *testing.T, net *vteptest.Network) {
				r := newRig(t, net, nil)
				f := packet{tos: 0xb8 | inner, v6: v6}.build(t)
				arp := frame(bcast, macA, "no IP")
				for _, tt := range []struct {
					tos     uint8
					inherit bool
					ip, arp uint8
				}{
					{0, false, inner, 0},
					{0x28, false, 0x28 | inner, 0x28},
					{0x2b, false, 0x28 | inner, 0x28}, // the ECN bits of `tos` do not count
					{0, true, 0xb8 | inner, 0},
				} {
					must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.TOS, c.TOSInherit = tt.tos, tt.inherit; return nil }))
					sent := r.out(f, arp)
					if len(sent) != 2 || sent[0].TOS != tt.ip || sent[1].TOS != tt.arp {
						t.Errorf("inner %#x, %+v: sent with %#x and %#x", 0xb8|inner, tt, sent[0].TOS, sent[1].TOS)
					}
					if !bytes.Equal(sent[0].Payload[8:], f.Data) {
						t.Error("encapsulation changed the inner frame")
					}
				}
			})
		}
	}
}
