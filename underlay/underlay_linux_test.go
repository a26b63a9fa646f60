package underlay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/uvtep/uvtep/encap"
)

const port = encap.DefaultPort

func TestBatchesArriveInOrder(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		rx := b.listen(t, ReceiverConfig{Local: b.addr(v6), V6: v6, Port: port})
		tx := a.transmitter(t, TransmitterConfig{Local: a.addr(v6), V6: v6})
		if rx.LocalPort() != port || rx.Workers() != 1 {
			t.Errorf("port %d, %d workers", rx.LocalPort(), rx.Workers())
		}
		var p []encap.Packet
		var want []got
		for i := range 3*sendMessages + 7 {
			text := strings.Repeat(string(rune('a'+i%26)), 14+i*3)
			p = append(p, packet(b.addr(v6), port, text))
			p[i].Hash, p[i].TOS = 0xdeadbeef, uint8(i)
			want = append(want, got{payloadOf(text),
				netip.AddrPortFrom(a.addr(v6), tx.Ports()[pick(0xdeadbeef, DefaultSockets)]), uint8(i)})
		}
		send(t, tx, encap.SendOK, p...)
		for i, g := range receive(t, rx, 0, len(want)) {
			if g != want[i] {
				t.Fatalf("datagram %d:\n got %+v\nwant %+v", i, g, want[i])
			}
		}
	})
}

func TestSourcePortsFollowTheFlowHash(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		rx := b.listen(t, ReceiverConfig{V6: v6, Port: port})
		tx := a.transmitter(t, TransmitterConfig{V6: v6})
		const flows = 1000
		var p []encap.Packet
		for i := range 2 * flows {
			p = append(p, packet(b.addr(v6), port, fmt.Sprint(i%flows)))
			p[i].Hash = uint32(i%flows) * 0x9e3779b1 // spread, as a flow hash is
		}
		ports := map[string]uint16{}
		used := map[uint16]int{}
		for i := 0; i < len(p); i += 100 {
			send(t, tx, encap.SendOK, p[i:i+100]...)
			for _, g := range receive(t, rx, 0, 100) {
				if g.src.Port() < DefaultPortMin {
					t.Fatalf("source port %d", g.src.Port())
				}
				if was, ok := ports[g.payload]; ok && was != g.src.Port() {
					t.Fatalf("one hash left from port %d, then from %d", was, g.src.Port())
				}
				ports[g.payload] = g.src.Port()
				used[g.src.Port()]++
			}
		}
		if len(used) != DefaultSockets {
			t.Errorf("%d flows used %d ports of %d", flows, len(used), DefaultSockets)
		}
		for port, n := range used {
			if n > 4*2*flows/DefaultSockets {
				t.Errorf("port %d carried %d of %d packets", port, n, 2*flows)
			}
		}
	})
}

func TestPoolPassesOverPortsInUse(t *testing.T) {
	a, _ := newWire(t)
	if n := len(a.transmitter(t, TransmitterConfig{SrcPortMin: 50000, SrcPortMax: 50004}).Ports()); n != 5 {
		t.Fatalf("%d ports of a range of 5", n)
	}
	held := a.listen(t, ReceiverConfig{Port: 50012})
	tx := a.transmitter(t, TransmitterConfig{SrcPortMin: 50010, SrcPortMax: 50014})
	ports := tx.Ports()
	slices.Sort(ports)
	if want := []uint16{50010, 50011, 50013, 50014}; !slices.Equal(ports, want) {
		t.Errorf("ports %v with %d held, want %v", ports, held.LocalPort(), want)
	}
	err := a.Do(func() error {
		_, err := OpenTransmitter(TransmitterConfig{SrcPortMin: 50010, SrcPortMax: 50014})
		return err
	})
	wantError(t, err, ErrPortInUse, "50010 to 50014")
}

