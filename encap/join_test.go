package encap_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// join runs frames through a Joiner as a worker does, and gives the result in
// memory of its own: the same with Extend's short cut as without.
func join(frames [][]byte) []encap.Frame {
	long := joinBy(clones(frames), false)
	short := joinBy(frames, true)
	if !reflect.DeepEqual(long, short) {
		panic(fmt.Sprintf("Extend and Add differ: %d frames with, %d without", len(short), len(long)))
	}
	return short
}

func joinBy(frames [][]byte, extend bool) []encap.Frame {
	var j encap.Joiner
	var all []encap.Frame
	out, n := make([]encap.Frame, len(frames)), 0
	deliver := func() {
		j.Finish(out[:n])
		for _, f := range out[:n] {
			more := make([][]byte, len(f.More))
			copy(more, f.More)
			if f.More != nil {
				f.More = more
			}
			all = append(all, f)
		}
		n = 0
	}
	ends := false
	for _, b := range frames {
		if extend && ends && j.Extend(out[:n], b) {
			continue
		}
		in := encap.ParseInner(b)
		if n, ends = j.Add(out, n, encap.Frame{Data: b}, &in); j.Full() {
			deliver()
		}
	}
	deliver()
	return all
}

// flat is f in one piece.
func flat(f encap.Frame) encap.Frame {
	f.Data = bytes.Clone(f.Data)
	for _, b := range f.More {
		f.Data = append(f.Data, b...)
	}
	f.More = nil
	return f
}

// cut is what f stands for, as frames of their own.
func cut(t testing.TB, f encap.Frame) [][]byte {
	t.Helper()
	f = flat(f)
	if f.Offload.Kind == encap.GSONone {
		return [][]byte{f.Data}
	}
	var out [][]byte
	if !encap.Segment(&f, make([]byte, 1<<16), func(s encap.Frame) { out = append(out, bytes.Clone(s.Data)) }) {
		t.Fatalf("a joined frame of %d bytes cannot be cut: %+v", len(f.Data), f.Offload)
	}
	return out
}

// segments are the frames of one superframe of payload bytes.
func segments(t testing.TB, p packet, payload, size int) [][]byte {
	t.Helper()
	p.payload = pattern(payload)
	return cut(t, superframe(t, p, size))
}

func clones(frames [][]byte) [][]byte {
	out := make([][]byte, len(frames))
	for i := range frames {
		out[i] = bytes.Clone(frames[i])
	}
	return out
}

// TestJoin: what segmentation took apart comes back as one, and cutting it
// again gives the same bytes.
func TestJoin(t *testing.T) {
	for name, p := range map[string]packet{
		"tcp4":         {proto: encap.ProtoTCP, psh: true},
		"tcp4 options": {proto: encap.ProtoTCP, options: 12, fin: true},
		"tcp6":         {v6: true, proto: encap.ProtoTCP},
		"tcp4 vlan":    {proto: encap.ProtoTCP, tags: []uint16{7}},
		"tcp4 no df":   {proto: encap.ProtoTCP, noDF: true, id: 0xfffe},
		"udp4":         {proto: encap.ProtoUDP},
		"udp6":         {v6: true, proto: encap.ProtoUDP},
	} {
		t.Run(name, func(t *testing.T) {
			in := segments(t, p, 30_000, 1400)
			got := join(clones(in))
			if len(got) != 1 {
				t.Fatalf("%d segments became %d frames, want 1", len(in), len(got))
			}
			if o := got[0].Offload; o.SegSize != 1400 || o.Csum != encap.CsumPartial || o.Kind == encap.GSONone {
				t.Errorf("offload %+v", o)
			}
			if len(got[0].More) != len(in)-1 {
				t.Errorf("%d pieces, want %d", len(got[0].More), len(in)-1)
			}
			again := cut(t, got[0])
			if len(again) != len(in) {
				t.Fatalf("cut again: %d segments, want %d", len(again), len(in))
			}
			for i := range in {
				if !bytes.Equal(again[i], in[i]) {
					t.Errorf("segment %d:\n%x\nwant\n%x", i, again[i], in[i])
				}
			}
		})
	}
}

