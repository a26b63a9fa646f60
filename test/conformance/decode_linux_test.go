package conformance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// packet is what uvtep sent, decoded.
type packet struct {
	data       []byte // from the outer Ethernet header on
	eth        *layers.Ethernet
	src, dst   netip.Addr
	tos, ttl   uint8
	label      uint32 // of IPv6
	df         bool
	ipLen      int // of the outer IP packet
	sport      uint16
	dport      uint16
	noChecksum bool
	header     []byte // the VXLAN header as it is
	vxlan      *layers.VXLAN
	frame      []byte // the inner frame
}

// sentBy reports whether data is a UDP packet, or a fragment of one, from src.
func sentBy(src netip.Addr, data []byte) bool {
	p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		return ip.SrcIP.Equal(src.AsSlice()) && ip.Protocol == layers.IPProtocolUDP
	case *layers.IPv6:
		return ip.SrcIP.Equal(src.AsSlice()) &&
			(ip.NextHeader == layers.IPProtocolUDP || ip.NextHeader == layers.IPProtocolIPv6Fragment)
	}
	return false
}

// decode takes a packet apart and verifies every checksum in it, the inner
// frame's included: all that leaves is complete (conformance section 4, 5).
func decode(data []byte) (*packet, error) {
	g := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)
	p := &packet{data: data}
	var ok bool
	if p.eth, ok = g.LinkLayer().(*layers.Ethernet); !ok {
		return nil, errors.New("no Ethernet header")
	}
	segment, err := p.network(g)
	if err != nil {
		return nil, err
	}
	udp, ok := g.Layer(layers.LayerTypeUDP).(*layers.UDP)
	if !ok {
		return nil, fmt.Errorf("no UDP header: %v", g)
	}
	p.sport, p.dport, p.noChecksum = uint16(udp.SrcPort), uint16(udp.DstPort), udp.Checksum == 0
	if int(udp.Length) != len(segment) {
		return nil, fmt.Errorf("the UDP length is %d, the packet has %d", udp.Length, len(segment))
	}
	if !p.noChecksum && !verifies(p.src, p.dst, 17, segment) {
		return nil, fmt.Errorf("the outer UDP checksum %#04x is wrong", udp.Checksum)
	}
	p.vxlan = new(layers.VXLAN)
	if err := p.vxlan.DecodeFromBytes(udp.Payload, gopacket.NilDecodeFeedback); err != nil {
		return nil, err
	}
	p.header, p.frame = p.vxlan.Contents, p.vxlan.Payload
	return p, verifyFrame(p.frame)
}

// network reads the outer IP header and returns what it carries.
func (p *packet) network(g gopacket.Packet) ([]byte, error) {
	switch ip := g.NetworkLayer().(type) {
	case *layers.IPv4:
		if ip.Flags&layers.IPv4MoreFragments != 0 || ip.FragOffset != 0 {
			return nil, errors.New("a fragment: RFC 7348 section 4.3 forbids it")
		}
		if sum(0, ip.Contents) != 0xffff {
			return nil, errors.New("the outer IPv4 header checksum is wrong")
		}
		p.src, p.dst = ipAddr(ip.SrcIP), ipAddr(ip.DstIP)
		p.tos, p.ttl, p.df = ip.TOS, ip.TTL, ip.Flags&layers.IPv4DontFragment != 0
		p.ipLen = int(ip.Length)
		return ip.Payload, nil
	case *layers.IPv6:
		if ip.NextHeader != layers.IPProtocolUDP {
			return nil, fmt.Errorf("the next header is %v, not UDP", ip.NextHeader)
		}
		p.src, p.dst = ipAddr(ip.SrcIP), ipAddr(ip.DstIP)
		p.tos, p.ttl, p.label = ip.TrafficClass, ip.HopLimit, ip.FlowLabel
		p.ipLen = 40 + int(ip.Length)
		return ip.Payload, nil
	}
	return nil, errors.New("no IP header")
}

func ipAddr(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a.Unmap()
}

// verifyFrame checks the IPv4 header checksum and the transport checksum of an
// Ethernet frame that has them.
func verifyFrame(b []byte) error {
	g := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
	var src, dst netip.Addr
	var segment []byte
	switch ip := g.NetworkLayer().(type) {
	case *layers.IPv4:
		if sum(0, ip.Contents) != 0xffff {
			return errors.New("the inner IPv4 header checksum is wrong")
		}
		if ip.Flags&layers.IPv4MoreFragments != 0 || ip.FragOffset != 0 {
			return nil
		}
		src, dst, segment = ipAddr(ip.SrcIP), ipAddr(ip.DstIP), ip.Payload
	case *layers.IPv6:
		src, dst, segment = ipAddr(ip.SrcIP), ipAddr(ip.DstIP), ip.Payload
	default:
		return nil
	}
	switch l := g.TransportLayer().(type) {
	case *layers.UDP:
		if l.Checksum != 0 && !verifies(src, dst, 17, segment) {
			return fmt.Errorf("the inner UDP checksum %#04x is wrong", l.Checksum)
		}
	case *layers.TCP:
		if !verifies(src, dst, 6, segment) {
			return fmt.Errorf("the inner TCP checksum %#04x is wrong", l.Checksum)
		}
	}
	return nil
}

// verifies is the receiver's check of RFC 1071: the sum over pseudo-header and
// segment, checksum included, is all ones.
func verifies(src, dst netip.Addr, proto byte, segment []byte) bool {
	pseudo := append(src.AsSlice(), dst.AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(segment)))
	pseudo = append(pseudo, 0, 0, 0, proto)
	return sum(uint32(sum(0, pseudo)), segment) == 0xffff
}

// sum is the plain one's complement sum, two bytes at a time.
func sum(acc uint32, b []byte) uint16 {
	for i := 0; i+1 < len(b); i += 2 {
		acc += uint32(binary.BigEndian.Uint16(b[i:]))
		acc = acc&0xffff + acc>>16
	}
	if len(b)%2 == 1 {
		acc += uint32(b[len(b)-1]) << 8
		acc = acc&0xffff + acc>>16
	}
	return uint16(acc)
}
