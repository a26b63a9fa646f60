package conformance

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/gopacket/layers"

	"github.com/uvtep/uvtep/vtep/forward"
)

const (
	notECT, ect1, ect0, ce = 0, 1, 2, 3
	dropped                = -1
)

// ecnOut is the ECN field that leaves the tunnel, by inner and outer one: RFC
// 6040 section 4.2, figure 4, as conformance.md's L09 has it.
func ecnOut() map[int][4]int {
	return map[int][4]int{
		// outer   00      01      10      11
		notECT: {notECT, notECT, notECT, dropped},
		ect1:   {ect1, ect1, ect1, ce},
		ect0:   {ect0, ect1, ect0, ce},
		ce:     {ce, ce, ce, ce},
	}
}

func TestL09ECNDecapsulation(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		for _, v6 := range []bool{false, true} {
			for in, row := range ecnOut() {
				for out, want := range row {
					t.Run(fmt.Sprintf("inner%d/%02b+%02b", map[bool]int{false: 4, true: 6}[v6], in, out), func(t *testing.T) {
						r := r.in(t)
						const dscp = 46 << 2
						frame := ecnFrame(v6, dscp|uint8(in))
						data := r.packet(frame, func(o *outer) { o.tos = 10<<2 | uint8(out) })
						if want == dropped {
							r.refuses(forward.RxECN, data)
							return
						}
						r.send(data)
						r.arrives(rewriteTOS(frame, v6, dscp|uint8(want)))
					})
				}
			}
		}
	})
}

// TestL09ECNWithoutIP: a frame that has no ECN field is no less welcome for
// what the outer one says.
func TestL09ECNWithoutIP(t *testing.T) {
	r := startRig(t, ipv4Underlay())
	frame := arp(broadcast)
	copy(frame[6:], mac(farMAC))
	r.delivers(frame, func(o *outer) { o.tos = ce })
}

// TestL09ECNBehindTag: a VLAN tag hides the ECN field in neither direction.
func TestL09ECNBehindTag(t *testing.T) {
	r := startRig(t, ipv4Underlay())
	tag := tagged(layers.EthernetTypeDot1Q)
	withECN := func(ecn uint8) func(*inner) { return func(f *inner) { f.tos = ecn } }
	if p := r.emit(frameTo(broadcast, tag, withECN(ect1))); p.tos != ect1 {
		t.Errorf("the outer TOS is %#02x, want %#02x", p.tos, ect1)
	}
	marked := func(o *outer) { o.tos = ce }
	r.refuses(forward.RxECN, r.packet(frameFrom(farMAC, tag, withECN(notECT)), marked))
	frame := frameFrom(farMAC, tag, withECN(ect0))
	r.send(r.packet(frame, marked))
	untagged := append(bytes.Clone(frame[:12]), frame[16:]...)
	want := rewriteTOS(untagged, false, ce)
	r.arrives(append(bytes.Clone(frame[:16]), want[12:]...))
}

func TestL09ECNEncapsulation(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		const dscp = 26 << 2
		for _, c := range []struct {
			words     string
			dscp      uint8 // of the outer header
			dscpOfARP uint8
		}{
			{"", 0, 0},
			{"tos 0xb8", 0xb8, 0xb8},
			{"tos 0xbb", 0xb8, 0xb8}, // its ECN bits do not count
			{"tos inherit", dscp, 0},
		} {
			t.Run("words "+c.words, func(t *testing.T) {
				r := startRig(t, f, c.words)
				for _, v6 := range []bool{false, true} {
					for ecn := range uint8(4) {
						frame := frameTo(broadcast, func(f *inner) {
							f.tos = dscp | ecn
							if v6 {
								ipv6Inner(f)
							}
						})
						if p := r.emit(frame); p.tos != c.dscp|ecn {
							t.Errorf("inner IPv6 %v, TOS %#02x: the outer TOS is %#02x, want %#02x", v6, dscp|ecn, p.tos, c.dscp|ecn)
						}
					}
				}
				if p := r.emit(arp(broadcast)); p.tos != c.dscpOfARP {
					t.Errorf("ARP: the outer TOS is %#02x, want %#02x", p.tos, c.dscpOfARP)
				}
			})
		}
	})
}
