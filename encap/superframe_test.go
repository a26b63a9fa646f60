package encap_test

import (
	"bytes"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// superframe builds p as an offloading kernel hands it over: one frame,
// partial checksum.
func superframe(tb testing.TB, p packet, seg int) encap.Frame {
	tb.Helper()
	b := build(tb, p)
	in, _ := makePartial(tb, b)
	b = b[:int(in.L3)+in.IPLen] // gopacket pads short frames
	o, ok := encap.PartialOffload(&in)
	if !ok {
		tb.Fatalf("no superframe: %+v", in)
	}
	o.SegSize = uint16(seg)
	switch {
	case in.Proto == encap.ProtoUDP:
		o.Kind = encap.GSOUDP
	case in.IPVersion == 4:
		o.Kind = encap.GSOTCPv4
	default:
		o.Kind = encap.GSOTCPv6
	}
	o.ECN = in.Proto == encap.ProtoTCP && b[in.L4+13]&0x80 != 0 // CWR
	return encap.Frame{Data: b, Offload: o}
}

// segmentCases are superframes; what each stands for is what gopacket builds
// segment by segment.
var segmentCases = map[string]packet{
	"tcp4":            {proto: encap.ProtoTCP, seq: 1000, id: 7},
	"tcp4 wraps":      {proto: encap.ProtoTCP, seq: 0xffffff00, id: 0xfffe},
	"tcp4 flags":      {proto: encap.ProtoTCP, fin: true, psh: true, cwr: true, tos: 2},
	"tcp4 options":    {proto: encap.ProtoTCP, options: 12, psh: true},
	"tcp4 vlan":       {proto: encap.ProtoTCP, tags: []uint16{100}},
	"tcp6":            {proto: encap.ProtoTCP, v6: true, seq: 5, fin: true, psh: true, cwr: true},
	"tcp6 hop-by-hop": {proto: encap.ProtoTCP, v6: true, ext: []byte{6, 0, 1, 4, 0, 0, 0, 0}},
	"udp4":            {proto: encap.ProtoUDP, id: 9},
	"udp4 no DF":      {proto: encap.ProtoUDP, id: 9, noDF: true},
	"udp6":            {proto: encap.ProtoUDP, v6: true},
	"udp6 vlan":       {proto: encap.ProtoUDP, v6: true, tags: []uint16{1, 2}},
}

func TestSegment(t *testing.T) {
	for name, p := range segmentCases {
		for _, seg := range []int{1, 536, 1399, 1448, 30000} {
			for _, n := range []int{seg + 1, 2 * seg, 2*seg + 1, 40000} {
				if n <= seg || n > 65000 || n > encap.MaxSegments*seg {
					continue
				}
				p.payload = pattern(n)
				f := superframe(t, p, seg)
				checkSegments(t, name, f, p, seg)
			}
		}
	}
}

// checkSegments compares each segment of f with what gopacket builds for it.
func checkSegments(t *testing.T, name string, f encap.Frame, p packet, seg int) {
	t.Helper()
	before := append([]byte(nil), f.Data...)
	i, total := 0, len(p.payload)
	ok := encap.Segment(&f, make([]byte, 70000), func(got encap.Frame) {
		part := p
		part.payload = p.payload[i*seg : min((i+1)*seg, total)]
		part.seq += uint32(i * seg)
		part.id += uint16(i)
		last := (i+1)*seg >= total
		part.fin, part.psh = p.fin && last, p.psh && last
		part.cwr = p.cwr && i == 0
		want := build(t, part)
		in := parse(want)
		want = want[:int(in.L3)+in.IPLen] // gopacket pads short frames
		if got.Offload != (encap.Offload{}) || !bytes.Equal(got.Data, want) {
			t.Fatalf("%s, %d by %d, segment %d:\n got %x\nwant %x", name, total, seg, i, got.Data, want)
		}
		i++
	})
	if want := (total + seg - 1) / seg; !ok || i != want {
		t.Errorf("%s, %d by %d: %d segments, %v, want %d", name, total, seg, i, ok, want)
	}
	if !bytes.Equal(f.Data, before) {
		t.Errorf("%s: the superframe was changed", name)
	}
}

// The headers go into the caller's memory, the payload is not copied.
func TestSegmenter(t *testing.T) {
	f := superframe(t, packet{proto: encap.ProtoTCP, options: 12, payload: pattern(5000)}, 1400)
	var s encap.Segmenter
	if s.Segments() != 0 || s.LargestFrame() != 0 {
		t.Error("the zero value has segments")
	}
	if _, ok := s.Next(make([]byte, 100)); ok {
		t.Error("the zero value gives a segment")
	}
	if !s.Init(&f) || s.HeaderLen() != 66 || s.Segments() != 4 || s.LargestFrame() != 1466 {
		t.Fatalf("headers %d, segments %d, largest %d", s.HeaderLen(), s.Segments(), s.LargestFrame())
	}
	if _, ok := s.Next(make([]byte, 65)); ok {
		t.Error("header memory one byte too short was accepted")
	}
	head := make([]byte, 66)
	at := 66
	for left := 4; left > 0; left-- {
		if s.Segments() != left {
			t.Errorf("%d segments left, want %d", s.Segments(), left)
		}
		payload, ok := s.Next(head)
		if !ok || &payload[0] != &f.Data[at] || cap(payload) != len(payload) {
			t.Fatalf("segment at %d: ok %v, %d bytes, capacity %d", at, ok, len(payload), cap(payload))
		}
		at += len(payload)
	}
	if _, ok := s.Next(head); ok || s.LargestFrame() != 0 || at != len(f.Data) {
		t.Errorf("ends at %d of %d", at, len(f.Data))
	}
}

func TestSegmentRefuses(t *testing.T) {
	good := func() encap.Frame {
		return superframe(t, packet{proto: encap.ProtoTCP, payload: pattern(3000)}, 1000)
	}
	for name, edit := range map[string]func(f *encap.Frame){
		"no kind":          func(f *encap.Frame) { f.Offload.Kind = encap.GSONone },
		"other version":    func(f *encap.Frame) { f.Offload.Kind = encap.GSOTCPv6 },
		"other protocol":   func(f *encap.Frame) { f.Offload.Kind = encap.GSOUDP },
		"no segment size":  func(f *encap.Frame) { f.Offload.SegSize = 0 },
		"cut":              func(f *encap.Frame) { f.Data = f.Data[:2000] },
		"fragment":         func(f *encap.Frame) { f.Data[20] |= 0x20 },
		"SYN":              func(f *encap.Frame) { f.Data[47] |= 2 },
		"RST":              func(f *encap.Frame) { f.Data[47] |= 4 },
		"TCP header of 16": func(f *encap.Frame) { f.Data[46] = 4 << 4 },
		"no payload": func(f *encap.Frame) {
			f.Data[16], f.Data[17] = 0, 40
		},
		"empty": func(f *encap.Frame) { f.Data = nil },
	} {
		f := good()
		edit(&f)
		if encap.Segment(&f, make([]byte, 4000), func(encap.Frame) { t.Errorf("%s: emitted", name) }) {
			t.Errorf("%s: accepted", name)
		}
	}
	f := good()
	if encap.Segment(&f, make([]byte, 1053), func(encap.Frame) { t.Error("emitted into too little memory") }) {
		t.Error("scratch one byte too short was accepted")
	}
	n := 0
	if !encap.Segment(&f, make([]byte, 1054), func(encap.Frame) { n++ }) || n != 3 {
		t.Errorf("scratch that fits: %d segments", n)
	}
}

// UDP without checksum stays without.
func TestSegmentUDPWithoutChecksum(t *testing.T) {
	f := superframe(t, packet{proto: encap.ProtoUDP, payload: pattern(3000)}, 1000)
	f.Data[40], f.Data[41] = 0, 0
	n := 0
	encap.Segment(&f, make([]byte, 2000), func(s encap.Frame) {
		n++
		if s.Data[40] != 0 || s.Data[41] != 0 {
			t.Errorf("segment %d has a checksum", n)
		}
	})
	if n != 3 {
		t.Errorf("%d segments", n)
	}
}

// RFC 768: a segment whose UDP checksum comes out as 0 says ffff.
func TestSegmentUDPZero(t *testing.T) {
	payload := make([]byte, 4)
	for i := 0; ; i++ {
		if i > 0xffff {
			t.Fatal("no payload makes the checksum 0")
		}
		payload[0], payload[1] = byte(i>>8), byte(i)
		one := build(t, packet{proto: encap.ProtoUDP, payload: payload[:2]})
		in := parse(one)
		one[40], one[41] = 0, 0
		if slowSum(slowPseudo(one, &in, 10), one[34:44]) == 0xffff {
			break
		}
	}
	f := superframe(t, packet{proto: encap.ProtoUDP, payload: payload}, 2)
	var got [][]byte
	encap.Segment(&f, make([]byte, 60), func(s encap.Frame) { got = append(got, bytes.Clone(s.Data[40:42])) })
	if len(got) != 2 || !bytes.Equal(got[0], []byte{0xff, 0xff}) {
		t.Errorf("checksums %x, want the first to be ffff", got)
	}
}

// Trap 1 of a kernel VTEP on the same host: a long frame without metadata.
func TestSegmentOffload(t *testing.T) {
	for name, c := range map[string]struct {
		p    packet
		want encap.Offload
	}{
		"tcp4": {packet{proto: encap.ProtoTCP},
			encap.Offload{Kind: encap.GSOTCPv4, SegSize: 1460, CsumStart: 34, CsumOffset: 16}},
		"tcp4 timestamps and CWR": {packet{proto: encap.ProtoTCP, options: 12, cwr: true},
			encap.Offload{Kind: encap.GSOTCPv4, ECN: true, SegSize: 1448, CsumStart: 34, CsumOffset: 16}},
		"tcp4 vlan": {packet{proto: encap.ProtoTCP, tags: []uint16{3}},
			encap.Offload{Kind: encap.GSOTCPv4, SegSize: 1460, CsumStart: 38, CsumOffset: 16}},
		"tcp6": {packet{proto: encap.ProtoTCP, v6: true},
			encap.Offload{Kind: encap.GSOTCPv6, SegSize: 1440, CsumStart: 54, CsumOffset: 16}},
		"tcp6 hop-by-hop": {packet{proto: encap.ProtoTCP, v6: true, ext: []byte{6, 0, 1, 4, 0, 0, 0, 0}},
			encap.Offload{Kind: encap.GSOTCPv6, SegSize: 1432, CsumStart: 62, CsumOffset: 16}},
		"udp4": {packet{proto: encap.ProtoUDP},
			encap.Offload{Kind: encap.GSOUDP, SegSize: 1472, CsumStart: 34, CsumOffset: 6}},
		"udp6": {packet{proto: encap.ProtoUDP, v6: true},
			encap.Offload{Kind: encap.GSOUDP, SegSize: 1452, CsumStart: 54, CsumOffset: 6}},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.Csum = encap.CsumPartial
			c.p.payload = pattern(9000)
			b := build(t, c.p)
			in := parse(b)
			if o, ok := encap.SegmentOffload(b, &in, 1500); ok {
				t.Errorf("complete checksum, so no superframe: %+v", o)
			}
			in, _ = makePartial(t, b)
			o, ok := encap.SegmentOffload(b, &in, 1500)
			if !ok || o != c.want {
				t.Fatalf("got %+v, %v, want %+v", o, ok, c.want)
			}
			f := encap.Frame{Data: b, Offload: o}
			encap.Segment(&f, make([]byte, 2000), func(s encap.Frame) {
				si := parse(s.Data)
				if si.IPLen > 1500 || encap.ClassifyChecksum(s.Data, &si) != encap.CsumComplete {
					t.Errorf("segment %+v", si)
				}
			})
			if _, ok := encap.SegmentOffload(b, &in, in.IPLen); ok {
				t.Error("a packet that fits the MTU counts as superframe")
			}
			for _, mtu := range []int{0, -1, int(in.L4-in.L3) + 8, 511 + 28} {
				if o, ok := encap.SegmentOffload(b, &in, mtu); ok {
					t.Errorf("MTU %d leaves less room for payload than any host makes use of: %+v", mtu, o)
				}
			}
			padded := append(append([]byte(nil), b...), 0)
			if _, ok := encap.SegmentOffload(padded, &in, 1500); ok {
				t.Error("a byte behind the packet would become payload")
			}
		})
	}
}

