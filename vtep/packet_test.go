package vtep_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/uvtep/uvtep/encap"
)

// packet says what inner frame gopacket, an encoder that is not ours, builds.
type packet struct {
	v6       bool
	tag      bool // VLAN 7
	tcp      bool // else UDP
	tos, ttl uint8
	noDF     bool
	sport    uint16
	payload  int
	options  int // 32-bit words of TCP options
}

// build is the frame from macB to macA, with right checksums.
func (p packet) build(t testing.TB) encap.Frame {
	t.Helper()
	if p.ttl == 0 {
		p.ttl = 64
	}
	eth := &layers.Ethernet{SrcMAC: macB[:], DstMAC: macA[:], EthernetType: layers.EthernetTypeIPv4}
	proto := layers.IPProtocolUDP
	if p.tcp {
		proto = layers.IPProtocolTCP
	}
	var network gopacket.NetworkLayer
	var ip gopacket.SerializableLayer
	if p.v6 {
		eth.EthernetType = layers.EthernetTypeIPv6
		l := &layers.IPv6{Version: 6, TrafficClass: p.tos, HopLimit: p.ttl, NextHeader: proto,
			SrcIP: net.ParseIP("2001:db8:2::2"), DstIP: net.ParseIP("2001:db8:2::1")}
		network, ip = l, l
	} else {
		l := &layers.IPv4{Version: 4, TOS: p.tos, TTL: p.ttl, Protocol: proto, Flags: layers.IPv4DontFragment,
			SrcIP: net.IPv4(198, 51, 100, 2).To4(), DstIP: net.IPv4(198, 51, 100, 1).To4()}
		if p.noDF {
			l.Flags = 0
		}
		network, ip = l, l
	}
	all := []gopacket.SerializableLayer{eth}
	if p.tag {
		all = append(all, &layers.Dot1Q{VLANIdentifier: 7, Type: eth.EthernetType})
		eth.EthernetType = layers.EthernetTypeDot1Q
	}
	sport := p.sport
	if sport == 0 {
		sport = 40000
	}
	var err error
	if p.tcp {
		l := &layers.TCP{SrcPort: layers.TCPPort(sport), DstPort: 80, Seq: 1, ACK: true, Window: 512}
		for range 4 * p.options {
			l.Options = append(l.Options, layers.TCPOption{OptionType: layers.TCPOptionKindNop})
		}
		err = l.SetNetworkLayerForChecksum(network)
		all = append(all, ip, l)
	} else {
		l := &layers.UDP{SrcPort: layers.UDPPort(sport), DstPort: 53}
		err = l.SetNetworkLayerForChecksum(network)
		all = append(all, ip, l)
	}
	if err != nil {
		t.Fatal(err)
	}
	payload := make(gopacket.Payload, p.payload)
	for i := range payload {
		payload[i] = byte(i*7 + i>>8)
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, append(all, payload)...); err != nil {
		t.Fatal(err)
	}
	return encap.Frame{Data: buf.Bytes()}
}

// partial leaves the transport checksum of f to an offload: the field holds
// the pseudo-header sum, computed here from the packet's own fields.
func partial(t testing.TB, f encap.Frame) encap.Frame {
	t.Helper()
	in := encap.ParseInner(f.Data)
	if in.L4 == 0 {
		t.Fatal("no transport header")
	}
	l4 := f.Data[in.L4 : int(in.L3)+in.IPLen] // without Ethernet padding
	var sum uint32
	add := func(b []byte) {
		for i := 0; i+1 < len(b); i += 2 {
			sum += uint32(b[i])<<8 | uint32(b[i+1])
		}
	}
	if in.IPVersion == 4 {
		add(f.Data[in.L3+12 : in.L3+20])
	} else {
		add(f.Data[in.L3+8 : in.L3+40])
	}
	sum += uint32(in.Proto) + uint32(len(l4))
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	at := csumAt(&in)
	f.Data[at], f.Data[at+1] = byte(sum>>8), byte(sum)
	return f
}

// csumAt is the offset of the transport checksum.
func csumAt(in *encap.Inner) int {
	if in.Proto == encap.ProtoTCP {
		return int(in.L4) + 16
	}
	return int(in.L4) + 6
}

// soundIPv4 reports whether the IPv4 header checksum at offset l3 verifies.
func soundIPv4(b []byte, l3 int) bool {
	var sum uint32
	for i := l3; i < l3+20; i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return sum == 0xffff
}

// syn is a TCP SYN from macB to everybody that announces an MSS.
func syn(t testing.TB, mss uint16) encap.Frame {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: macB[:], DstMAC: bcast[:], EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: net.IPv4(198, 51, 100, 2).To4(), DstIP: net.IPv4(198, 51, 100, 1).To4()}
	tcp := &layers.TCP{SrcPort: 40000, DstPort: 80, SYN: true, Window: 512, Options: []layers.TCPOption{
		{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{byte(mss >> 8), byte(mss)}}}}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, tcp); err != nil {
		t.Fatal(err)
	}
	return encap.Frame{Data: buf.Bytes()}
}

// announced is the MSS of a SYN.
func announced(t testing.TB, b []byte) int {
	t.Helper()
	tcp, ok := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default).Layer(layers.LayerTypeTCP).(*layers.TCP)
	if !ok || len(tcp.Options) == 0 || len(tcp.Options[0].OptionData) != 2 {
		t.Fatalf("no SYN with an MSS: %x", b)
	}
	return int(tcp.Options[0].OptionData[0])<<8 | int(tcp.Options[0].OptionData[1])
}

// outerFrame is a UDP packet between two hosts in a frame from macB to macA.
func outerFrame(t testing.TB, src, dst netip.Addr, sport, dport uint16, payload []byte) encap.Frame {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: macB[:], DstMAC: macA[:], EthernetType: layers.EthernetTypeIPv4}
	udp := &layers.UDP{SrcPort: layers.UDPPort(sport), DstPort: layers.UDPPort(dport)}
	var ip gopacket.SerializableLayer
	var err error
	if src.Is4() {
		l := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
		ip, err = l, udp.SetNetworkLayerForChecksum(l)
	} else {
		eth.EthernetType = layers.EthernetTypeIPv6
		l := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
		ip, err = l, udp.SetNetworkLayerForChecksum(l)
	}
	must(t, err)
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	must(t, gopacket.SerializeLayers(buf, opts, eth, ip, udp, gopacket.Payload(payload)))
	return encap.Frame{Data: buf.Bytes()}
}
