package conformance

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// MAC addresses of the overlay. Those that end in 0x10 and above stand behind
// remotes, hostMAC stands behind the link.
const (
	broadcast = "ff:ff:ff:ff:ff:ff"
	hostMAC   = "02:00:00:00:00:01"
	farMAC    = "02:00:00:00:00:10"
	farMAC2   = "02:00:00:00:00:11"
	farMAC3   = "02:00:00:00:00:12"
	markerIn  = "02:00:00:00:fe:01" // inner source of markers from the underlay
	markerOut = "02:00:00:00:fe:02" // destination of markers to the underlay
)

func mac(s string) net.HardwareAddr {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// serial makes each frame's payload unlike any other's.
var serial atomic.Uint32

// inner describes an Ethernet frame with a UDP or TCP packet.
type inner struct {
	dst, src string
	tags     []layers.EthernetType // of VLAN tags, outermost first; the n-th has VLAN 100+n
	from, to netip.Addr
	tos, ttl uint8
	label    uint32 // of IPv6
	df       bool
	tcp      bool
	sport    uint16
	dport    uint16
	size     int // of the payload; the serial number stands at its end
}

// frameTo is a frame to dst, changed by edit. Frames without another edit are
// of one flow, each with its own payload.
func frameTo(dst string, edit ...func(*inner)) []byte {
	f := inner{
		dst: dst, src: hostMAC, ttl: 33, sport: 1000, dport: 2000, size: 32,
		from: addr("198.51.100.1"), to: addr("198.51.100.2"),
	}
	for _, e := range edit {
		e(&f)
	}
	return f.bytes()
}

// frameFrom is a broadcast from src, as it comes out of the tunnel.
func frameFrom(src string, edit ...func(*inner)) []byte {
	return frameTo(broadcast, append([]func(*inner){func(f *inner) { f.src = src }}, edit...)...)
}

func ipv6Inner(f *inner) { f.from, f.to = addr("2001:db8:2::1"), addr("2001:db8:2::2") }

func flow(n int) func(*inner) { return func(f *inner) { f.sport = 1000 + uint16(n) } }

func tagged(types ...layers.EthernetType) func(*inner) { return func(f *inner) { f.tags = types } }

func (f *inner) bytes() []byte {
	ip, network, kind := f.network()
	eth := &layers.Ethernet{DstMAC: mac(f.dst), SrcMAC: mac(f.src), EthernetType: kind}
	stack := []gopacket.SerializableLayer{eth}
	for i := range f.tags {
		tag := &layers.Dot1Q{VLANIdentifier: uint16(100 + i), Type: kind}
		if i+1 < len(f.tags) {
			tag.Type = f.tags[i+1]
		}
		stack = append(stack, tag)
	}
	if len(f.tags) > 0 {
		eth.EthernetType = f.tags[0]
	}
	payload := make([]byte, max(f.size, 4))
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	binary.BigEndian.PutUint32(payload[len(payload)-4:], serial.Add(1))
	stack = append(stack, ip, f.transport(network), gopacket.Payload(payload))
	return serialize(stack...)
}

func (f *inner) network() (gopacket.SerializableLayer, gopacket.NetworkLayer, layers.EthernetType) {
	proto := layers.IPProtocolUDP
	if f.tcp {
		proto = layers.IPProtocolTCP
	}
	if f.from.Is6() {
		ip := &layers.IPv6{
			Version: 6, TrafficClass: f.tos, FlowLabel: f.label, HopLimit: f.ttl, NextHeader: proto,
			SrcIP: f.from.AsSlice(), DstIP: f.to.AsSlice(),
		}
		return ip, ip, layers.EthernetTypeIPv6
	}
	ip := &layers.IPv4{
		Version: 4, IHL: 5, TOS: f.tos, TTL: f.ttl, Id: 7, Protocol: proto,
		SrcIP: f.from.AsSlice(), DstIP: f.to.AsSlice(),
	}
	if f.df {
		ip.Flags = layers.IPv4DontFragment
	}
	return ip, ip, layers.EthernetTypeIPv4
}

func (f *inner) transport(network gopacket.NetworkLayer) gopacket.SerializableLayer {
	if f.tcp {
		tcp := &layers.TCP{
			SrcPort: layers.TCPPort(f.sport), DstPort: layers.TCPPort(f.dport),
			Seq: 1000, Ack: 1, ACK: true, Window: 8192,
		}
		must0(tcp.SetNetworkLayerForChecksum(network))
		return tcp
	}
	udp := &layers.UDP{SrcPort: layers.UDPPort(f.sport), DstPort: layers.UDPPort(f.dport)}
	must0(udp.SetNetworkLayerForChecksum(network))
	return udp
}

func serialize(stack ...gopacket.SerializableLayer) []byte {
	buf := gopacket.NewSerializeBuffer()
	must0(gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...))
	return buf.Bytes()
}