func TestSegmentOffloadOther(t *testing.T) {
	b := build(t, packet{icmpType: 8, payload: pattern(3000)})
	in := parse(b)
	if o, ok := encap.SegmentOffload(b, &in, 1500); ok {
		t.Errorf("ICMP: %+v", o)
	}
	syn := build(t, packet{proto: encap.ProtoTCP, syn: true, payload: pattern(3000)})
	in, _ = makePartial(t, syn)
	if o, ok := encap.SegmentOffload(syn, &in, 1500); ok {
		t.Errorf("SYN: %+v", o)
	}
}

func TestSegmentAllocs(t *testing.T) {
	scratch := make([]byte, 2000)
	n := 0
	emit := func(f encap.Frame) { n += len(f.Data) }
	for name, p := range segmentCases {
		p.payload = pattern(20000)
		f := superframe(t, p, 1400)
		in := parse(f.Data)
		wantNoAllocs(t, name, func() {
			if _, ok := encap.SegmentOffload(f.Data, &in, 1500); !ok || !encap.Segment(&f, scratch, emit) {
				t.Error("refused")
			}
		})
	}
}

func FuzzSegment(f *testing.F) {
	for _, p := range segmentCases {
		p.payload = pattern(300)
		fr := superframe(f, p, 100)
		f.Add(fr.Data, uint8(fr.Offload.Kind), fr.Offload.SegSize)
	}
	f.Fuzz(func(t *testing.T, b []byte, kind uint8, size uint16) {
		whole := parse(b)
		before := append([]byte(nil), b...)
		if o, ok := encap.SegmentOffload(b, &whole, int(size)); ok {
			var s encap.Segmenter
			if !s.Init(&encap.Frame{Data: b, Offload: o}) || s.Segments() < 2 || o.SegSize < 512 {
				t.Fatalf("%+v: offered, then refused", o)
			}
		}
		fr := encap.Frame{Data: b, Offload: encap.Offload{Kind: encap.GSOKind(kind), SegSize: size}}
		var s encap.Segmenter
		if !s.Init(&fr) {
			return
		}
		want, largest, headers := s.Segments(), s.LargestFrame(), s.HeaderLen()
		if want > encap.MaxSegments {
			t.Fatalf("one frame becomes %d", want)
		}
		var joined []byte
		n := 0
		if !encap.Segment(&fr, make([]byte, largest), func(seg encap.Frame) {
			n++
			in := parse(seg.Data)
			joined = append(joined, seg.Data[headers:]...)
			if int(in.L3)+in.IPLen != len(seg.Data) || in.L4 != whole.L4 || len(seg.Data) > largest {
				t.Fatalf("segment %d of %d bytes: %+v", n, len(seg.Data), in)
			}
			if c := encap.ClassifyChecksum(seg.Data, &in); c != encap.CsumComplete && c != encap.CsumNone {
				t.Fatalf("segment %d: checksum %v", n, c)
			}
			if in.IPVersion == 4 && slowSum(seg.Data[in.L3:in.L4]) != 0xffff {
				t.Fatalf("segment %d: wrong IPv4 header checksum", n)
			}
		}) {
			t.Fatal("refused with enough memory")
		}
		if n != want || !bytes.Equal(joined, b[headers:int(whole.L3)+whole.IPLen]) || !bytes.Equal(b, before) {
			t.Fatalf("%d segments, want %d; payload or superframe changed", n, want)
		}
	})
}

