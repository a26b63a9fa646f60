package encap_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// slowSum is RFC 1071 word for word, a byte at a time.
func slowSum(parts ...[]byte) uint16 {
	var sum uint32
	n := 0
	for _, p := range parts {
		for _, v := range p {
			if n%2 == 0 {
				sum += uint32(v) << 8
			} else {
				sum += uint32(v)
			}
			sum = sum>>16 + sum&0xffff
			n++
		}
	}
	return uint16(sum>>16 + sum&0xffff)
}

// slowPseudo is the pseudo-header as RFC 9293 and RFC 8200 draw it.
func slowPseudo(b []byte, in *encap.Inner, l4len int) []byte {
	l3 := int(in.L3)
	if in.IPVersion == 4 {
		p := append([]byte(nil), b[l3+12:l3+20]...)
		return append(p, 0, in.Proto, byte(l4len>>8), byte(l4len))
	}
	p := append([]byte(nil), b[l3+8:l3+40]...)
	return append(p, byte(l4len>>24), byte(l4len>>16), byte(l4len>>8), byte(l4len), 0, 0, 0, in.Proto)
}

func TestSumOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, 70000)
	for i := range buf {
		buf[i] = byte(r.Uint32())
	}
	for n := range 600 { // every tail length, every alignment
		at := n % 16
		if got, want := encap.Sum(buf[at:at+n]), slowSum(buf[at:at+n]); got != want {
			t.Fatalf("%d bytes at %d: %#04x, want %#04x", n, at, got, want)
		}
	}
	for range 300 {
		at, n := r.IntN(1000), r.IntN(66000)
		if got, want := encap.Sum(buf[at:at+n]), slowSum(buf[at:at+n]); got != want {
			t.Fatalf("%d bytes at %d: %#04x, want %#04x", n, at, got, want)
		}
	}
	// All ones is where a lost carry shows.
	ones := bytes.Repeat([]byte{0xff}, 4096)
	for n := range ones {
		if got, want := encap.Sum(ones[:n]), slowSum(ones[:n]); got != want {
			t.Fatalf("%d bytes of ff: %#04x, want %#04x", n, got, want)
		}
		mixed := append(append([]byte(nil), ones[:n]...), 0, 1)
		if got, want := encap.Sum(mixed), slowSum(mixed); got != want {
			t.Fatalf("%d bytes of ff and 1: %#04x, want %#04x", n, got, want)
		}
	}
	if got := encap.Sum(make([]byte, 1000)); got != 0 {
		t.Errorf("zeros sum to %#x", got)
	}
}

// RFC 1071 section 3 has this example.
func TestSumExample(t *testing.T) {
	if got := encap.Sum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}); got != 0xddf2 {
		t.Errorf("Sum = %#04x, want 0xddf2", got)
	}
}

func TestPseudoSumOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, b := range flows(t, 20) {
		in := parse(b)
		for range 200 {
			addrs := b[in.L3+8 : in.L3+20]
			if in.IPVersion == 6 {
				addrs = b[in.L3+8 : in.L3+40]
			} else {
				addrs = addrs[4:]
			}
			for i := range addrs {
				addrs[i] = byte(r.Uint32())
			}
			n := r.IntN(65536)
			if got, want := encap.PseudoSum(b, &in, n), slowSum(slowPseudo(b, &in, n)); got != want {
				t.Fatalf("%s, %d bytes: %#04x, want %#04x", name, n, got, want)
			}
		}
	}
}

// makePartial leaves the pseudo-header sum alone in the checksum field, as an
// offloading kernel does.
func makePartial(tb testing.TB, b []byte) (encap.Inner, encap.Offload) {
	tb.Helper()
	in := parse(b)
	o, ok := encap.PartialOffload(&in)
	if !ok {
		tb.Fatalf("no partial checksum possible: %+v", in)
	}
	pseudo := slowSum(slowPseudo(b, &in, int(in.L3)+in.IPLen-int(in.L4)))
	binary.BigEndian.PutUint16(b[o.CsumStart+o.CsumOffset:], pseudo)
	return in, o
}

// classify asks both questions and holds them to each other.
func classify(t *testing.T, b []byte) encap.CsumClass {
	t.Helper()
	in := parse(b)
	class := encap.ClassifyChecksum(b, &in)
	if encap.LooksPartial(b, &in) != (class == encap.CsumPseudo) {
		t.Errorf("class %v, LooksPartial %v", class, class != encap.CsumPseudo)
	}
	return class
}