// must0 is for what fails only where the test itself is wrong.
func must0(err error) {
	if err != nil {
		panic(err)
	}
}

// vxlanHeader is the header of RFC 7348 section 5: I flag, VNI, zeros.
func vxlanHeader(vni uint32) []byte {
	return []byte{0x08, 0, 0, 0, byte(vni >> 16), byte(vni >> 8), byte(vni), 0}
}

// checksum says what stands in the outer UDP header.
type checksum int

const (
	rightSum checksum = iota
	zeroSum
	wrongSum
)

// outer describes a packet on the underlay.
type outer struct {
	dstMAC, srcMAC net.HardwareAddr
	src, dst       netip.Addr
	sport, dport   uint16
	tos            uint8
	ttl            uint8  // 0: 64
	payload        []byte // of UDP
	sum            checksum
}

func (o *outer) bytes() []byte {
	udp := &layers.UDP{SrcPort: layers.UDPPort(o.sport), DstPort: layers.UDPPort(o.dport)}
	eth := &layers.Ethernet{DstMAC: o.dstMAC, SrcMAC: o.srcMAC}
	if m := o.dst.AsSlice(); o.dst.IsMulticast() && o.dst.Is4() { // RFC 1112 section 6.4
		eth.DstMAC = net.HardwareAddr{1, 0, 0x5e, m[1] & 0x7f, m[2], m[3]}
	} else if o.dst.IsMulticast() { // RFC 2464 section 7
		eth.DstMAC = net.HardwareAddr{0x33, 0x33, m[12], m[13], m[14], m[15]}
	}
	var ip gopacket.SerializableLayer
	at := 14 + 20 + 6 // of the UDP checksum
	if o.src.Is6() {
		ip6 := &layers.IPv6{
			Version: 6, TrafficClass: o.tos, HopLimit: cmp.Or(o.ttl, 64), NextHeader: layers.IPProtocolUDP,
			SrcIP: o.src.AsSlice(), DstIP: o.dst.AsSlice(),
		}
		must0(udp.SetNetworkLayerForChecksum(ip6))
		ip, at = ip6, 14+40+6
		eth.EthernetType = layers.EthernetTypeIPv6
	} else {
		ip4 := &layers.IPv4{
			Version: 4, IHL: 5, TOS: o.tos, TTL: cmp.Or(o.ttl, 64), Protocol: layers.IPProtocolUDP,
			SrcIP: o.src.AsSlice(), DstIP: o.dst.AsSlice(),
		}
		must0(udp.SetNetworkLayerForChecksum(ip4))
		ip = ip4
		eth.EthernetType = layers.EthernetTypeIPv4
	}
	b := serialize(eth, ip, udp, gopacket.Payload(o.payload))
	switch o.sum {
	case rightSum:
	case zeroSum:
		b[at], b[at+1] = 0, 0
	case wrongSum:
		b[at] ^= 0x55
		if b[at]|b[at+1] == 0 {
			b[at+1] = 1 // zero would say that there is none
		}
	}
	return b
}

// family is an underlay: the daemon's address and those of its peers, which
// all are the probe.
type family struct {
	name  string
	local netip.Prefix
	peers [4]netip.Addr
	group netip.Addr
}

func ipv4Underlay() family {
	return family{"IPv4", netip.MustParsePrefix("192.0.2.1/24"),
		[4]netip.Addr{addr("192.0.2.2"), addr("192.0.2.3"), addr("192.0.2.4"), addr("192.0.2.77")}, addr("239.1.1.1")}
}

func ipv6Underlay() family {
	return family{"IPv6", netip.MustParsePrefix("2001:db8:1::1/64"),
		[4]netip.Addr{addr("2001:db8:1::2"), addr("2001:db8:1::3"), addr("2001:db8:1::4"), addr("2001:db8:1::77")}, addr("ff05::100")}
}

// eachUnderlay runs body over IPv4 and over IPv6, at the same time, when what the test has besides is done.
func eachUnderlay(t *testing.T, body func(t *testing.T, f family)) {
	for _, f := range []family{ipv4Underlay(), ipv6Underlay()} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			body(t, f)
		})
	}
}

// words is the default destination's part of a link sentence.
func (f family) words() string { return fmt.Sprintf("local %s remote %s", f.local.Addr(), f.peers[0]) }
