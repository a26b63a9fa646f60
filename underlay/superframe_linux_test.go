package underlay

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/uvtep/uvtep/encap"
	"golang.org/x/sys/unix"
)

// inner is a kind of superframe.
type inner struct {
	name string
	udp  bool
	v6   bool
}

func inners() []inner {
	return []inner{{name: "tcp4"}, {name: "tcp6", v6: true}, {name: "udp4", udp: true}, {name: "udp6", udp: true, v6: true}}
}

// superframe is n bytes of payload to be sent seg a segment, its checksum
// partial as an offloading kernel leaves it.
func (k inner) superframe(t testing.TB, n, seg int) encap.Frame {
	t.Helper()
	body := make([]byte, n)
	for i := range body {
		body[i] = byte(i ^ i>>8 ^ i>>16 ^ seg)
	}
	eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
	var ip gopacket.SerializableLayer
	proto, offset := layers.IPProtocolTCP, uint16(16)
	if k.udp {
		proto, offset = layers.IPProtocolUDP, 6
	}
	o := encap.Offload{Kind: encap.GSOTCPv4, Csum: encap.CsumPartial, SegSize: uint16(seg), CsumStart: 34, CsumOffset: offset}
	ip4 := &layers.IPv4{Version: 4, TTL: 64, Id: 7, Protocol: proto, SrcIP: net.IP{198, 51, 100, 1}, DstIP: net.IP{198, 51, 100, 2}}
	ip = ip4
	var checksum gopacket.NetworkLayer = ip4
	if k.v6 {
		eth.EthernetType = layers.EthernetTypeIPv6
		ip6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: net.ParseIP("2001:db8:1::1"), DstIP: net.ParseIP("2001:db8:1::2")}
		ip, checksum = ip6, ip6
		o.Kind, o.CsumStart = encap.GSOTCPv6, 54
	}
	var transport gopacket.SerializableLayer
	if k.udp {
		u := &layers.UDP{SrcPort: 1000, DstPort: 2000}
		transport, o.Kind = u, encap.GSOUDP
		_ = u.SetNetworkLayerForChecksum(checksum)
	} else {
		s := &layers.TCP{SrcPort: 1000, DstPort: 2000, Seq: 1 << 31, ACK: true, PSH: true, Window: 1000}
		transport = s
		_ = s.SetNetworkLayerForChecksum(checksum)
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, eth, ip, transport, gopacket.Payload(body)); err != nil {
		t.Fatal(err)
	}
	b := bytes.Clone(buf.Bytes())
	in := encap.ParseInner(b)
	b = b[:int(in.L3)+in.IPLen]
	sum := encap.PseudoSum(b, &in, len(b)-int(in.L4))
	b[in.L4+offset], b[in.L4+offset+1] = byte(sum>>8), byte(sum)
	return encap.Frame{Data: b, Offload: o}
}

// datagrams are what f must become: the VXLAN header and each segment that the
// software segmentation gives.
func datagrams(t testing.TB, f encap.Frame) []string {
	t.Helper()
	var all []string
	if !encap.Segment(&f, make([]byte, 70000), func(s encap.Frame) { all = append(all, payloadOf(string(s.Data))) }) {
		t.Fatalf("the test's superframe of %d bytes cannot be cut: %+v", f.Len(), f.Offload)
	}
	return all
}

func framePacket(dst netip.Addr, port uint16, f encap.Frame) encap.Packet {
	p := packet(dst, port, "")
	p.Frame = f
	return p
}

// calls records what a transmitter asks of the kernel.
type calls struct {
	calls, messages int
	refused         int
	arena           int // most bytes used at once
	// refuse, where set, may take the kernel's place.
	refuse func(m *unix.Msghdr) unix.Errno
}

// record watches the one sender that tx has so far.
func record(tx *Transmitter) *calls {
	c := &calls{}
	s := tx.senders.Borrow(tx.newSender)
	send := s.call
	s.call = func(fd uintptr) {
		list := s.list
		defer func() {
			s.list = list
			c.calls++
			c.messages += s.sent
			if s.errno != 0 {
				c.refused++
			}
			c.arena = max(c.arena, s.super.used)
		}()
		for i := range list {
			if c.refuse == nil {
				break
			}
			if errno := c.refuse(&list[i].hdr); errno != 0 {
				if i == 0 {
					s.sent, s.errno = 0, errno
					return
				}
				s.list = list[:i]
				break
			}
		}
		s.sent, s.errno = 0, 0
		send(fd)
		if s.errno != 0 {
			s.sent = 0
		}
	}
	tx.senders.Return(s)
	return c
}

