package encap

import (
	"bytes"
	"net/netip"
	"testing"
)

// arpBytes is an ARP request on Ethernet.
func arpBytes(from, to string) []byte {
	b := append(bytes.Repeat([]byte{0xff}, 6), 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1)
	b = append(b, netip.MustParseAddr(from).AsSlice()...)
	return append(append(b, 0, 0, 0, 0, 0, 0), netip.MustParseAddr(to).AsSlice()...)
}

// solicitBytes is a neighbour solicitation with these options.
func solicitBytes(from, to string, options ...byte) []byte {
	b := []byte{0x33, 0x33, 0xff, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd,
		0x6c, 0x0f, 0xff, 0xff, 0, byte(24 + len(options)), 58, 255}
	b = append(b, netip.MustParseAddr(from).AsSlice()...)
	b = append(b, netip.MustParseAddr("ff02::1:ff00:2").AsSlice()...)
	b = append(append(b, 135, 0, 0, 0, 0, 0, 0, 0), netip.MustParseAddr(to).AsSlice()...)
	return append(b, options...)
}

func TestParseQuestion(t *testing.T) {
	edit := func(b []byte, at int, v byte) []byte {
		b[at] = v
		return b
	}
	sourceLL := []byte{1, 1, 2, 0, 0, 0, 0, 9}
	for _, tt := range []struct {
		what   string
		b      []byte
		target string // "": no question
		mac    MAC
	}{
		{"ARP", arpBytes("198.51.100.1", "198.51.100.2"), "198.51.100.2", MAC{2, 0, 0, 0, 0, 1}},
		{"IEEE 802", edit(arpBytes("198.51.100.1", "198.51.100.2"), 15, 6), "198.51.100.2", MAC{2, 0, 0, 0, 0, 1}},
		{"gratuitous", arpBytes("198.51.100.2", "198.51.100.2"), "", MAC{}},
		{"probe", arpBytes("0.0.0.0", "198.51.100.2"), "", MAC{}},
		{"reply", edit(arpBytes("198.51.100.1", "198.51.100.2"), 21, 2), "", MAC{}},
		{"loopback", arpBytes("198.51.100.1", "127.0.0.1"), "", MAC{}},
		{"multicast", arpBytes("198.51.100.1", "239.1.1.1"), "", MAC{}},
		{"cut", arpBytes("198.51.100.1", "198.51.100.2")[:41], "", MAC{}},
		{"hardware length", edit(arpBytes("198.51.100.1", "198.51.100.2"), 18, 8), "", MAC{}},
		{"solicitation", solicitBytes("2001:db8::1", "2001:db8::2", sourceLL...), "2001:db8::2", MAC{2, 0, 0, 0, 0, 9}},
		{"without option", solicitBytes("2001:db8::1", "2001:db8::2"), "2001:db8::2", MAC{2, 0, 0, 0, 0, 1}},
		{"another option first", solicitBytes("2001:db8::1", "2001:db8::2", append([]byte{14, 1, 0, 0, 0, 0, 0, 0}, sourceLL...)...), "2001:db8::2", MAC{2, 0, 0, 0, 0, 9}},
		{"option of length 0", solicitBytes("2001:db8::1", "2001:db8::2", 1, 0, 2, 0, 0, 0, 0, 9), "", MAC{}},
		{"option too long", solicitBytes("2001:db8::1", "2001:db8::2", 14, 2, 2, 0, 0, 0, 0, 9), "", MAC{}},
		{"address detection", solicitBytes("::", "2001:db8::2"), "", MAC{}},
		{"hop limit", edit(solicitBytes("2001:db8::1", "2001:db8::2"), 21, 64), "", MAC{}},
		{"code", edit(solicitBytes("2001:db8::1", "2001:db8::2"), 55, 1), "", MAC{}},
		{"multicast target", solicitBytes("2001:db8::1", "ff02::1"), "", MAC{}},
	} {
		in := ParseInner(tt.b)
		q, ok := ParseQuestion(tt.b, &in)
		if ok != (tt.target != "") {
			t.Errorf("%s: a question: %v", tt.what, ok)
		}
		if ok && (q.Target != AddrFrom(netip.MustParseAddr(tt.target)) || q.mac != tt.mac) {
			t.Errorf("%s: %+v", tt.what, q)
		}
	}
}

func TestAppendAnswer(t *testing.T) {
	far := MAC{2, 0, 0, 0, 0, 0x10}
	b := arpBytes("198.51.100.1", "198.51.100.2")
	in := ParseInner(b)
	q, _ := ParseQuestion(b, &in)
	want := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x10, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2,
		2, 0, 0, 0, 0, 0x10, 198, 51, 100, 2, 2, 0, 0, 0, 0, 1, 198, 51, 100, 1}
	if got := q.Append(nil, far, true, true); !bytes.Equal(got, want) {
		t.Errorf("ARP: %x, want %x", got, want)
	}
	b = solicitBytes("2001:db8::1", "2001:db8::2")
	in = ParseInner(b)
	q, _ = ParseQuestion(b, &in)
	for n := range 4 {
		router, override := n&1 != 0, n&2 != 0
		got := q.Append(make([]byte, 0, MaxAnswerLen), far, router, override)
		if len(got) != MaxAnswerLen {
			t.Errorf("%d bytes, want %d", len(got), MaxAnswerLen)
		}
		in = ParseInner(got)
		if in.Proto != ProtoICMPv6 || in.TTL != 255 || in.TOS != 0xc0 || in.IPLen != 72 || got[58]&0x80 != 0 != router || got[58]&0x20 != 0 != override || got[58]&0x40 == 0 {
			t.Errorf("router %v, override %v: %x, %+v", router, override, got, in)
		}
		if foldSum(addBytes(addPseudo(got, &in, 32), got[54:])) != 0xffff {
			t.Errorf("router %v: the checksum is wrong", router)
		}
	}
}

func FuzzParseQuestion(f *testing.F) {
	f.Add(arpBytes("198.51.100.1", "198.51.100.2"))
	f.Add(solicitBytes("2001:db8::1", "2001:db8::2", 1, 1, 2, 0, 0, 0, 0, 9))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := ParseInner(b)
		if q, ok := ParseQuestion(b, &in); ok {
			if n := len(q.Append(nil, MAC{2}, false, true)); n > MaxAnswerLen {
				t.Errorf("an answer of %d bytes", n)
			}
		}
	})
}
