package vtep

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// ambiguous changes payload of b, a TCP segment, so that its complete checksum is also
// its pseudo-header sum, as one in 65,536 has it.
func ambiguous(t *testing.T, b []byte) []byte {
	t.Helper()
	in := encap.ParseInner(b)
	o, _ := encap.PartialOffload(&in)
	pseudo := encap.PseudoSum(b, &in, len(b)-int(in.L4))
	field, word := b[in.L4+o.CsumOffset:], b[len(b)-2:]
	binary.BigEndian.PutUint16(field, pseudo)
	clear(word[:2])
	// What is still missing for the sum of all and the pseudo-header to be 0xffff.
	missing := 2*0xffff - uint32(encap.Sum(b[in.L4:])) - uint32(pseudo)
	for missing > 0xffff {
		missing = missing&0xffff + missing>>16
	}
	binary.BigEndian.PutUint16(word, uint16(missing))
	if encap.ClassifyChecksum(b, &in) != encap.CsumComplete {
		t.Fatal("the checksum is not complete")
	}
	return b
}

// TestLongFrameLikeASuperframe: a frame from a VTEP of this host that is longer than the
// link's MTU, and whose complete checksum looks like a superframe's, gives the same
// behind another segment of its flow as alone.
func TestLongFrameLikeASuperframe(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, v6 := range []bool{false, true} {
		f := tenantFlow{vni: 42, peer: peer1, src: encap.MAC{2, 0, 0, 0, 0, 1}, v6: v6, tcp: true, sport: 1000, size: 1420}
		whole := func() []byte { // of frame's random ones, an honest one
			for {
				was := f
				b := f.frame(rnd)
				in := encap.ParseInner(b)
				if in.IPLen > 1450 && b[in.L4+13] == 0x10 && encap.ClassifyChecksum(b, &in) == encap.CsumComplete {
					return b
				}
				f = was
			}
		}
		var m message
		for i := range 5 {
			b := whole()
			if i == 2 {
				b = ambiguous(t, b)
			}
			d := vxlan(peer1, 42, 0, b)
			d.Device = byVeth
			m = append(m, d)
		}
		tw := newTwins(t, SameHost{Mode: SameHostPrefixes, Prefixes: []netip.Prefix{netip.PrefixFrom(peer1, 32)}}, "")
		tw.hear([]message{m})
		tw.compare()
		if n := tw.fast.stats("vxlan42").RxPackets; n != 6 { // the one is cut in two
			t.Errorf("%d packets came, want 6", n)
		}
	}
}
