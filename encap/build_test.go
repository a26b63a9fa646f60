package encap_test

import (
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/uvtep/uvtep/encap"
)

var (
	srcMAC = encap.MAC{0x02, 0, 0x5e, 0x10, 0, 1}
	dstMAC = encap.MAC{0x02, 0, 0x5e, 0x10, 0, 2}

	src4 = net.IPv4(192, 0, 2, 1).To4()
	dst4 = net.IPv4(198, 51, 100, 2).To4()
	src6 = net.ParseIP("2001:db8::1")
	dst6 = net.ParseIP("2001:db8:1::2")
)

// packet says what frame gopacket, an encoder that is not ours, has to build.
type packet struct {
	v6       bool
	tags     []uint16 // VLAN ids, outermost first
	proto    uint8    // ProtoTCP or ProtoUDP; else ICMP of the IP version
	tos, ttl uint8
	noDF     bool
	id       uint16
	seq      uint32
	fin, psh bool
	cwr, syn bool
	options  int // bytes of TCP options
	dst      net.IP
	sport    uint16
	ext      []byte // IPv6 extension headers as they go on the wire
	extFirst uint8  // protocol number of the first one
	icmpType uint8
	payload  []byte
}

// build serialises p with right lengths and checksums.
func build(tb testing.TB, p packet) []byte {
	tb.Helper()
	eth := &layers.Ethernet{
		SrcMAC: srcMAC[:], DstMAC: dstMAC[:], EthernetType: layers.EthernetTypeIPv4,
	}
	if p.v6 {
		eth.EthernetType = layers.EthernetTypeIPv6
	}
	ls := []gopacket.SerializableLayer{eth}
	inner := eth.EthernetType
	for i, vid := range p.tags {
		tag := &layers.Dot1Q{VLANIdentifier: vid, Priority: 5, Type: inner}
		if i == 0 {
			eth.EthernetType = layers.EthernetTypeDot1Q
		} else {
			ls[i].(*layers.Dot1Q).Type = layers.EthernetTypeDot1Q
		}
		ls = append(ls, tag)
	}
	var network gopacket.NetworkLayer
	if p.ttl == 0 {
		p.ttl = 64
	}
	if p.v6 {
		ip := &layers.IPv6{Version: 6, TrafficClass: p.tos, HopLimit: p.ttl, SrcIP: src6, DstIP: dst6,
			NextHeader: layers.IPProtocol(p.protocol())}
		if p.dst != nil {
			ip.DstIP = p.dst
		}
		ls, network = append(ls, ip), ip
		if p.ext != nil {
			ip.NextHeader = layers.IPProtocol(p.extFirst)
			ls = append(ls, gopacket.Payload(p.ext))
		}
	} else {
		ip := &layers.IPv4{Version: 4, TOS: p.tos, TTL: p.ttl, Id: p.id, SrcIP: src4, DstIP: dst4,
			Protocol: layers.IPProtocol(p.protocol()), Flags: layers.IPv4DontFragment}
		if p.noDF {
			ip.Flags = 0
		}
		if p.dst != nil {
			ip.DstIP = p.dst
		}
		ls, network = append(ls, ip), ip
	}
	ls = append(ls, p.transport(tb, network)...)
	ls = append(ls, gopacket.Payload(p.payload))
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, ls...); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func (p packet) protocol() uint8 {
	switch {
	case p.proto != 0:
		return p.proto
	case p.v6:
		return encap.ProtoICMPv6
	}
	return encap.ProtoICMP
}

func (p packet) transport(tb testing.TB, network gopacket.NetworkLayer) []gopacket.SerializableLayer {
	tb.Helper()
	if p.sport == 0 {
		p.sport = 40000
	}
	switch p.protocol() {
	case encap.ProtoTCP:
		t := &layers.TCP{SrcPort: layers.TCPPort(p.sport), DstPort: 80, Seq: p.seq, Ack: 7, ACK: !p.syn, SYN: p.syn,
			FIN: p.fin, PSH: p.psh, CWR: p.cwr, Window: 512}
		for range p.options {
			t.Options = append(t.Options, layers.TCPOption{OptionType: layers.TCPOptionKindNop})
		}
		if err := t.SetNetworkLayerForChecksum(network); err != nil {
			tb.Fatal(err)
		}
		return []gopacket.SerializableLayer{t}
	case encap.ProtoUDP:
		u := &layers.UDP{SrcPort: layers.UDPPort(p.sport), DstPort: 53}
		if err := u.SetNetworkLayerForChecksum(network); err != nil {
			tb.Fatal(err)
		}
		return []gopacket.SerializableLayer{u}
	case encap.ProtoICMPv6:
		i := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(p.icmpType, 0)}
		if err := i.SetNetworkLayerForChecksum(network); err != nil {
			tb.Fatal(err)
		}
		return []gopacket.SerializableLayer{i}
	case encap.ProtoICMP:
		return []gopacket.SerializableLayer{&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(p.icmpType, 0)}}
	}
	return nil
}

// pattern is n bytes that do not repeat soon.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(12345)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// flows are frames of every kind that the data path tells apart.
func flows(tb testing.TB, payload int) map[string][]byte {
	tb.Helper()
	m := map[string][]byte{}
	for name, p := range map[string]packet{
		"tcp4":      {proto: encap.ProtoTCP},
		"tcp4 opts": {proto: encap.ProtoTCP, options: 12},
		"tcp4 vlan": {proto: encap.ProtoTCP, tags: []uint16{7}},
		"udp4":      {proto: encap.ProtoUDP},
		"icmp4":     {icmpType: 8},
		"tcp6":      {proto: encap.ProtoTCP, v6: true},
		"udp6":      {proto: encap.ProtoUDP, v6: true},
		"udp6 qinq": {proto: encap.ProtoUDP, v6: true, tags: []uint16{7, 8}},
		"udp6 hbh":  {proto: encap.ProtoUDP, v6: true, ext: []byte{17, 0, 1, 4, 0, 0, 0, 0}},
		"icmp6":     {v6: true, icmpType: 128},
	} {
		p.payload = pattern(payload)
		m[name] = build(tb, p)
	}
	return m
}

// wantNoAllocs fails t if fn allocates.
func wantNoAllocs(t *testing.T, what string, fn func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, fn); n != 0 {
		t.Errorf("%s: %v allocations, want 0", what, n)
	}
}