// TestOnTheWire reads the outer headers of conformance C09, C13, L08 and L13.
func TestOnTheWire(t *testing.T) {
	for _, c := range []struct {
		name     string
		cfg      TransmitterConfig
		tos, ttl uint8
		wantTTL  uint8
	}{
		{name: "defaults", wantTTL: 64},
		{name: "tos and ttl", tos: 0xbb, ttl: 17, wantTTL: 17},
		{name: "ecn alone", tos: 0x03, wantTTL: 64},
		{name: "df unset", cfg: TransmitterConfig{DF: DFUnset}, wantTTL: 64},
		{name: "no checksum", cfg: TransmitterConfig{NoChecksum: true}, wantTTL: 64},
		{name: "device", cfg: TransmitterConfig{Device: "eth0"}, ttl: 255, wantTTL: 255},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachFamily(t, func(t *testing.T, v6 bool) {
				a, b := newWire(t)
				wire := b.capture(t)
				cfg := c.cfg
				cfg.V6 = v6
				tx := a.transmitter(t, cfg)
				p := packet(b.addr(v6), port, "an odd frame")
				p.TOS, p.TTL = c.tos, c.ttl
				send(t, tx, encap.SendOK, p)
				seen := wire.udp(t, payloadOf("an odd frame"))
				udp := seen.Layer(layers.LayerTypeUDP).(*layers.UDP)
				if udp.DstPort != layers.UDPPort(port) {
					t.Errorf("destination port %d", udp.DstPort)
				}
				if cfg.NoChecksum != (udp.Checksum == 0) {
					t.Errorf("checksum %#x with NoChecksum %t", udp.Checksum, cfg.NoChecksum)
				}
				if sum := udpSum(seen); udp.Checksum != 0 && sum != 0xffff {
					t.Errorf("checksum %#x is wrong: the sum is %#x", udp.Checksum, sum)
				}
				tos, ttl := outer(t, seen, cfg.DF == DFSet)
				if tos != c.tos || ttl != c.wantTTL {
					t.Errorf("tos %#x ttl %d, want %#x and %d", tos, ttl, c.tos, c.wantTTL)
				}
			})
		})
	}
}

// outer gives the traffic class and hop limit, and checks DF on IPv4.
func outer(t *testing.T, p gopacket.Packet, df bool) (tos, ttl uint8) {
	t.Helper()
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		if (ip.Flags&layers.IPv4DontFragment != 0) != df {
			t.Errorf("IPv4 flags %v, want DF %t", ip.Flags, df)
		}
		return ip.TOS, ip.TTL
	case *layers.IPv6:
		return ip.TrafficClass, ip.HopLimit
	}
	t.Fatalf("no IP header: %v", p)
	return 0, 0
}

// udpSum is the sum of RFC 768 over pseudo header and datagram: 0xffff where
// the checksum is right. It is written for clarity, beside encap's.
func udpSum(p gopacket.Packet) uint16 {
	udp := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
	var b []byte
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		b = append(append(b, ip.SrcIP.To4()...), ip.DstIP.To4()...)
	case *layers.IPv6:
		b = append(append(b, ip.SrcIP...), ip.DstIP...)
	}
	b = append(b, 0, 17)
	b = binary.BigEndian.AppendUint16(b, udp.Length)
	b = append(append(b, udp.Contents...), udp.Payload...)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

func TestZeroChecksumOnIPv6IsRefusedUnlessAllowed(t *testing.T) {
	a, b := newWire(t)
	without := a.transmitter(t, TransmitterConfig{V6: true, NoChecksum: true})
	with := a.transmitter(t, TransmitterConfig{V6: true})
	for _, allowed := range []bool{false, true} {
		rx := b.listen(t, ReceiverConfig{V6: true, Port: port, ZeroChecksum6: allowed})
		send(t, without, encap.SendOK, packet(b.v6, port, "without"))
		send(t, with, encap.SendOK, packet(b.v6, port, "with"))
		first := receive(t, rx, 0, 1)[0].payload
		if (first == payloadOf("without")) != allowed {
			t.Errorf("allowed %t: %q came first", allowed, first)
		}
		rx.Close()
	}
}

func TestCorruptedChecksumIsRefused(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		rx := b.listen(t, ReceiverConfig{V6: v6, Port: port})
		tx := a.transmitter(t, TransmitterConfig{V6: v6})
		arriving, leaving := b.capture(t), a.capture(t)
		send(t, tx, encap.SendOK, packet(b.addr(v6), port, "good"))
		frame := arriving.udp(t, payloadOf("good")).Data()
		receive(t, rx, 0, 1)
		check(t, leaving.Send(bytes.Replace(frame, []byte("good"), []byte("bad!"), 1)))
		check(t, leaving.Send(frame))
		if g := receive(t, rx, 0, 1)[0]; g.payload != payloadOf("good") {
			t.Errorf("received %q", g.payload)
		}
	})
}

