package encap_test

import (
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/uvtep/uvtep/encap"
)

// C01, C02, C04.
func TestHeaderFor(t *testing.T) {
	for vni, want := range map[encap.VNI]string{
		0:            "0800000000000000",
		1:            "0800000000000100",
		42:           "0800000000002a00",
		0x123456:     "0800000012345600",
		encap.MaxVNI: "08000000ffffff00",
	} {
		b := encap.HeaderFor(vni)
		if got := hex.EncodeToString(b[:]); got != want {
			t.Errorf("HeaderFor(%#x) = %s, want %s", vni, got, want)
		}
		h, ok := encap.DecodeHeader(b[:])
		if !ok || !h.Valid() || h.ReservedSet() || h.VNI != vni {
			t.Errorf("DecodeHeader(%x) = %+v, %v", b, h, ok)
		}
		var dec layers.VXLAN
		if err := dec.DecodeFromBytes(b[:], gopacket.NilDecodeFeedback); err != nil {
			t.Fatal(err)
		}
		if !dec.ValidIDFlag || dec.VNI != uint32(vni) || dec.GBPExtension {
			t.Errorf("gopacket reads %+v from %x", dec, b)
		}
	}
}

func TestHeaderCutsToWidth(t *testing.T) {
	h := encap.Header{Flags: encap.FlagVNI, VNI: 1<<24 | 5, Reserved1: 1<<24 | 6}
	if got, want := fmt.Sprintf("%x", h.Encode()), "0800000600000500"; got != want {
		t.Errorf("Encode = %s, want %s", got, want)
	}
	if (encap.Header{Reserved1: 1 << 24}).ReservedSet() {
		t.Error("a bit outside the field counts as reserved")
	}
}

func TestDecodeHeaderShort(t *testing.T) {
	b := []byte{8, 1, 2, 3, 4, 5, 6, 7}
	for n := range b {
		if h, ok := encap.DecodeHeader(b[:n]); ok || h != (encap.Header{}) {
			t.Errorf("%d bytes: %+v, %v", n, h, ok)
		}
	}
	h, ok := encap.DecodeHeader(append(b, 9, 10))
	want := encap.Header{Flags: 8, Reserved1: 0x010203, VNI: 0x040506, Reserved2: 7}
	if !ok || h != want {
		t.Errorf("DecodeHeader = %+v, %v, want %+v", h, ok, want)
	}
}

// C01: without the I flag there is no VNI, whatever else is set.
func TestHeaderWithoutIFlag(t *testing.T) {
	for _, flags := range []uint8{0, 0xf7, 0x04, 0x10} {
		h, ok := encap.DecodeHeader([]byte{flags, 0, 0, 0, 0, 0, 42, 0})
		if !ok || h.Valid() {
			t.Errorf("flags %#02x: Valid() = %v, decoded %v", flags, h.Valid(), ok)
		}
	}
}

// C03: each of the 39 reserved bits by itself.
func TestHeaderReservedBits(t *testing.T) {
	cases := 0
	for bit := range 64 {
		if bit == 4 || bit >= 32 && bit < 56 {
			continue // the I flag and the VNI
		}
		cases++
		t.Run(fmt.Sprintf("bit%02d", bit), func(t *testing.T) {
			b := encap.HeaderFor(0xabcdef)
			b[bit/8] |= 0x80 >> (bit % 8)
			h, ok := encap.DecodeHeader(b[:])
			if !ok || !h.Valid() || h.VNI != 0xabcdef {
				t.Errorf("%x: header not usable: %+v, %v", b, h, ok)
			}
			if !h.ReservedSet() {
				t.Errorf("%x: ReservedSet() = false", b)
			}
			if h.Encode() != b {
				t.Errorf("Encode() = %x, want %x", h.Encode(), b)
			}
		})
	}
	if cases != 39 {
		t.Errorf("%d reserved bits, RFC 7348 has 39", cases)
	}
	// And none of the other 25 counts as reserved.
	h, _ := encap.DecodeHeader([]byte{0x08, 0, 0, 0, 0xff, 0xff, 0xff, 0})
	if h.ReservedSet() {
		t.Error("I flag or VNI count as reserved")
	}
}

func TestHeaderAllocs(t *testing.T) {
	var sink uint32
	wantNoAllocs(t, "header", func() {
		b := encap.HeaderFor(encap.VNI(sink))
		h, _ := encap.DecodeHeader(b[:])
		if h.Valid() && !h.ReservedSet() {
			sink++
		}
	})
}

func FuzzDecodeHeader(f *testing.F) {
	h := encap.HeaderFor(42)
	f.Add(h[:])
	f.Add([]byte{})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok := encap.DecodeHeader(b)
		if ok != (len(b) >= encap.HeaderLen) {
			t.Fatalf("%d bytes: ok = %v", len(b), ok)
		}
		if !ok {
			return
		}
		e := h.Encode()
		if e != [encap.HeaderLen]byte(b) {
			t.Fatalf("%x encodes to %x", b[:encap.HeaderLen], e)
		}
		if again, _ := encap.DecodeHeader(e[:]); again != h {
			t.Fatalf("decode(encode(%+v)) = %+v", h, again)
		}
		clean := e
		clean[0] &= encap.FlagVNI
		clean[1], clean[2], clean[3], clean[7] = 0, 0, 0, 0
		if h.ReservedSet() != (clean != e) {
			t.Fatalf("%x: ReservedSet() = %v", e, h.ReservedSet())
		}
	})
}