// TestMostSegments: a superframe of more frames than the kernel makes of one is cut
// by nobody.
func TestMostSegments(t *testing.T) {
	for _, p := range []packet{{proto: encap.ProtoUDP}, {proto: encap.ProtoTCP, v6: true}} {
		for _, size := range []int{1, 18, 500} {
			for extra, want := range []bool{true, false} {
				p.payload = pattern(size*encap.MaxSegments + extra)
				f := superframe(t, p, size)
				var s encap.Segmenter
				if got := s.Init(&f); got != want {
					t.Errorf("%d bytes by %d: %v, want %v", len(p.payload), size, got, want)
				}
			}
		}
	}
}

// TestNoGuessOfTinySegments: long extension headers leave a guess no room, which
// would make thousands of frames of one datagram.
func TestNoGuessOfTinySegments(t *testing.T) {
	const mtu = 1450
	options := make([]byte, 8*171) // one destination options header of 1,368 bytes
	options[0], options[1] = encap.ProtoUDP, 170
	b := build(t, packet{proto: encap.ProtoUDP, v6: true, ext: options, payload: pattern(60_000)})
	in, _ := makePartial(t, b)
	if in.L4 == 0 {
		t.Fatal("the headers do not parse: this shows nothing")
	}
	if o, ok := encap.SegmentOffload(b, &in, mtu); ok {
		t.Errorf("a datagram of %d bytes was taken for %d frames", len(b), (len(b)-int(in.L4)-8)/int(o.SegSize))
	}
}