func TestPacketsThatCannotBeSentAreRefused(t *testing.T) {
	a, b := newWire(t)
	rx := b.listen(t, ReceiverConfig{Port: port})
	tx := a.transmitter(t, TransmitterConfig{})
	p := []encap.Packet{
		packet(b.v4, port, "first"),
		packet(b.v6, port, "other family"),
		packet(b.v4, port, "superframe"),
		packet(b.v4, port, ""),
		packet(netip.Addr{}, port, "nowhere"),
		packet(b.v4, port, "last"),
	}
	p[2].Frame.Offload = encap.Offload{Kind: encap.GSOTCPv4, SegSize: 1400}
	if err := tx.WriteBatch(p); err != nil {
		t.Fatal(err)
	}
	want := []encap.SendResult{encap.SendOK, encap.SendRefused, encap.SendRefused, encap.SendRefused, encap.SendRefused, encap.SendOK}
	for i := range p {
		if p[i].Result != want[i] {
			t.Errorf("packet %d: result %d, want %d", i, p[i].Result, want[i])
		}
	}
	g := receive(t, rx, 0, 2)
	if g[0].payload != payloadOf("first") || g[1].payload != payloadOf("last") {
		t.Errorf("received %+v", g)
	}
}

func TestLinkLocalAndViaDestinations(t *testing.T) {
	a, b := newWire(t)
	rx6 := b.listen(t, ReceiverConfig{V6: true, Port: port})
	rx4 := b.listen(t, ReceiverConfig{Port: port})
	tx6 := a.transmitter(t, TransmitterConfig{V6: true})
	tx4 := a.transmitter(t, TransmitterConfig{})

	p := packet(b.link6, port, "link-local")
	p.Zone = uint32(a.index)
	send(t, tx6, encap.SendOK, p)
	if g := receive(t, rx6, 0, 1)[0]; g.src.Addr() != a.link6 && !g.src.Addr().IsLinkLocalUnicast() {
		t.Errorf("link-local packet from %s", g.src)
	}
	for _, c := range []struct {
		tx  *Transmitter
		rx  *Receiver
		dst netip.Addr
	}{{tx4, rx4, b.v4}, {tx6, rx6, b.v6}} {
		p := packet(c.dst, port, "astray")
		p.Zone = 1 // lo: whether it leaves there or is refused is the kernel's affair
		if err := c.tx.WriteBatch([]encap.Packet{p}); err != nil {
			t.Fatal(err)
		}
		p = packet(c.dst, port, "via")
		p.Zone = uint32(a.index)
		send(t, c.tx, encap.SendOK, p)
		if g := receive(t, c.rx, 0, 1)[0]; g.payload != payloadOf("via") {
			t.Errorf("received %+v", g)
		}
		p.Zone = 9999
		send(t, c.tx, encap.SendUnreachable, p)
	}
	bound := b.listen(t, ReceiverConfig{V6: true, Local: b.link6.WithZone("eth0"), Port: 4790})
	q := packet(b.link6, 4790, "bound")
	q.Zone = uint32(a.index)
	send(t, tx6, encap.SendOK, q)
	receive(t, bound, 0, 1)
}

// TestMoreThanIsCopied: of more small datagrams in one batch than there is room to copy
// those that find none go in pieces.
func TestMoreThanIsCopied(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		rx := b.listen(t, ReceiverConfig{Local: b.addr(v6), V6: v6, Port: port})
		tx := a.transmitter(t, TransmitterConfig{Local: a.addr(v6), V6: v6})
		var p []encap.Packet
		var want []string
		for i := range 2 * flatBytes / flatMost {
			text := strings.Repeat(string(rune('a'+i%26)), flatMost-encap.HeaderLen)
			p = append(p, packet(b.addr(v6), port, text))
			want = append(want, payloadOf(text))
		}
		send(t, tx, encap.SendOK, p...)
		for i, g := range receive(t, rx, 0, len(want)) {
			if g.payload != want[i] {
				t.Fatalf("datagram %d: %q, want %q", i, g.payload, want[i])
			}
		}
	})
}
