package interop_test

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/uvtep/uvtep/test/lab"
)

// outerPacket is a VXLAN packet as it was seen on the underlay.
type outerPacket struct {
	mac      net.HardwareAddr // destination of the outer frame
	src, dst netip.Addr
	ttl      uint8
	sport    uint16
	vni      uint32
	inner    []byte // the Ethernet frame
}

// The offsets of RFC 7348 section 5: an outer Ethernet header of 14 bytes, IPv4
// without options (20) or IPv6 (40), UDP (8), VXLAN (8).
const (
	etherLen, udpLen, vxlanLen = 14, 8, 8
	ipv4Len, ipv6Len           = 20, 40
)

// decodeOuter takes a packet to UDP port 4789 apart; false: it is none.
func decodeOuter(b []byte) (o outerPacket, ok bool) {
	if len(b) < etherLen+ipv6Len+udpLen+vxlanLen {
		return o, false
	}
	ip := b[etherLen:]
	var l4 []byte
	var proto byte
	switch binary.BigEndian.Uint16(b[12:]) {
	case 0x0800:
		o.src, _ = netip.AddrFromSlice(ip[12:16])
		o.dst, _ = netip.AddrFromSlice(ip[16:20])
		o.ttl, proto, l4 = ip[8], ip[9], ip[ipv4Len:]
	case 0x86dd:
		o.src, _ = netip.AddrFromSlice(ip[8:24])
		o.dst, _ = netip.AddrFromSlice(ip[24:40])
		o.ttl, proto, l4 = ip[7], ip[6], ip[ipv6Len:]
	}
	if proto != 17 || len(l4) < udpLen+vxlanLen || binary.BigEndian.Uint16(l4[2:]) != 4789 {
		return o, false
	}
	o.mac, o.sport = b[:6], binary.BigEndian.Uint16(l4)
	o.vni = binary.BigEndian.Uint32(l4[udpLen+4:]) >> 8
	o.inner = l4[udpLen+vxlanLen:]
	return o, len(o.inner) >= etherLen
}

// outerPackets are the VXLAN packets of a capture.
func outerPackets(packets []lab.Packet) []outerPacket {
	var all []outerPacket
	for _, p := range packets {
		if o, ok := decodeOuter(p.Data); ok {
			all = append(all, o)
		}
	}
	return all
}

func (o *outerPacket) innerType() uint16         { return binary.BigEndian.Uint16(o.inner[12:]) }
func (o *outerPacket) innerDst() string          { return net.HardwareAddr(o.inner[:6]).String() }
func (o *outerPacket) innerSrc() string          { return net.HardwareAddr(o.inner[6:12]).String() }
func (o *outerPacket) between(a, b *site) bool   { return o.src == a.outer && o.dst == b.outer }
func (o *outerPacket) toGroup(g netip.Addr) bool { return o.dst == g }
