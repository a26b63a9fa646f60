package encap_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// framesIn reads fuzzed bytes as frames that came one after the other, each behind two bytes of its length.
func framesIn(b []byte) (all [][]byte) {
	for len(b) > 2 && len(all) < 16 {
		n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
		if n >= encap.EthernetHeaderLen {
			all = append(all, bytes.Clone(b[2:2+n]))
		}
		b = b[2+n:]
	}
	return all
}

// FuzzJoin: whatever frames come, cutting apart what was joined gives the frames of each flow back, in order and byte for
// byte, and Extend's short cut joins what Add would.
func FuzzJoin(f *testing.F) {
	for _, p := range []packet{
		{proto: encap.ProtoTCP, psh: true}, {proto: encap.ProtoTCP, options: 12, fin: true}, {v6: true, proto: encap.ProtoTCP},
		{proto: encap.ProtoTCP, tags: []uint16{7}}, {proto: encap.ProtoTCP, noDF: true, id: 0xfffe}, {proto: encap.ProtoUDP}, {v6: true, proto: encap.ProtoUDP},
	} {
		var b []byte
		for _, s := range segments(f, p, 350, 100) {
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := framesIn(b)
		byFlow := func(all [][]byte) map[uint32][][]byte {
			m := map[uint32][][]byte{}
			for _, b := range all {
				p := encap.ParseInner(b)
				h := encap.FlowHash(b, &p)
				m[h] = append(m[h], b)
			}
			return m
		}
		want := byFlow(in)
		var out [][]byte
		for _, s := range join(clones(in)) {
			out = append(out, cut(t, s)...)
		}
		got := byFlow(out)
		if len(out) != len(in) || len(got) != len(want) {
			t.Fatalf("%d frames of %d flows became %d of %d", len(in), len(want), len(out), len(got))
		}
		for h, frames := range want {
			if len(got[h]) != len(frames) {
				t.Fatalf("flow %x: %d frames became %d", h, len(frames), len(got[h]))
			}
			for i := range frames {
				if !bytes.Equal(withoutID(got[h][i]), withoutID(frames[i])) {
					t.Fatalf("flow %x, frame %d:\n%x\nwant\n%x", h, i, got[h][i], frames[i])
				}
			}
		}
	})
}
