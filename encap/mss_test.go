package encap

import (
	"encoding/binary"
	"testing"
)

// synBytes is a TCP SYN over IPv4 with these options and a right checksum.
func synBytes(flags byte, options ...byte) []byte {
	n := 40 + len(options)
	b := append(make([]byte, 12), 8, 0, 0x45, 0, byte(n>>8), byte(n), 0, 0, 0x40, 0, 64, 6, 0, 0, 198, 51, 100, 1, 198, 51, 100, 2)
	b = append(b, 3, 0xe8, 0, 80, 0, 0, 0, 7, 0, 0, 0, 0, byte(5+len(options)/4)<<4, flags, 2, 0, 0, 0, 0, 0)
	b = append(b, options...)
	in := ParseInner(b)
	binary.BigEndian.PutUint16(b[50:], ^foldSum(addBytes(addPseudo(b, &in, len(b)-34), b[34:])))
	return b
}

func TestClampMSS(t *testing.T) {
	for _, tt := range []struct {
		what string
		b    []byte
		at   int // offset of the MSS in the frame; 0: none
		want uint16
	}{
		{"even", synBytes(2, 2, 4, 5, 180), 56, 1360},
		{"odd", synBytes(0x12, 1, 2, 4, 5, 180, 1, 1, 1), 57, 1360},
		{"behind others", synBytes(2, 3, 3, 7, 1, 2, 4, 0xff, 0xff), 60, 1360},
		{"fits", synBytes(2, 2, 4, 2, 24), 56, 536},
		{"no SYN", synBytes(0x10, 2, 4, 5, 180), 56, 1460},
		{"end first", synBytes(2, 0, 2, 4, 5, 180, 0, 0, 0), 57, 1460},
		{"wrong length", synBytes(2, 2, 3, 5, 180), 56, 1460},
		{"length 0", synBytes(2, 8, 0, 2, 4, 5, 180, 0, 0), 58, 1460},
		{"too long", synBytes(2, 8, 40, 2, 4), 0, 0},
		{"none", synBytes(2), 0, 0},
	} {
		f := Frame{Data: tt.b}
		in := ParseInner(tt.b)
		ClampMSS(&f, &in, 1400)
		if tt.at != 0 {
			if got := binary.BigEndian.Uint16(tt.b[tt.at:]); got != tt.want {
				t.Errorf("%s: %d, want %d", tt.what, got, tt.want)
			}
		}
		if c := ClassifyChecksum(tt.b, &in); c != CsumComplete {
			t.Errorf("%s: the checksum is %v", tt.what, c)
		}
	}
	// A partial checksum stays that of the pseudo-header, a wrong one wrong.
	b := synBytes(2, 2, 4, 5, 180)
	in := ParseInner(b)
	f := Frame{Data: b, Offload: Offload{Csum: CsumPartial, CsumStart: 34, CsumOffset: 16}}
	binary.BigEndian.PutUint16(b[50:], PseudoSum(b, &in, len(b)-34))
	if !ClampMSS(&f, &in, 1400) || !LooksPartial(b, &in) {
		t.Error("partial: not lowered, or not partial any more")
	}
	b = synBytes(2, 2, 4, 5, 180)
	b[51] ^= 1
	f = Frame{Data: b}
	if !ClampMSS(&f, &in, 1400) || ClassifyChecksum(b, &in) != CsumBad {
		t.Error("a wrong checksum was made right")
	}
	// VLAN tags take their part.
	b = synBytes(2, 2, 4, 5, 180)
	b = append(b[:12:12], append([]byte{0x81, 0, 0, 7}, b[12:]...)...)
	in, f = ParseInner(b), Frame{Data: b}
	if !ClampMSS(&f, &in, 1400) || binary.BigEndian.Uint16(b[60:]) != 1356 {
		t.Errorf("tagged: MSS %d, want 1356", binary.BigEndian.Uint16(b[60:]))
	}
}

func FuzzClampMSS(f *testing.F) {
	f.Add(synBytes(2, 1, 2, 4, 5, 180, 1, 1, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := ParseInner(b)
		before := ClassifyChecksum(b, &in)
		fr := Frame{Data: b}
		ClampMSS(&fr, &in, 1400)
		if after := ClassifyChecksum(b, &in); (before == CsumComplete) != (after == CsumComplete) {
			t.Errorf("the checksum was %v and is %v", before, after)
		}
	})
}
