package underlay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/uvtep/uvtep/encap"
	"golang.org/x/sys/unix"
)

// wireDatagram is a datagram with what the kernel is asked to put around it.
type wireDatagram struct {
	dst        encap.Addr
	port       uint16
	zone, flow uint32
	tos, ttl   uint8
	payload    string
}

// FuzzBuilder: messages, taken apart as the kernel does it, are the datagrams of the
// packets byte for byte, each with its packet's remote, traffic class, hop limit,
// interface and flow label, those of one socket, remote and VXLAN header in order; and so
// are the parts that a refused message is sent in.
func FuzzBuilder(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		b := make([]byte, 3+8*(1+rng.IntN(60)))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		f.Add(b)
	}
	// One flow: packets alike, packets that alternate in one property, many superframes.
	for _, v6 := range []byte{0, 1} {
		like := []byte{0, 9, 0, 0, 0, 100, 0, 0}
		f.Add(append([]byte{v6, 4, 0}, bytes.Repeat(append(like[:7:7], 7<<3), 20)...))
		for _, change := range []struct{ at, to byte }{{0, 1}, {2, 1}, {3, 1}, {4, 1}, {4, 2}, {4, 4}, {4, 16}} {
			other := bytes.Clone(like)
			other[change.at] = change.to
			f.Add(append([]byte{v6, 4, 0}, bytes.Repeat(append(like[:8:8], other...), 12)...))
		}
		super := []byte{v6, 4, 0}
		for i := range byte(80) {
			super = append(super, 0, 9, 0, 0, i/40*4, i%40, 0, 5)
		}
		f.Add(super)
	}
	frames := cutFrames(f)
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) < 3 {
			return
		}
		v6 := script[0]&1 != 0
		limit := []int{1, 2, sureSegments, 64, mostSegments}[script[1]%5]
		sockets := []int{1, 3, 64}[script[2]%3]
		checkBuilder(t, fuzzPackets(script[3:], v6, frames), v6, limit, sockets)
	})
}

// cutFrame is a superframe with the segments that encap.Segment makes of it.
type cutFrame struct {
	frame    encap.Frame
	segments []string
}

// cutFrames are superframes of each kind, and one that cannot be cut.
func cutFrames(f testing.TB) (all []cutFrame) {
	for _, k := range inners() {
		for _, size := range [][2]int{{1400, 1400}, {20000, 1400}, {64000, 1448}, {512, 4}, {3000, 100}} {
			frame := k.superframe(f, size[0], size[1])
			all = append(all, cutFrame{frame, datagrams(f, frame)})
		}
	}
	lie := all[0].frame
	lie.Offload.SegSize = 0
	return append(all, cutFrame{frame: lie})
}

// fuzzPackets makes packets of a script of eight bytes for each, or for a run of equal
// ones. They are at most some 4 MB.
func fuzzPackets(script []byte, v6 bool, frames []cutFrame) (all []fuzzPacket) {
	for left := 4 << 20; len(script) >= 8 && len(all) < 3000; script = script[8:] {
		where, hash, tos, ttl, options, kind := script[0], script[1], script[2], script[3], script[4], script[7]
		dst := netip.AddrFrom4([4]byte{192, 0, 2, where & 7})
		if v6 != (where&0xf8 == 0xf8) { // now and then of the other IP version
			dst = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: where & 7})
		}
		for range 1 << (kind >> 3 & 7) {
			p := packet(dst, port+uint16(options>>4&1), "")
			p.Hash, p.TOS, p.TTL = uint32(hash)<<24, tos&3, ttl&1*9
			p.Zone, p.FlowLabel = uint32(options&1)*7, uint32(options>>1&1)*0xabcde
			p.Header = encap.HeaderFor(42 + encap.VNI(options>>2&1))
			var want []string
			switch {
			case kind&7 >= 5:
				cut := frames[int(binary.LittleEndian.Uint16(script[5:]))%len(frames)]
				p.Frame = cut.frame
				for _, s := range cut.segments {
					want = append(want, string(p.Header[:])+s[encap.HeaderLen:])
				}
			default:
				b := make([]byte, 1+int(binary.LittleEndian.Uint16(script[5:]))%9000)
				for i := range b {
					b[i] = byte(i + len(all) + len(all)>>8)
				}
				p.Frame = encap.Frame{Data: b}
				want = []string{string(p.Header[:]) + string(b)}
				if options>>5 == 7 {
					p.Frame.More = [][]byte{{1}}
				}
			}
			if left -= p.Frame.Len(); left < 0 {
				return all
			}
			if p.Dst.Is4() == v6 || len(p.Frame.More) > 0 {
				want = nil
			}
			all = append(all, fuzzPacket{p, want})
		}
	}
	return all
}