// gopacket made the complete checksums.
func TestChecksumClasses(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 56, 1399, 1400, 60000} {
		for name, b := range flows(t, n) {
			in := parse(b)
			if in.Proto != encap.ProtoTCP && in.Proto != encap.ProtoUDP {
				if c := classify(t, b); c != encap.CsumNone {
					t.Errorf("%s/%d: %v, want none", name, n, c)
				}
				continue
			}
			if c := classify(t, b); c != encap.CsumComplete {
				t.Errorf("%s/%d: %v, want complete", name, n, c)
			}
			complete := append([]byte(nil), b...)
			_, o := makePartial(t, b)
			if c := classify(t, b); c != encap.CsumPseudo {
				t.Errorf("%s/%d partial: %v, want pseudo", name, n, c)
			}
			f := encap.Frame{Data: b, Offload: o}
			if !encap.CompleteChecksum(&f) || f.Offload != (encap.Offload{}) {
				t.Errorf("%s/%d: not completed, %+v", name, n, f.Offload)
			}
			if !bytes.Equal(b, complete) {
				t.Errorf("%s/%d: completed checksum differs from gopacket's", name, n)
			}
			b[int(in.L3)+in.IPLen-1] ^= 0x10 // gopacket pads short frames
			if c := classify(t, b); c != encap.CsumBad {
				t.Errorf("%s/%d corrupt: %v, want bad", name, n, c)
			}
		}
	}
}