// TestJoinRefuses: segments that do not follow stay frames of their own, bytes
// unchanged.
func TestJoinRefuses(t *testing.T) {
	const l3, l4 = 14, 34
	for name, change := range map[string]func(segs [][]byte){
		"payload corrupted": func(s [][]byte) { s[1][len(s[1])-1] ^= 1 },
		"first corrupted":   func(s [][]byte) { s[0][len(s[0])-1] ^= 1 },
		"IP checksum":       func(s [][]byte) { s[1][l3+10] ^= 1 },
		"first IP checksum": func(s [][]byte) { s[0][l3+10] ^= 1 },
		"swapped":           func(s [][]byte) { s[0], s[1] = s[1], s[0] },
		"other MAC":         func(s [][]byte) { s[1][0] ^= 2 },
	} {
		t.Run(name, func(t *testing.T) {
			in := segments(t, packet{proto: encap.ProtoTCP}, 2800, 1400)
			change(in)
			got := join(clones(in))
			if len(got) != 2 {
				t.Fatalf("2 segments became %d frames", len(got))
			}
			for i := range in {
				if !bytes.Equal(got[i].Data, in[i]) || got[i].More != nil || got[i].Offload != (encap.Offload{}) {
					t.Errorf("frame %d was changed", i)
				}
			}
		})
	}
	// Headers that differ with all checksums right.
	base := packet{proto: encap.ProtoTCP, payload: pattern(1400), seq: 1}
	for name, change := range map[string]func(*packet){
		"tos":    func(p *packet) { p.tos = 8 },
		"ttl":    func(p *packet) { p.ttl = 9 },
		"gap":    func(p *packet) { p.seq++ },
		"cwr":    func(p *packet) { p.cwr = true },
		"larger": func(p *packet) { p.payload = pattern(1401) },
		"syn":    func(p *packet) { p.syn = true },
	} {
		t.Run(name, func(t *testing.T) {
			next := base
			next.seq += 1400
			change(&next)
			if got := join([][]byte{build(t, base), build(t, next)}); len(got) != 2 {
				t.Errorf("2 frames became %d", len(got))
			}
		})
	}
	t.Run("udp without checksum", func(t *testing.T) {
		p := packet{proto: encap.ProtoUDP, payload: pattern(100)}
		b := build(t, p)
		b[l4+6], b[l4+7] = 0, 0
		if got := join([][]byte{b, bytes.Clone(b)}); len(got) != 2 {
			t.Errorf("2 frames became %d", len(got))
		}
	})
}

// TestJoinRandom: several flows mixed at random, with strangers between them.
// Cut again, each flow's frames come out as they went in, in order.
func TestJoinRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		var flows [][][]byte
		for f := range 1 + rng.IntN(20) {
			p := packet{proto: encap.ProtoTCP, sport: uint16(1000 + f), seq: rng.Uint32(), v6: rng.IntN(2) == 0, psh: rng.IntN(2) == 0, noDF: rng.IntN(2) == 0}
			if rng.IntN(3) == 0 {
				p.proto = encap.ProtoUDP
			}
			size := 100 + rng.IntN(1400)
			frames := segments(t, p, size+1+rng.IntN(min(20_000, 100*size)), size)
			for i := range frames {
				if rng.IntN(20) == 0 {
					frames[i][rng.IntN(len(frames[i])-20)+20] ^= 1 << rng.IntN(8)
				}
			}
			flows = append(flows, frames)
		}
		var in [][]byte
		for left := true; left; {
			left = false
			for f := range flows {
				n := min(rng.IntN(10), len(flows[f]))
				in = append(in, flows[f][:n]...)
				flows[f] = flows[f][n:]
				left = left || len(flows[f]) > 0
			}
		}
		want := map[uint32][][]byte{}
		for _, b := range in {
			p := encap.ParseInner(b)
			h := encap.FlowHash(b, &p)
			want[h] = append(want[h], b)
		}
		got := map[uint32][][]byte{}
		for _, f := range join(clones(in)) {
			for _, b := range cut(t, f) {
				p := encap.ParseInner(b)
				h := encap.FlowHash(b, &p)
				got[h] = append(got[h], b)
			}
		}
		for h := range want {
			if len(got[h]) != len(want[h]) {
				t.Fatalf("flow %x: %d frames, want %d", h, len(got[h]), len(want[h]))
			}
			for i := range want[h] {
				if !bytes.Equal(withoutID(got[h][i]), withoutID(want[h][i])) {
					t.Fatalf("flow %x, frame %d:\n%x\nwant\n%x", h, i, got[h][i], want[h][i])
				}
			}
		}
	}
}

// withoutID is b without an IPv4 id that means nothing, as it does beside DF (RFC
// 6864 section 4.1), and without the header checksum that goes with it.
func withoutID(b []byte) []byte {
	in := encap.ParseInner(b)
	if in.IPVersion != 4 || !in.DF || encap.Sum(b[in.L3:in.L3+20]) != 0xffff {
		return b
	}
	b = bytes.Clone(b)
	copy(b[in.L3+4:], []byte{0, 0})
	copy(b[in.L3+10:], []byte{0, 0})
	return b
}