// fuzzPacket is a packet with the datagrams that it must become; none: it is refused.
type fuzzPacket struct {
	packet encap.Packet
	want   []string
}

func checkBuilder(t *testing.T, all []fuzzPacket, v6 bool, limit, sockets int) {
	packets := make([]encap.Packet, len(all))
	for i := range all {
		packets[i] = all[i].packet
	}
	type flow struct {
		socket uint16
		dst    encap.Addr
		port   uint16
		header [encap.HeaderLen]byte
	}
	base, last, done := 0, map[flow]int{}, make([]int, len(all))
	b := new(builder)
	b.init(1, sockets, v6, func() {
		for i := range b.queued {
			m := &b.metas[i]
			got := takeApart(t, b.msgs[i:i+1], v6, limit)
			if len(got) != m.n {
				t.Fatalf("a message of %d datagrams has %d", m.n, len(got))
			}
			checkParts(t, b, i, v6, got)
			for k, d := range got {
				if h := d.payload[:encap.HeaderLen]; h != got[0].payload[:encap.HeaderLen] {
					t.Fatalf("VXLAN headers %x and %x in one message", got[0].payload[:encap.HeaderLen], h)
				}
				at := base + int(b.owner[m.first+k])
				p := &all[at].packet
				way := flow{b.socket, p.Dst, p.Port, p.Header}
				if at < last[way] || int(b.socket) != pick(p.Hash, sockets) {
					t.Fatalf("packet %d left behind packet %d, from socket %d", at, last[way], b.socket)
				}
				last[way] = at
				if done[at] == len(all[at].want) {
					t.Fatalf("packet %d became more than its %d datagrams", at, done[at])
				}
				want := wireDatagram{p.Dst, p.Port, p.Zone, p.FlowLabel, p.TOS, p.TTL, all[at].want[done[at]]}
				if !v6 {
					want.flow = 0 // IPv4 has none
				}
				if d != want {
					t.Fatalf("datagram %d of packet %d:\n got %.200s\nwant %.200s", done[at], at, fmt.Sprintf("%+v", d), fmt.Sprintf("%+v", want))
				}
				done[at]++
			}
		}
	})
	b.limit = limit
	for base < len(packets) {
		base += b.build(packets[base:])
	}
	for i := range all {
		result := encap.SendOK
		if len(all[i].want) == 0 {
			result = encap.SendRefused
		}
		if done[i] != len(all[i].want) || packets[i].Result != result {
			t.Fatalf("packet %d: %d datagrams of %d, result %d, want %d", i, done[i], len(all[i].want), packets[i].Result, result)
		}
	}
}

// checkParts checks that the parts of message i are its datagrams.
func checkParts(t *testing.T, b *builder, i int, v6 bool, want []wireDatagram) {
	for _, n := range []int{1, sureSegments} {
		var got []wireDatagram
		for at := 0; at < len(want); {
			list := b.carve(i, at, n)
			got = append(got, takeApart(t, list, v6, n)...)
			at += len(list) * n
		}
		if len(got) != len(want) {
			t.Fatalf("parts of %d: %d datagrams, want %d", n, len(got), len(want))
		}
		for k := range got {
			if got[k] != want[k] {
				t.Fatalf("parts of %d: datagram %d differs", n, k)
			}
		}
	}
}