// joined says that m is more than one datagram.
func joined(m *unix.Msghdr) bool { return m.Iovlen > packetIovecs }

// wantDatagrams reads what must come, in order, and compares it whole.
func wantDatagrams(t *testing.T, rx *Receiver, want []string, tos uint8) {
	t.Helper()
	have := sha256.New()
	wanted := sha256.New()
	for i, g := range receive(t, rx, 0, len(want)) {
		if g.payload != want[i] || g.tos != tos {
			t.Fatalf("datagram %d of %d: %d bytes, tos %#x; want %d, %#x, or the bytes differ", i, len(want), len(g.payload), g.tos, len(want[i]), tos)
		}
		have.Write([]byte(g.payload))
		wanted.Write([]byte(want[i]))
	}
	if !bytes.Equal(have.Sum(nil), wanted.Sum(nil)) {
		t.Error("the whole differs")
	}
}

// TestSuperframes compares what a plain UDP socket gets with the software
// segmentation, and with what the kernel joins again.
func TestSuperframes(t *testing.T) {
	sizes := []struct{ n, seg int }{
		{1, 1}, {1400, 1400}, {1401, 1400}, {2800, 1400}, {64000, 1400}, {65000, 1448}, {100 * 18, 18}, {12000, 100},
		{512, 4},
	}
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newFastWire(t)
		for _, cfg := range []TransmitterConfig{{}, {NoSegment: true}, {NoChecksum: true}} {
			cfg.V6 = v6
			tx := a.transmitter(t, cfg)
			for _, noGRO := range []bool{true, false} {
				rx := b.listen(t, ReceiverConfig{V6: v6, Port: port, NoGRO: noGRO, ZeroChecksum6: true})
				for _, k := range inners() {
					for _, size := range sizes {
						f := k.superframe(t, size.n, size.seg)
						before := bytes.Clone(f.Data)
						p := framePacket(b.addr(v6), port, f)
						p.TOS, p.TTL = 0xb9, 9
						first, last := packet(b.addr(v6), port, "first"), packet(b.addr(v6), port, "last")
						first.TOS, last.TOS = p.TOS, p.TOS
						send(t, tx, encap.SendOK, first, p, last)
						want := append([]string{payloadOf("first")}, datagrams(t, f)...)
						wantDatagrams(t, rx, append(want, payloadOf("last")), p.TOS)
						if !bytes.Equal(before, f.Data) {
							t.Fatal("the frame was written to")
						}
					}
				}
				rx.Close()
			}
		}
	})
}

// TestSuperframeIsFewMessages: 43 segments of 1,448 bytes are 65,446 bytes of
// payload, one more would not fit (conformance section 4, trap 3).
func TestSuperframeIsFewMessages(t *testing.T) {
	a, b := newFastWire(t)
	rx := b.listen(t, ReceiverConfig{Port: port})
	for _, c := range []struct{ n, seg, messages int }{
		{43 * 1448, 1448, 1}, {44 * 1448, 1448, 2}, {100 * 18, 18, 1}, {128 * 18, 18, 1}, {65000, 1448, 2}, {700, 1448, 1},
	} {
		tx := a.transmitter(t, TransmitterConfig{})
		seen := record(tx)
		f := inner{udp: true}.superframe(t, c.n, c.seg)
		send(t, tx, encap.SendOK, framePacket(b.v4, port, f))
		if seen.messages != c.messages || seen.calls != 1 {
			t.Errorf("%d by %d: %d messages in %d calls, want %d in 1", c.n, c.seg, seen.messages, seen.calls, c.messages)
		}
		wantDatagrams(t, rx, datagrams(t, f), 0)
		tx.Close()
	}
}