func TestJoinAllocs(t *testing.T) {
	in := segments(t, packet{proto: encap.ProtoTCP}, 30_000, 1400)
	var j encap.Joiner
	out := make([]encap.Frame, len(in))
	wantNoAllocs(t, "join", func() {
		n := 0
		for _, b := range in {
			p := encap.ParseInner(b)
			n, _ = j.Add(out, n, encap.Frame{Data: b}, &p)
		}
		j.Finish(out[:n])
	})
}

func BenchmarkJoin(b *testing.B) {
	for name, p := range map[string]packet{"tcp4": {proto: encap.ProtoTCP}, "tcp6": {proto: encap.ProtoTCP, v6: true}} {
		b.Run(name, func(b *testing.B) {
			p.payload = pattern(44 * 1400)
			f := superframe(b, p, 1400)
			var in [][]byte
			encap.Segment(&f, make([]byte, 1<<16), func(s encap.Frame) { in = append(in, bytes.Clone(s.Data)) })
			head := bytes.Clone(in[0])
			var j encap.Joiner
			out := make([]encap.Frame, len(in))
			b.SetBytes(44 * 1400)
			b.ReportAllocs()
			for b.Loop() {
				copy(in[0], head)
				n := 0
				for _, s := range in {
					if j.Extend(out[:n], s) {
						continue
					}
					q := encap.ParseInner(s)
					n, _ = j.Add(out, n, encap.Frame{Data: s}, &q)
				}
				j.Finish(out[:n])
			}
		})
	}
}

// TestAddSaysWhetherExtendMayFollow: behind a frame that is the end of no
// superframe Extend would go on with that of another flow.
func TestAddSaysWhetherExtendMayFollow(t *testing.T) {
	flow := segments(t, packet{proto: encap.ProtoUDP}, 4200, 1400)
	other := segments(t, packet{proto: encap.ProtoTCP, psh: true}, 2800, 1400)[1]
	noChecksum := bytes.Clone(segments(t, packet{v6: true, proto: encap.ProtoUDP}, 2800, 1400)[0])
	in := encap.ParseInner(noChecksum)
	clear(noChecksum[in.L4+6 : in.L4+8])
	arp := append(bytes.Clone(flow[0][:12]), 8, 6, 0, 1)
	for name, tt := range map[string]struct {
		frame []byte
		ends  bool
	}{
		"next segment":       {flow[1], true},
		"other flow":         {other, true}, // of one that may not go on, which Extend sees
		"no checksum":        {noChecksum, false},
		"no transport":       {arp, false},
		"trailing bytes":     {append(bytes.Clone(flow[1]), 0), false},
		"out of the network": {flow[1][:20], false},
	} {
		var j encap.Joiner
		out := make([]encap.Frame, 4)
		add := func(n int, b []byte) (int, bool) {
			in := encap.ParseInner(b)
			return j.Add(out, n, encap.Frame{Data: bytes.Clone(b)}, &in)
		}
		n, ends := add(0, flow[0])
		if !ends {
			t.Fatalf("%s: the first segment ends no superframe", name)
		}
		if n, ends = add(n, tt.frame); ends != tt.ends {
			t.Errorf("%s: ends is %v, want %v", name, ends, tt.ends)
		}
		if name == "other flow" && j.Extend(out[:n], bytes.Clone(flow[1])) {
			t.Errorf("%s: a segment was joined to a flow that is not the last one's", name)
		}
	}
	// Where no superframe can begin any more, the frame ends none.
	var j encap.Joiner
	out := make([]encap.Frame, 66)
	n, ends := 0, false
	for i := range byte(64) {
		b := bytes.Clone(flow[0])
		b[6+5] = i // a flow is a MAC's
		b[34], b[35] = 4, i
		b[40], b[41] = 1, 1
		in := encap.ParseInner(b)
		n, ends = j.Add(out, n, encap.Frame{Data: b}, &in)
	}
	if !ends || j.Full() {
		t.Fatalf("64 flows: ends %v, full %v", ends, j.Full())
	}
	in = encap.ParseInner(other)
	if _, ends = j.Add(out, n, encap.Frame{Data: other}, &in); ends {
		t.Error("a frame that found no place ends a superframe")
	}
	if !j.Full() {
		t.Error("it does not say that it is full")
	}
	if j.Finish(out[:n+1]); j.Full() {
		t.Error("it is full after Finish")
	}
}