// takeApart does with messages what the kernel does (udp_sendmsg in net/ipv4/udp.c).
func takeApart(t *testing.T, list []mmsghdr, v6 bool, limit int) (all []wireDatagram) {
	for i := range list {
		h := &list[i].hdr
		d := wireDatagram{}
		if v6 {
			a := (*unix.RawSockaddrInet6)(unsafe.Pointer(h.Name))
			d.dst, d.port, d.zone = a.Addr, networkPort(a.Port), a.Scope_id
			d.flow = binary.BigEndian.Uint32((*[4]byte)(unsafe.Pointer(&a.Flowinfo))[:])
			if a.Family != unix.AF_INET6 || h.Namelen != unix.SizeofSockaddrInet6 {
				t.Fatalf("family %d in %d bytes", a.Family, h.Namelen)
			}
		} else {
			a := (*unix.RawSockaddrInet4)(unsafe.Pointer(h.Name))
			d.dst, d.port = encap.AddrFrom(netip.AddrFrom4(a.Addr)), networkPort(a.Port)
			if a.Family != unix.AF_INET || h.Namelen != unix.SizeofSockaddrInet4 {
				t.Fatalf("family %d in %d bytes", a.Family, h.Namelen)
			}
		}
		size := d.control(t, h, v6)
		var payload []byte
		for _, v := range unsafe.Slice(h.Iov, h.Iovlen) {
			payload = append(payload, unsafe.Slice(v.Base, v.Len)...)
		}
		switch {
		case size == 0:
			size = len(payload)
		case limit == 1: // a kernel that refused UDP_SEGMENT refuses it for one, too
			t.Fatalf("a single datagram with a segment size of %d", size)
		}
		n := 0
		for ; len(payload) > 0; n++ {
			d.payload = string(payload[:min(size, len(payload))])
			payload = payload[len(d.payload):]
			all = append(all, d)
		}
		if n == 0 || n > limit {
			t.Fatalf("%d datagrams in a message that may have %d", n, limit)
		}
		if n > 1 && (n-1)*size+len(d.payload) > mostPayload {
			t.Fatalf("%d datagrams of %d bytes in a message", n, size)
		}
	}
	return all
}

// control reads the control messages of h and returns the segment size, 0 without one.
func (d *wireDatagram) control(t *testing.T, h *unix.Msghdr, v6 bool) (size int) {
	if h.Controllen == 0 {
		return 0
	}
	list, err := unix.ParseSocketControlMessage(unsafe.Slice(h.Control, h.Controllen))
	if err != nil {
		t.Fatal(err)
	}
	level, tos, ttl, info := int32(unix.IPPROTO_IP), int32(unix.IP_TOS), int32(unix.IP_TTL), int32(unix.IP_PKTINFO)
	if v6 {
		level, tos, ttl, info = unix.IPPROTO_IPV6, unix.IPV6_TCLASS, unix.IPV6_HOPLIMIT, unix.IPV6_PKTINFO
	}
	for _, c := range list {
		switch kind := c.Header.Type; {
		case c.Header.Level == unix.IPPROTO_UDP && kind == unix.UDP_SEGMENT:
			size = int(binary.NativeEndian.Uint16(c.Data))
		case c.Header.Level == level && kind == tos:
			d.tos = uint8(binary.NativeEndian.Uint32(c.Data))
		case c.Header.Level == level && kind == ttl:
			d.ttl = uint8(binary.NativeEndian.Uint32(c.Data))
		case c.Header.Level == level && kind == info && v6: // struct in6_pktinfo: address, index
			if zone := binary.NativeEndian.Uint32(c.Data[16:]); zone != d.zone {
				t.Fatalf("interface %d beside scope %d", zone, d.zone)
			}
		case c.Header.Level == level && kind == info: // struct in_pktinfo: index, addresses
			d.zone = binary.NativeEndian.Uint32(c.Data)
		default:
			t.Fatalf("control message %d of level %d", kind, c.Header.Level)
		}
	}
	return size
}
