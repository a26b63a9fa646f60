package encap_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/uvtep/uvtep/encap"
)

func parse(b []byte) encap.Inner { return encap.ParseInner(b) }

func diffInner(want, got encap.Inner) string {
	return cmp.Diff(want, got, cmpopts.IgnoreUnexported(encap.Inner{}))
}

func TestParseInner(t *testing.T) {
	payload := pattern(100)
	for name, c := range map[string]struct {
		p    packet
		want encap.Inner
	}{
		"tcp4": {
			packet{proto: encap.ProtoTCP, tos: 0xb9, ttl: 17},
			encap.Inner{EtherType: 0x0800, L3: 14, L4: 34, IPVersion: 4, Proto: 6, TOS: 0xb9, TTL: 17, DF: true, IPLen: 140},
		},
		"udp4 without DF": {
			packet{proto: encap.ProtoUDP, noDF: true},
			encap.Inner{EtherType: 0x0800, L3: 14, L4: 34, IPVersion: 4, Proto: 17, TTL: 64, IPLen: 128},
		},
		"udp4 one tag": {
			packet{proto: encap.ProtoUDP, tags: []uint16{4094}},
			encap.Inner{EtherType: 0x0800, Tags: 1, VID: 4094, L3: 18, L4: 38, IPVersion: 4, Proto: 17, TTL: 64, DF: true, IPLen: 128},
		},
		"tcp6 two tags": {
			packet{v6: true, proto: encap.ProtoTCP, tags: []uint16{10, 20}, tos: 0xa7},
			encap.Inner{EtherType: 0x86dd, Tags: 2, VID: 10, L3: 22, L4: 62, IPVersion: 6, Proto: 6, TOS: 0xa7, TTL: 64, DF: true, IPLen: 160},
		},
		"udp4 three tags": {
			packet{proto: encap.ProtoUDP, tags: []uint16{1, 2, 3}},
			encap.Inner{EtherType: 0x8100, Tags: 2, VID: 1, L3: 22},
		},
		"icmp6": {
			packet{v6: true, icmpType: 135},
			encap.Inner{EtherType: 0x86dd, L3: 14, L4: 54, IPVersion: 6, Proto: 58, TTL: 64, DF: true, IPLen: 144},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.p.payload = payload
			if d := diffInner(c.want, parse(build(t, c.p))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseInnerServiceTag(t *testing.T) {
	b := build(t, packet{proto: encap.ProtoUDP, tags: []uint16{10, 20}})
	binary.BigEndian.PutUint16(b[12:], encap.EtherTypeQinQ)
	if in := parse(b); in.Tags != 2 || in.VID != 10 || in.IPVersion != 4 {
		t.Errorf("802.1ad frame: %+v", in)
	}
}

func TestParseInnerExtensions(t *testing.T) {
	hbh := []byte{60, 0, 1, 4, 0, 0, 0, 0}                           // hop-by-hop, PadN, then destination options
	opts := []byte{17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} // 16 bytes
	auth := []byte{17, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}              // 12 + 12 bytes
	frag := func(w uint16) []byte { return []byte{17, 0, byte(w >> 8), byte(w), 0, 0, 0, 9} }
	for name, c := range map[string]struct {
		first   uint8
		ext     []byte
		l4, off uint16
		proto   uint8
		frag    bool
	}{
		"hop-by-hop and destination": {0, append(hbh, opts...), 54 + 24, 0, 17, false},
		"authentication":             {51, append(auth, make([]byte, 12)...), 54 + 24, 0, 17, false},
		"first fragment":             {44, frag(1), 62, 0, 17, true},
		"later fragment":             {44, frag(185<<3 | 1), 0, 1480, 17, true},
		"last fragment":              {44, frag(185 << 3), 0, 1480, 17, true},
		"atomic fragment":            {44, frag(0), 62, 0, 17, false},
		"reserved fragment bits":     {44, frag(6), 62, 0, 17, false},
		"no next header":             {59, []byte{}, 0, 0, 59, false},
		"longer than the packet":     {60, []byte{17, 255, 0, 0, 0, 0, 0, 0}, 0, 0, 60, false},
	} {
		t.Run(name, func(t *testing.T) {
			in := parse(build(t, packet{v6: true, proto: encap.ProtoUDP, ext: c.ext, extFirst: c.first, payload: pattern(50)}))
			if in.L4 != c.l4 || in.Proto != c.proto || in.Fragment != c.frag || in.FragOffset != c.off || in.IPVersion != 6 {
				t.Errorf("got %+v, want L4 %d, protocol %d, fragment %v at %d", in, c.l4, c.proto, c.frag, c.off)
			}
		})
	}
}

func TestParseInnerExtensionLimit(t *testing.T) {
	for n, want := range map[int]uint16{1: 62, 8: 54 + 64, 9: 0, 30: 0} {
		var ext []byte
		for i := range n {
			h := []byte{60, 0, 1, 4, 0, 0, 0, 0}
			if i == n-1 {
				h[0] = encap.ProtoUDP
			}
			ext = append(ext, h...)
		}
		if in := parse(build(t, packet{v6: true, proto: encap.ProtoUDP, ext: ext, extFirst: 60})); in.L4 != want {
			t.Errorf("%d extension headers: L4 = %d, want %d", n, in.L4, want)
		}
	}
}

func TestParseInnerIPv4Fragments(t *testing.T) {
	for _, c := range []struct {
		word     uint16
		fragment bool
		df       bool
		l4       uint16
	}{
		{0x4000, false, true, 34},
		{0x0000, false, false, 34},
		{0x2000, true, false, 34}, // first
		{0x20b9, true, false, 0},  // middle
		{0x00b9, true, false, 0},  // last
		{0x8000, false, false, 34},
	} {
		b := build(t, packet{proto: encap.ProtoUDP, payload: pattern(64)})
		binary.BigEndian.PutUint16(b[20:], c.word)
		in := parse(b)
		if in.Fragment != c.fragment || in.DF != c.df || in.L4 != c.l4 || in.FragOffset != c.word&0x1fff*8 {
			t.Errorf("flags %#04x: %+v", c.word, in)
		}
	}
}

// A sound frame cut anywhere, and headers that contradict themselves.
func TestParseInnerHostile(t *testing.T) {
	for name, whole := range flows(t, 40) {
		full := parse(whole)
		for n := range whole {
			in := parse(whole[:n:n])
			checkInner(t, whole[:n:n], in)
			if in.IPVersion != 0 && in.IPLen != full.IPLen {
				t.Errorf("%s cut to %d: IPLen %d, want %d", name, n, in.IPLen, full.IPLen)
			}
			if n >= int(full.L4)+20 && in.L4 != full.L4 {
				t.Errorf("%s cut to %d: L4 = %d, want %d", name, n, in.L4, full.L4)
			}
		}
	}
	for name, edit := range map[string]func(b []byte){
		"version 5":             func(b []byte) { b[14] = 0x55 },
		"header of 16 bytes":    func(b []byte) { b[14] = 0x44 },
		"header past the frame": func(b []byte) { b[14] = 0x4f },
		"total below header":    func(b []byte) { b[16], b[17] = 0, 19 },
	} {
		b := build(t, packet{proto: encap.ProtoUDP})
		edit(b)
		if in := parse(b); in.IPVersion != 0 || in.L4 != 0 || in.L3 != 14 || in.EtherType != 0x0800 {
			t.Errorf("%s: %+v", name, in)
		}
	}
}

// An extension header that the end of the frame cuts, each kind.
func TestParseInnerExtensionCut(t *testing.T) {
	for _, proto := range []uint8{0, 43, 44, 51, 60, 135, 139, 140} {
		b := build(t, packet{v6: true, proto: encap.ProtoUDP, ext: make([]byte, 8), extFirst: proto})
		for n := 54; n < 62; n++ {
			if in := parse(b[:n]); in.L4 != 0 || in.Proto != proto || in.IPVersion != 6 {
				t.Errorf("header %d cut to %d bytes: %+v", proto, n-54, in)
			}
		}
	}
}

// L4 tells that the fixed part of the header is there: to the byte.
func TestParseInnerTransportCut(t *testing.T) {
	for proto, need := range map[uint8]int{
		encap.ProtoICMP: 8, encap.ProtoTCP: 20, encap.ProtoUDP: 8, encap.ProtoUDPLite: 8,
		encap.ProtoDCCP: 12, encap.ProtoSCTP: 12, encap.ProtoICMPv6: 4, 47: 1, 50: 1,
	} {
		b := build(t, packet{proto: encap.ProtoTCP, payload: pattern(40)})
		b[23] = proto
		if in := parse(b[:34+need]); in.L4 != 34 {
			t.Errorf("protocol %d with %d bytes: L4 = %d", proto, need, in.L4)
		}
		if in := parse(b[:34+need-1]); in.L4 != 0 {
			t.Errorf("protocol %d with %d bytes: L4 = %d, want 0", proto, need-1, in.L4)
		}
	}
}

func TestParseInnerOther(t *testing.T) {
	arp := make([]byte, 60)
	copy(arp[12:], []byte{0x08, 0x06})
	if d := diffInner(encap.Inner{EtherType: encap.EtherTypeARP, L3: 14}, parse(arp)); d != "" {
		t.Error(d)
	}
	if d := diffInner(encap.Inner{EtherType: encap.EtherTypeVLAN, Tags: 1}, parse(append(make([]byte, 12), 0x81, 0, 0))); d != "" {
		t.Errorf("tag cut: %s", d)
	}
	if d := diffInner(encap.Inner{}, parse(make([]byte, 13))); d != "" {
		t.Errorf("13 bytes: %s", d)
	}
}

// Padding to the Ethernet minimum is no part of the packet.
func TestParseInnerPadding(t *testing.T) {
	b := build(t, packet{proto: encap.ProtoUDP, payload: pattern(3)})
	b = append(b, make([]byte, 60-len(b))...)
	if in := parse(b); in.IPLen != 31 || in.L4 != 34 {
		t.Errorf("padded frame: %+v", in)
	}
	short := build(t, packet{proto: encap.ProtoTCP})
	binary.BigEndian.PutUint16(short[16:], 30)
	if in := parse(short); in.L4 != 0 {
		t.Errorf("a TCP header that reaches into the padding: %+v", in)
	}
}

// checkInner holds what users of Inner rely on for any input.
func checkInner(t *testing.T, b []byte, in encap.Inner) {
	t.Helper()
	switch {
	case int(in.L3) > len(b), in.Tags > 2, in.VID > 0xfff,
		in.IPVersion != 0 && in.IPVersion != 4 && in.IPVersion != 6,
		in.IPVersion == 0 && (in.L4 != 0 || in.IPLen != 0 || in.Fragment),
		in.IPVersion == 4 && (int(in.L3)+20 > len(b) || in.IPLen < 20),
		in.IPVersion == 6 && (int(in.L3)+40 > len(b) || in.IPLen < 40 || !in.DF),
		in.L4 != 0 && (int(in.L4) >= len(b) || int(in.L4) >= int(in.L3)+in.IPLen || in.L4 < in.L3+20 || in.FragOffset != 0),
		in.L4 != 0 && in.Proto == encap.ProtoTCP && int(in.L4)+20 > len(b),
		in.L4 != 0 && in.Proto == encap.ProtoUDP && int(in.L4)+8 > len(b),
		in.FragOffset != 0 && !in.Fragment:
		t.Fatalf("unsound parse of %x: %+v", b, in)
	}
}

func TestParseInnerAllocs(t *testing.T) {
	for name, b := range flows(t, 40) {
		wantNoAllocs(t, name, func() {
			if in := parse(b); in.IPVersion == 0 {
				t.Error("no IP")
			}
		})
	}
}

func FuzzParseInner(f *testing.F) {
	for _, b := range flows(f, 20) {
		f.Add(b)
	}
	f.Add(build(f, packet{v6: true, proto: encap.ProtoUDP, extFirst: 43, ext: append([]byte{17, 2, 4, 1, 0, 0, 0, 0}, dst6...)}))
	f.Add(build(f, packet{v6: true, proto: encap.ProtoUDP, extFirst: 44, ext: []byte{17, 0, 0, 1, 0, 0, 0, 9}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := parse(b)
		checkInner(t, b, in)
		if again := parse(b); again != in {
			t.Fatalf("two parses differ: %+v, %+v", in, again)
		}
		// Whatever takes an Inner copes with it.
		hash := encap.FlowHash(b, &in)
		if again := encap.FlowHash(bytes.Clone(b), &in); again != hash {
			t.Fatal("hash is not stable")
		}
		answer, ok := encap.AppendFragNeeded(nil, b, &in, 1400, dstMAC)
		if ok {
			ai := parse(answer)
			checkInner(t, answer, ai)
			if len(answer) > encap.MaxFragNeededLen || ai.IPVersion != in.IPVersion {
				t.Fatalf("answer of %d bytes: %+v", len(answer), ai)
			}
			if _, ok := encap.AppendFragNeeded(nil, answer, &ai, 1300, srcMAC); ok {
				t.Fatal("an ICMP error is answered with another")
			}
		}
		encap.SetInnerECN(b, &in, 3)
		if after := parse(b); in.IPVersion != 0 && after != in {
			t.Fatalf("SetInnerECN changed more than the TOS: %+v, %+v", in, after)
		}
	})
}
