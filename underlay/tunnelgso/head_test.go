package tunnelgso

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// tcpFrame is an Ethernet frame of TCP over IPv4 with n bytes of payload, 500 a segment.
func tcpFrame(n int) encap.Frame {
	b := make([]byte, ethernetLen+ipv4Len+20+n)
	binary.BigEndian.PutUint16(b[12:], encap.EtherTypeIPv4)
	ip := b[ethernetLen:]
	ip[0], ip[8], ip[9] = 0x45, 64, encap.ProtoTCP
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	ip[ipv4Len+12] = 5 << 4
	return encap.Frame{Data: b, Offload: encap.Offload{
		Kind: encap.GSOTCPv4, Csum: encap.CsumPartial, SegSize: 500, CsumStart: ethernetLen + ipv4Len, CsumOffset: tcpCsum}}
}

// TestWhole: only what the kernel cuts as the sender does leaves whole.
func TestWhole(t *testing.T) {
	for what, change := range map[string]func(*encap.Frame){
		"":                        func(*encap.Frame) {},
		"an ordinary frame":       func(f *encap.Frame) { f.Offload = encap.Offload{} },
		"UDP":                     func(f *encap.Frame) { f.Offload.Kind = encap.GSOUDP },
		"another IP version":      func(f *encap.Frame) { f.Offload.Kind = encap.GSOTCPv6 },
		"a complete checksum":     func(f *encap.Frame) { f.Offload.Csum = encap.CsumUnknown },
		"in pieces":               func(f *encap.Frame) { f.More = [][]byte{{1}} },
		"one segment":             func(f *encap.Frame) { f.Offload.SegSize = 2000 },
		"no segment size":         func(f *encap.Frame) { f.Offload.SegSize = 0 },
		"too many segments":       func(f *encap.Frame) { f.Offload.SegSize = 1 },
		"a checksum elsewhere":    func(f *encap.Frame) { f.Offload.CsumStart++ },
		"a checksum of UDP":       func(f *encap.Frame) { f.Offload.CsumOffset = 6 },
		"bytes behind the packet": func(f *encap.Frame) { f.Data = append(f.Data, 0) },
		"a packet cut short":      func(f *encap.Frame) { f.Data = f.Data[:len(f.Data)-1] },
		"a SYN":                   func(f *encap.Frame) { f.Data[ethernetLen+ipv4Len+13] = 2 },
		"headers beyond the end":  func(f *encap.Frame) { f.Data[ethernetLen+ipv4Len+12] = 4 << 4 },
		"a fragment":              func(f *encap.Frame) { f.Data[ethernetLen+6] = 0x20 },
		"a VLAN tag": func(f *encap.Frame) {
			f.Data = append(append(append([]byte{}, f.Data[:12]...), 0x81, 0, 0, 7), f.Data[12:]...)
			f.Offload.CsumStart += 4
		},
	} {
		p := encap.Packet{Frame: tcpFrame(1700)}
		change(&p.Frame)
		s, ok := whole(&p)
		if ok != (what == "") {
			t.Errorf("%q: %v", what, ok)
		}
		if want := (superframe{l3: ethernetLen, l4: 34, headers: 54}); ok && s != want {
			t.Errorf("%+v, want %+v", s, want)
		}
	}
}

// TestFits: what has to leave by a socket for its length.
func TestFits(t *testing.T) {
	for _, c := range []struct {
		dst            string
		payload, mtu   int
		segment, total bool
	}{
		{dst: "192.0.2.2", mtu: 36 + 54 + 500, payload: 1700, segment: true, total: true},
		{dst: "192.0.2.2", mtu: 36 + 54 + 499, payload: 1700, total: true},
		{dst: "2001:db8::2", mtu: 56 + 54 + 500, payload: 1700, segment: true, total: true},
		{dst: "2001:db8::2", mtu: 56 + 54 + 499, payload: 1700, total: true},
		{dst: "192.0.2.2", mtu: 9000, payload: mostIP - 36 - 54, segment: true, total: true},
		{dst: "192.0.2.2", mtu: 9000, payload: mostIP - 36 - 54 + 1, segment: true},
	} {
		p := encap.Packet{Frame: tcpFrame(0)}
		p.Frame.Data = append(p.Frame.Data, make([]byte, c.payload)...)
		p.Frame.Offload.SegSize = 500
		h := newPath(pathKey{dst: encap.AddrFrom(netip.MustParseAddr(c.dst))}, encap.Addr{}, c.mtu, 64, encap.MAC{})
		if got := h.fits(&p, superframe{14, 34, 54}); got != (c.segment && c.total) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// FuzzWhole: whatever bytes and metadata a superframe has, what is said of it lies within it.
func FuzzWhole(f *testing.F) {
	frame := tcpFrame(1700)
	f.Add(frame.Data, uint8(encap.GSOTCPv4), uint16(500), uint16(34), uint16(16))
	f.Fuzz(func(t *testing.T, data []byte, kind uint8, size, start, offset uint16) {
		p := encap.Packet{Frame: encap.Frame{Data: data, Offload: encap.Offload{
			Kind: encap.GSOKind(kind), Csum: encap.CsumPartial, SegSize: size, CsumStart: start, CsumOffset: offset}}}
		s, ok := whole(&p)
		if !ok {
			return
		}
		if s.l3 < ethernetLen || s.l4 < s.l3+ipv4Len || s.headers < s.l4+20 || s.headers >= len(data) || len(data)-s.headers <= int(size) {
			t.Fatalf("%+v of %d bytes", s, len(data))
		}
		h := newPath(pathKey{dst: encap.Addr{15: 1}}, encap.Addr{15: 2}, 1500, 64, encap.MAC{})
		var b header
		b.build(h, &p, s, 1)
		if b.n > mostHead || int(binary.LittleEndian.Uint16(b.b[2:])) > b.n-vnetLen+len(data) {
			t.Fatalf("header %x", b.b[:b.n])
		}
	})
}
