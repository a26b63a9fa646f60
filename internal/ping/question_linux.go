package ping

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
)

// arpQuestion is an Ethernet frame with the ARP request for an address (RFC 826).
func arpQuestion(mac net.HardwareAddr, from, ip netip.Addr) []byte {
	b := append(bytes.Repeat([]byte{0xff}, macLen), mac...)
	b = append(b, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1)
	b = append(append(b, mac...), from.AsSlice()...)
	return append(append(b, make([]byte, macLen)...), ip.AsSlice()...)
}

// arpAnswer is the MAC that a frame says ip has; nil: it says nothing of that.
func arpAnswer(b []byte, ip netip.Addr) net.HardwareAddr {
	const end = 14 + 28
	if len(b) < end || !bytes.Equal(b[12:22], []byte{0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 2}) || !bytes.Equal(b[28:32], ip.AsSlice()) {
		return nil
	}
	return net.HardwareAddr(bytes.Clone(b[22:28]))
}

const (
	ethernetLen, nextICMPv6 = 14, 58
	// advertisementLen is that of a neighbour advertisement without options (RFC 4861
	// section 4.4).
	advertisementLen = 24
)

// solicitation is an Ethernet frame with the neighbour solicitation for an address (RFC 4861
// sections 4.3 and 7.2.2), to its solicited-node group (RFC 4291 section 2.7.1).
func solicitation(mac net.HardwareAddr, from, ip netip.Addr) []byte {
	target := ip.As16()
	group := netip.AddrFrom16([16]byte{0xff, 2, 11: 1, 12: 0xff, 13: target[13], 14: target[14], 15: target[15]})
	body := append(make([]byte, 4), target[:]...)
	if !from.IsUnspecified() { // else the option must not be there
		body = append(append(body, 1, 1), mac...) // source link-layer address
	}
	src, dst := from.As16(), group.As16()
	m := icmp.Message{Type: ipv6.ICMPTypeNeighborSolicitation, Body: &icmp.RawBody{Data: body}}
	b, _ := m.Marshal(icmp.IPv6PseudoHeader(src[:], dst[:])) // a RawBody marshals
	frame := append([]byte{0x33, 0x33, 0xff, target[13], target[14], target[15]}, mac...)
	frame = append(frame, 0x86, 0xdd, 0x60, 0, 0, 0)
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(b)))
	frame = append(frame, nextICMPv6, 255)
	return append(append(append(frame, src[:]...), dst[:]...), b...)
}

// advertisement is the MAC that a neighbour advertisement says ip has; nil: it says nothing
// of that.
func advertisement(b []byte, ip netip.Addr) net.HardwareAddr {
	if len(b) < ethernetLen+ipv6HeaderLen+advertisementLen || b[12] != 0x86 || b[13] != 0xdd || b[ethernetLen+6] != nextICMPv6 {
		return nil
	}
	m := b[ethernetLen+ipv6HeaderLen:]
	if m[0] != byte(ipv6.ICMPTypeNeighborAdvertisement) || !bytes.Equal(m[8:24], ip.AsSlice()) {
		return nil
	}
	return net.HardwareAddr(bytes.Clone(b[6:12]))
}
