package conformance

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep/forward"
)

func header(b ...byte) func(*outer) {
	return func(o *outer) { copy(o.payload, b) }
}

func TestC01IFlag(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		if p := r.emit(frameTo(broadcast)); !p.vxlan.ValidIDFlag {
			t.Errorf("the header is %x: no I flag", p.header)
		}
		r.delivers(frameFrom(farMAC))
		r.refuses(forward.RxNoVNIFlag, r.packet(frameFrom(farMAC2), header(0)))
		r.refuses(forward.RxNoVNIFlag, r.packet(frameFrom(farMAC2), header(0xf7)))
		if e := r.entry(farMAC2); e.IsValid() {
			t.Errorf("%s was learned of a packet without the I flag", farMAC2)
		}
		for n := range 8 { // no room for the header
			r.refuses(forward.RxShortHeader, r.packet(nil, func(o *outer) { o.payload = vxlanHeader(r.vni)[:n] }))
		}
	})
}

func TestC02ReservedZeroOnTransmit(t *testing.T) {
	r := startRig(t, ipv4Underlay())
	for _, frame := range [][]byte{frameTo(broadcast), frameTo(farMAC, ipv6Inner)} {
		if p := r.emit(frame); !bytes.Equal(p.header, vxlanHeader(42)) {
			t.Errorf("the header is %x, want %x", p.header, vxlanHeader(42))
		}
	}
}

// reservedBits are the 39 of RFC 7348 section 5: all but the I flag and the
// VNI, numbered from the first bit of the header on.
func reservedBits() []int {
	var bits []int
	for bit := range 64 {
		if bit != 4 && (bit < 32 || bit >= 56) {
			bits = append(bits, bit)
		}
	}
	return bits
}

// flagP is the number of the bit that VXLAN-GPE says with that it has a next protocol.
const flagP = 5

func TestC03ReservedOnReceipt(t *testing.T) {
	if n := len(reservedBits()); n != 39 {
		t.Fatalf("%d reserved bits, want 39", n)
	}
	for _, policy := range []struct {
		name, words string
		drop        bool
	}{{"default", "", false}, {"ignore", "reserved ignore", false}, {"drop", "reserved drop", true}} {
		t.Run(policy.name, func(t *testing.T) {
			r := startRig(t, ipv4Underlay(), policy.words)
			for i, bit := range reservedBits() {
				t.Run(fmt.Sprintf("bit%02d", bit), func(t *testing.T) {
					r := r.in(t)
					h := vxlanHeader(r.vni)
					h[bit/8] |= 0x80 >> (bit % 8)
					if bit == flagP {
						h[3] = 3 // next protocol Ethernet: TestC03NotEthernet has the others
					}
					if frame := frameFrom(farMAC); policy.drop {
						r.refuses(forward.RxReserved, r.packet(frame, header(h...)))
					} else {
						r.delivers(frame, header(h...))
					}
					if n := r.stats().Reserved; n != uint64(i+1) {
						t.Errorf("%d packets with reserved bits were counted, want %d", n, i+1)
					}
				})
			}
			r.nothingArrived()
			if e := r.entry(farMAC); e.IsValid() == policy.drop {
				t.Errorf("%s is learned: %v", farMAC, e)
			}
		})
	}
}

// TestC03ReservedMask drops by some of the bits and ignores the others; the mask
// is changed while packets come.
func TestC03ReservedMask(t *testing.T) {
	r := startRig(t, ipv4Underlay(), "reserved_bits 0xff")
	for _, allowed := range reservedBits() {
		mask := encap.AllReserved &^ (1 << (63 - allowed))
		if _, stderr, err := r.uvtepCLI("link", "set", "vxlan0", "type", "vxlan", "reserved_bits", fmt.Sprintf("%#x", mask)); err != nil {
			t.Fatal(stderr)
		}
		for _, bit := range reservedBits() {
			h := vxlanHeader(r.vni)
			h[bit/8] |= 0x80 >> (bit % 8)
			if bit == flagP && bit == allowed {
				continue // its meaning is left then: TestC03NotEthernet
			}
			if frame := frameFrom(farMAC); bit == allowed {
				r.delivers(frame, header(h...))
			} else if bit == reservedBits()[0] || bit == allowed+1 { // the 1482 pairs take a minute
				r.refuses(forward.RxReserved, r.packet(frame, header(h...)))
			}
		}
	}
	r.nothingArrived()
}

// TestC03NotEthernet sends an IPv4 and an IPv6 packet behind a header that says so, as
// a VXLAN-GPE sender does.
func TestC03NotEthernet(t *testing.T) {
	for _, words := range []string{"reserved ignore accept any", "reserved drop accept any"} {
		t.Run(words, func(t *testing.T) {
			r := startRig(t, ipv4Underlay(), words)
			reason := forward.RxNotEthernet
			if words == "reserved drop accept any" {
				reason = forward.RxReserved
			}
			for _, next := range []byte{0, 1, 2, 4, 5} {
				h := vxlanHeader(r.vni)
				h[0] |= 4
				h[3] = next
				r.refuses(reason, r.packet(frameFrom(farMAC), header(h...)))
			}
			r.nothingArrived()
			if e := r.entry(farMAC); e.IsValid() {
				t.Errorf("%s is learned behind %v", farMAC, e)
			}
			h := vxlanHeader(r.vni)
			h[0] |= 4
			h[3] = 3
			if frame := frameFrom(farMAC); reason == forward.RxReserved {
				r.refuses(reason, r.packet(frame, header(h...)))
			} else {
				r.delivers(frame, header(h...))
			}
		})
	}
}

func TestC04VNI24Bits(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		for _, vni := range []uint32{0, 1, 0x123456, 0xffffff} {
			t.Run(fmt.Sprintf("%#x", vni), func(t *testing.T) {
				r := newRig(t, f)
				r.vni = vni
				r.start("id", fmt.Sprint(vni), f.words())
				p := r.emit(frameTo(broadcast))
				if p.vxlan.VNI != vni || p.header[7] != 0 {
					t.Errorf("the header is %x, want VNI %#x", p.header, vni)
				}
				r.delivers(frameFrom(farMAC))
			})
		}
	})
}

func TestC05VNIsAreApart(t *testing.T) {
	r := startRig(t, ipv4Underlay())
	check(t, r.client.AddLink(t.Context(), api.LinkChange{
		LinkSpec: api.LinkSpec{Name: "vxlan1", ID: new(uint32(43)), Remote: &r.peers[0], Local: new(r.local.Addr())},
		Up:       new(true),
	}))
	second := *r
	second.vni = 43
	second.inner = must(r.dut.OpenPacket("vxlan1"))(t)

	r.delivers(frameFrom(farMAC))
	second.nothingArrived() // nothing of the other link came first
	second.delivers(frameFrom(farMAC2))
	r.nothingArrived()
	if e := r.entry(farMAC2); e.IsValid() {
		t.Errorf("%s of VNI 43 was learned in VNI 42", farMAC2)
	}

	for _, vni := range []uint32{0, 41, 44, 42 << 8, 0xffffff} {
		r.refuses(forward.RxUnknownVNI, r.packet(frameFrom(farMAC3), header(vxlanHeader(vni)...)))
	}
	second.nothingArrived()

	second.inject(frameTo(broadcast))
	if p := r.next(); p.vxlan.VNI != 43 {
		t.Errorf("a frame of the link with VNI 43 left with VNI %d", p.vxlan.VNI)
	}
	if p := r.emit(frameTo(broadcast)); p.vxlan.VNI != 42 {
		t.Errorf("a frame of the link with VNI 42 left with VNI %d", p.vxlan.VNI)
	}
}