func TestChecksumNothingToVerify(t *testing.T) {
	udp := func(edit func(b []byte)) []byte {
		b := build(t, packet{proto: encap.ProtoUDP, payload: pattern(40)})
		edit(b)
		return b
	}
	udp6 := build(t, packet{v6: true, proto: encap.ProtoUDP, payload: pattern(40)})
	udp6[60], udp6[61] = 0, 0
	for name, c := range map[string]struct {
		b    []byte
		want encap.CsumClass
	}{
		"UDP without checksum":       {udp(func(b []byte) { b[40], b[41] = 0, 0 }), encap.CsumNone},
		"UDP6 without checksum":      {udp6, encap.CsumNone},
		"first fragment":             {udp(func(b []byte) { b[20] = 0x20 }), encap.CsumNone},
		"cut":                        {udp(func([]byte) {})[:70], encap.CsumNone},
		"UDP length past the packet": {udp(func(b []byte) { b[39]++ }), encap.CsumBad},
		"UDP length below 8":         {udp(func(b []byte) { b[38], b[39] = 0, 7 }), encap.CsumBad},
	} {
		if got := classify(t, c.b); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// The UDP length ends what the checksum covers, not the packet's (RFC 9868
// puts options behind it).
func TestChecksumUDPSurplus(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		b := build(t, packet{v6: v6, proto: encap.ProtoUDP, payload: pattern(40)})
		at := 16
		if v6 {
			at = 18
		}
		b = append(b, 1, 2, 3, 4, 5, 6, 7, 8)
		binary.BigEndian.PutUint16(b[at:], binary.BigEndian.Uint16(b[at:])+8)
		if got := classify(t, b); got != encap.CsumComplete {
			t.Errorf("IPv6 %v: %v, want complete", v6, got)
		}
	}
}

// A checksum that verifies and equals the pseudo-header sum is complete: a
// second completion would break it.
func TestChecksumCompleteWins(t *testing.T) {
	for name, b := range flows(t, 64) {
		in := parse(b)
		if in.Proto != encap.ProtoTCP && in.Proto != encap.ProtoUDP {
			continue
		}
		in, _ = makePartial(t, b)
		// Choose the last two bytes such that the sum comes out right.
		n := len(b) - 2
		b[n], b[n+1] = 0, 0
		l4 := b[in.L4:]
		rest := slowSum(slowPseudo(b, &in, len(l4)), l4)
		binary.BigEndian.PutUint16(b[n:], ^rest)
		if c := classify(t, b); c != encap.CsumComplete {
			t.Errorf("%s: %v, want complete", name, c)
		}
	}
}

// An IPv6 routing header with segments left: the checksum is over the last
// hop's address (RFC 8200 section 8.1).
func TestChecksumRoutingHeader(t *testing.T) {
	for _, c := range []struct {
		kind byte
		list []byte
	}{
		{4, append(append([]byte(nil), dst6...), src6...)},
		{0, append(append([]byte(nil), src6...), dst6...)},
		{2, dst6},
	} {
		ext := append([]byte{17, byte(len(c.list) / 8), c.kind, 1, 0, 0, 0, 0}, c.list...)
		b := build(t, packet{v6: true, proto: encap.ProtoUDP, extFirst: 43, ext: ext, payload: pattern(30)})
		b[14+24+15] ^= 0x55 // on its way to another hop
		if got := classify(t, b); got != encap.CsumComplete {
			t.Errorf("type %d: %v, want complete", c.kind, got)
		}
		b[14+40+3] = 0 // arrived
		if got := classify(t, b); got != encap.CsumBad {
			t.Errorf("type %d, no segments left: %v, want bad", c.kind, got)
		}
	}
}

// RFC 768: a UDP checksum that comes out as 0 is sent as ffff.
func TestCompleteChecksumZero(t *testing.T) {
	for _, proto := range []uint8{encap.ProtoUDP, encap.ProtoTCP} {
		b := build(t, packet{proto: proto, payload: pattern(32)})
		in, o := makePartial(t, b)
		n := len(b) - 2
		b[n], b[n+1] = 0, 0
		binary.BigEndian.PutUint16(b[n:], ^slowSum(b[in.L4:]))
		f := encap.Frame{Data: b, Offload: o}
		if !encap.CompleteChecksum(&f) {
			t.Fatal("not completed")
		}
		want := uint16(0)
		if proto == encap.ProtoUDP {
			want = 0xffff
		}
		if got := binary.BigEndian.Uint16(b[o.CsumStart+o.CsumOffset:]); got != want {
			t.Errorf("protocol %d: checksum %#04x, want %#04x", proto, got, want)
		}
	}
}

func TestCompleteChecksumOffsets(t *testing.T) {
	b := pattern(60)
	keep := append([]byte(nil), b...)
	for _, o := range []encap.Offload{
		{CsumStart: 59, CsumOffset: 0}, {CsumStart: 0, CsumOffset: 59}, {CsumStart: 34, CsumOffset: 25},
		{CsumStart: 0xffff, CsumOffset: 0xffff}, {CsumStart: 61},
	} {
		o.Csum = encap.CsumPartial
		f := encap.Frame{Data: b, Offload: o}
		if encap.CompleteChecksum(&f) || f.Offload != o || !bytes.Equal(b, keep) {
			t.Errorf("%+v: accepted or changed", o)
		}
	}
	f := encap.Frame{Data: b}
	if !encap.CompleteChecksum(&f) || !bytes.Equal(b, keep) {
		t.Error("a frame that is not partial was refused or changed")
	}
}

func TestPartialOffload(t *testing.T) {
	for _, p := range []packet{{icmpType: 8}, {v6: true, icmpType: 128}} {
		in := parse(build(t, p))
		if o, ok := encap.PartialOffload(&in); ok || o != (encap.Offload{}) {
			t.Errorf("ICMP: %+v", o)
		}
	}
	in := parse(build(t, packet{v6: true, proto: encap.ProtoTCP}))
	want := encap.Offload{Csum: encap.CsumPartial, CsumStart: 54, CsumOffset: 16}
	if o, ok := encap.PartialOffload(&in); !ok || o != want {
		t.Errorf("TCP over IPv6: %+v, want %+v", o, want)
	}
}

func TestChecksumAllocs(t *testing.T) {
	for name, b := range flows(t, 1000) {
		in := parse(b)
		o, partial := encap.PartialOffload(&in)
		wantNoAllocs(t, name, func() {
			encap.ClassifyChecksum(b, &in)
			encap.LooksPartial(b, &in)
			if partial {
				encap.CompleteChecksum(&encap.Frame{Data: b, Offload: o})
			}
		})
	}
}

func FuzzClassifyChecksum(f *testing.F) {
	for _, b := range flows(f, 21) {
		f.Add(append([]byte(nil), b...), uint16(0), uint16(0))
		in := parse(b)
		if o, ok := encap.PartialOffload(&in); ok {
			makePartial(f, b)
			f.Add(b, o.CsumStart, o.CsumOffset)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, start, off uint16) {
		in := parse(b)
		class := classify(t, b)
		if class == encap.CsumComplete || class == encap.CsumPseudo {
			l4 := b[in.L4 : int(in.L3)+in.IPLen]
			field := 16
			if in.Proto == encap.ProtoUDP {
				l4, field = l4[:binary.BigEndian.Uint16(l4[4:])], 6
			}
			// With a routing header the oracle's address is not the one.
			if in.L4-in.L3 == 20 || in.IPVersion == 6 && in.L4-in.L3 == 40 {
				pseudo := slowPseudo(b, &in, len(l4))
				valid := slowSum(pseudo, l4) == 0xffff
				if valid != (class == encap.CsumComplete) {
					t.Fatalf("%x: class %v, oracle says %v", b, class, valid)
				}
				if !valid && binary.BigEndian.Uint16(l4[field:]) != slowSum(pseudo) {
					t.Fatalf("%x: not the pseudo-header sum", b)
				}
			}
		}
		fr := encap.Frame{Data: b, Offload: encap.Offload{Csum: encap.CsumPartial, CsumStart: start, CsumOffset: off}}
		if encap.CompleteChecksum(&fr) != (int(start)+int(off)+2 <= len(b)) {
			t.Fatalf("%d bytes, start %d, offset %d", len(b), start, off)
		}
	})
}
