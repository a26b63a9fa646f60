package encap_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// L09, the whole of RFC 6040 figure 4.
func TestDecapECN(t *testing.T) {
	cases := []struct {
		inner, outer, want uint8
		drop               bool
	}{
		{0, 0, 0, false}, {0, 1, 0, false}, {0, 2, 0, false}, {0, 3, 0, true},
		{1, 0, 1, false}, {1, 1, 1, false}, {1, 2, 1, false}, {1, 3, 3, false},
		{2, 0, 2, false}, {2, 1, 1, false}, {2, 2, 2, false}, {2, 3, 3, false},
		{3, 0, 3, false}, {3, 1, 3, false}, {3, 2, 3, false}, {3, 3, 3, false},
	}
	if len(cases) != 16 {
		t.Fatalf("%d combinations", len(cases))
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("inner%02b/outer%02b", c.inner, c.outer), func(t *testing.T) {
			for _, dscp := range []uint8{0, 0xb8, 0xfc} { // must not count
				ecn, drop := encap.DecapECN(dscp|c.outer, dscp^0x54|c.inner)
				if drop != c.drop || !drop && ecn != c.want {
					t.Errorf("DSCP %#02x: %02b, drop %v, want %02b, %v", dscp, ecn, drop, c.want, c.drop)
				}
			}
		})
	}
}

// L09: RFC 6040 normal mode copies the field, CE included, for all 256 inner
// values.
func TestEncapTOS(t *testing.T) {
	for inner := range 256 {
		for _, tos := range []uint8{0, 0x01, 0x02, 0x03, 0xb8, 0xff} {
			in := uint8(inner)
			if got, want := encap.EncapTOS(in, tos, false), tos&0xfc|in&3; got != want {
				t.Fatalf("inner %#02x, tos %#02x: %#02x, want %#02x", in, tos, got, want)
			}
			if got := encap.EncapTOS(in, tos, true); got != in {
				t.Fatalf("inner %#02x inherited: %#02x", in, got)
			}
		}
	}
}

// A rewritten frame is the one that gopacket builds with that TOS, header
// checksum included.
func TestSetInnerECN(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for tos := range 256 {
			for ecn := range uint8(4) {
				p := packet{v6: v6, proto: encap.ProtoUDP, tos: uint8(tos), id: uint16(tos * 251), tags: []uint16{5}}
				b := build(t, p)
				in := parse(b)
				encap.SetInnerECN(b, &in, ecn|0xf8)
				p.tos = p.tos&0xfc | ecn
				if want := build(t, p); !bytes.Equal(b, want) {
					t.Fatalf("IPv6 %v, TOS %#02x to ECN %d:\n got %x\nwant %x", v6, tos, ecn, b, want)
				}
				if in != parse(b) {
					t.Fatalf("TOS kept as %#02x", in.TOS)
				}
			}
		}
	}
}

// The incremental update agrees with a full sum for every header checksum, and
// leaves a wrong one wrong by as much.
func TestSetInnerECNChecksum(t *testing.T) {
	for id := range 65536 {
		b := build2(id)
		in := parse(b)
		encap.SetInnerECN(b, &in, encap.ECNCE)
		if got := slowSum(b[14:34]); got != 0xffff {
			t.Fatalf("id %#04x: header sums to %#04x", id, got)
		}
	}
	b := build2(7)
	b[24] ^= 0x40
	in := parse(b)
	encap.SetInnerECN(b, &in, encap.ECNCE)
	if slowSum(b[14:34]) == 0xffff {
		t.Error("a wrong header checksum was made right")
	}
}

// build2 is a bare IPv4 header in a frame, ECT(0), without gopacket's cost.
func build2(id int) []byte {
	b := append(make([]byte, 12), 0x08, 0, 0x45, 2, 0, 20, byte(id>>8), byte(id), 0x40, 0, 64, 59, 0, 0,
		192, 0, 2, 1, 198, 51, 100, 2)
	sum := ^slowSum(b[14:])
	b[24], b[25] = byte(sum>>8), byte(sum)
	return b
}

func TestSetInnerECNNotIP(t *testing.T) {
	b := pattern(60)
	b[12], b[13] = 0x08, 0x06
	keep := append([]byte(nil), b...)
	in := parse(b)
	encap.SetInnerECN(b, &in, 3)
	if !bytes.Equal(b, keep) || in.TOS != 0 {
		t.Error("a frame without IP was changed")
	}
}

func TestECNAllocs(t *testing.T) {
	for name, b := range flows(t, 40) {
		in := parse(b)
		var ecn, kept uint8
		wantNoAllocs(t, name, func() {
			ecn++
			encap.SetInnerECN(b, &in, encap.EncapTOS(ecn, 0, false))
			kept, _ = encap.DecapECN(ecn, in.TOS)
		})
		if kept > 3 {
			t.Errorf("%s: ECN %d", name, kept)
		}
	}
}