// TestSuperframeOnTheWire: every segment has the outer header asked for.
func TestSuperframeOnTheWire(t *testing.T) {
	for _, df := range []DFMode{DFSet, DFUnset} {
		eachFamily(t, func(t *testing.T, v6 bool) {
			a, b := newWire(t)
			wire := b.capture(t)
			tx := a.transmitter(t, TransmitterConfig{V6: v6, DF: df})
			f := inner{}.superframe(t, 20000, 1400)
			p := framePacket(b.addr(v6), port, f)
			p.TOS, p.TTL = 0xbb, 17
			send(t, tx, encap.SendOK, p)
			for _, want := range datagrams(t, f) {
				seen := wire.udp(t, want)
				if sum := udpSum(seen); sum != 0xffff {
					t.Errorf("the checksum's sum is %#x", sum)
				}
				if tos, ttl := outer(t, seen, df == DFSet); tos != 0xbb || ttl != 17 {
					t.Errorf("tos %#x ttl %d, want 0xbb and 17", tos, ttl)
				}
			}
		})
	}
}

// TestSuperframeToManyIsCutOnce: the headers of a flooded superframe are made
// for the first remote and used by the others, until the batch is over.
func TestSuperframeToManyIsCutOnce(t *testing.T) {
	a, _ := newFastWire(t)
	rx := a.listen(t, ReceiverConfig{Port: port})
	tx := a.transmitter(t, single(false))
	seen := record(tx)
	const remotes = 30
	frames := []encap.Frame{inner{}.superframe(t, 10000, 1400), inner{v6: true}.superframe(t, 5000, 1000)}
	frames[0].Data = append(frames[0].Data, "padding"...) // is no payload
	headers := 8*(encap.HeaderLen+54) + 5*(encap.HeaderLen+74)
	for round := range 2 {
		var p []encap.Packet
		want := map[netip.Addr][]string{}
		for _, f := range frames {
			for r := range remotes {
				p = append(p, framePacket(netip.AddrFrom4([4]byte{127, 0, 0, byte(r + 1)}), port, f))
			}
			want[p[0].Dst.Netip()] = append(want[p[0].Dst.Netip()], datagrams(t, f)...)
		}
		send(t, tx, encap.SendOK, p...)
		if seen.arena != headers {
			t.Errorf("round %d: %d bytes of headers for %d remotes, want %d", round, seen.arena, remotes, headers)
		}
		var all []string
		for range remotes {
			all = append(all, want[p[0].Dst.Netip()]...)
		}
		wantDatagrams(t, rx, all, 0)
		// The same memory holds another frame in the next batch.
		for _, f := range frames {
			f.Data[len(f.Data)-10]++
		}
	}
	// Another VXLAN header is not the same datagram.
	p := []encap.Packet{framePacket(netip.MustParseAddr("127.0.0.1"), port, frames[0]), framePacket(netip.MustParseAddr("127.0.0.1"), port, frames[0])}
	p[1].Header = encap.HeaderFor(43)
	send(t, tx, encap.SendOK, p...)
	got := receive(t, rx, 0, 16)
	if h43 := encap.HeaderFor(43); got[0].payload[:8] == got[8].payload[:8] || got[8].payload[:8] != string(h43[:]) {
		t.Errorf("headers %x and %x", got[0].payload[:8], got[8].payload[:8])
	}
}

func TestSuperframesThatCannotBeCutAreRefused(t *testing.T) {
	a, b := newWire(t)
	rx := b.listen(t, ReceiverConfig{Port: port})
	tx := a.transmitter(t, TransmitterConfig{})
	good := inner{}.superframe(t, 3000, 1000)
	lies := map[string]encap.Frame{
		"no segment size": good, "another kind": good, "in pieces": good,
		"no headers": {Data: []byte("superframe"), Offload: good.Offload},
	}
	edit := func(name string, change func(f *encap.Frame)) {
		f := lies[name]
		change(&f)
		lies[name] = f
	}
	edit("no segment size", func(f *encap.Frame) { f.Offload.SegSize = 0 })
	edit("another kind", func(f *encap.Frame) { f.Offload.Kind = encap.GSOTCPv6 })
	edit("in pieces", func(f *encap.Frame) { f.More = [][]byte{{1}} })
	for name, f := range lies {
		t.Run(name, func(t *testing.T) {
			send(t, tx, encap.SendRefused, framePacket(b.v4, port, f))
		})
	}
	send(t, tx, encap.SendOK, packet(b.v4, port, "good"))
	if g := receive(t, rx, 0, 1)[0]; g.payload != payloadOf("good") {
		t.Errorf("%d bytes arrived: %s", len(g.payload), fmt.Sprintf("%.40q", g.payload))
	}
}
