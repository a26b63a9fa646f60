package tap

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/encap"
)

func TestVnetHeaderLayout(t *testing.T) {
	// Field by field as virtio v1.2 section 5.1.6 lays it out, little endian.
	h := vnetHeader{flags: 1, gsoType: 0x81, hdrLen: 0x0203, gsoSize: 0x0405, csumStart: 0x0607, csumOffset: 0x0809}
	var b [vnetHeaderLen]byte
	h.encode(&b)
	want := [vnetHeaderLen]byte{1, 0x81, 3, 2, 5, 4, 7, 6, 9, 8}
	if b != want {
		t.Errorf("encode: got % x, want % x", b, want)
	}
	if got := decodeVnet(&b); got != h {
		t.Errorf("decode: got %+v, want %+v", got, h)
	}
}

func TestVnetOffload(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    vnetHeader
		want encap.Offload
		ok   bool
	}{
		{"plain", vnetHeader{}, encap.Offload{}, true},
		{"partial checksum", vnetHeader{flags: 1, csumStart: 34, csumOffset: 6},
			encap.Offload{Csum: encap.CsumPartial, CsumStart: 34, CsumOffset: 6}, true},
		{"checksum found right", vnetHeader{flags: 2, csumStart: 34}, encap.Offload{}, true},
		{"TCP over IPv4 with CWR", vnetHeader{flags: 1, gsoType: 0x81, hdrLen: 9, gsoSize: 1448, csumStart: 34, csumOffset: 16},
			encap.Offload{Kind: encap.GSOTCPv4, Csum: encap.CsumPartial, ECN: true, SegSize: 1448, CsumStart: 34, CsumOffset: 16}, true},
		{"TCP over IPv6", vnetHeader{flags: 1, gsoType: 4, gsoSize: 1428, csumStart: 54, csumOffset: 16},
			encap.Offload{Kind: encap.GSOTCPv6, Csum: encap.CsumPartial, SegSize: 1428, CsumStart: 54, CsumOffset: 16}, true},
		{"UDP", vnetHeader{flags: 1, gsoType: 5, gsoSize: 1000, csumStart: 34, csumOffset: 6},
			encap.Offload{Kind: encap.GSOUDP, Csum: encap.CsumPartial, SegSize: 1000, CsumStart: 34, CsumOffset: 6}, true},
		{"size without a kind", vnetHeader{gsoSize: 1448}, encap.Offload{}, true},
		{"kind without a size", vnetHeader{gsoType: 1}, encap.Offload{}, false},
		{"UDP fragmentation (UFO), never asked for", vnetHeader{gsoType: 3, gsoSize: 1480}, encap.Offload{}, false},
		{"unknown kind", vnetHeader{gsoType: 0x7f, gsoSize: 1}, encap.Offload{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := tt.h.offload()
			if ok != tt.ok {
				t.Fatalf("ok is %v, want %v", ok, tt.ok)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestVnetHeadersLen(t *testing.T) {
	tcp := make([]byte, 200)
	tcp[34+12] = 8 << 4 // 32 bytes of TCP header
	partial := encap.Offload{Kind: encap.GSOTCPv4, Csum: encap.CsumPartial, SegSize: 100, CsumStart: 34, CsumOffset: 16}
	udp := partial
	udp.Kind = encap.GSOUDP
	complete := partial
	complete.Csum = encap.CsumUnknown
	far := partial
	far.CsumStart = 190
	for _, tt := range []struct {
		name string
		f    encap.Frame
		want uint16
	}{
		{"TCP", encap.Frame{Data: tcp, Offload: partial}, 34 + 32},
		{"UDP", encap.Frame{Data: tcp, Offload: udp}, 34 + 8},
		{"no checksum offset to go by", encap.Frame{Data: tcp, Offload: complete}, 0},
		{"data offset outside the frame", encap.Frame{Data: tcp, Offload: far}, 0},
		{"header longer than the frame", encap.Frame{Data: tcp[:60], Offload: partial}, 0},
		{"empty", encap.Frame{Offload: partial}, 0},
		{"not a superframe", encap.Frame{Data: tcp, Offload: partialUDP()}, 0},
	} {
		if got := vnetFor(&tt.f).hdrLen; got != tt.want {
			t.Errorf("%s: hdr_len %d, want %d", tt.name, got, tt.want)
		}
	}
}

// partialUDP is the offload of a datagram in an untagged IPv4 frame whose
// checksum is left to the receiver.
func partialUDP() encap.Offload {
	return encap.Offload{Csum: encap.CsumPartial, CsumStart: 34, CsumOffset: 6}
}

// FuzzVnet: the codec is exact, and an Offload that a header stands for gives
// that Offload again.
func FuzzVnet(f *testing.F) {
	f.Add([]byte{1, 0x81, 0, 0, 0xa8, 5, 34, 0, 16, 0}, []byte("frame"))
	f.Add([]byte{1, 5, 0, 0, 0xe8, 3, 34, 0, 6, 0}, make([]byte, 100))
	f.Add(make([]byte, vnetHeaderLen), []byte{})
	f.Fuzz(func(t *testing.T, header, data []byte) {
		if len(header) < vnetHeaderLen {
			return
		}
		b := [vnetHeaderLen]byte(header)
		h := decodeVnet(&b)
		again := [vnetHeaderLen]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
		h.encode(&again)
		if again != b {
			t.Fatalf("encode(decode(% x)) is % x", b, again)
		}
		o, ok := h.offload()
		if !ok {
			if o != (encap.Offload{}) {
				t.Fatalf("refused header gives %+v", o)
			}
			return
		}
		fr := encap.Frame{Data: data, Offload: o}
		back := vnetFor(&fr)
		if int(back.hdrLen) > len(data) {
			t.Fatalf("hdr_len %d of a frame of %d bytes", back.hdrLen, len(data))
		}
		o2, ok := back.offload()
		if !ok || o2 != o {
			t.Fatalf("%+v became %+v, %v", o, o2, ok)
		}
	})
}
