package encap

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Describe says in a line what the Ethernet frame b is, for people. b may be cut anywhere and
// hostile: what it does not have is left out, and no byte of it is printed as it is.
func Describe(b []byte) string {
	if len(b) < EthernetHeaderLen {
		return fmt.Sprintf("%d bytes, too short for an Ethernet header", len(b))
	}
	in := ParseInner(b)
	var s strings.Builder
	fmt.Fprintf(&s, "%s > %s", EthSrc(b), EthDst(b))
	if in.Tags > 0 {
		fmt.Fprintf(&s, ", VLAN %d", in.VID)
	}
	switch {
	case in.IPVersion != 0:
		src, dst := in.Addrs(b)
		fmt.Fprintf(&s, ", IPv%d %s > %s%s", in.IPVersion, src, dst, describeL4(b, &in))
	case in.EtherType == EtherTypeARP && in.L3 != 0:
		s.WriteString(describeARP(b[in.L3:]))
	case in.EtherType < leastEtherType:
		s.WriteString(", LLC") // IEEE 802.3 section 3.2.6: a length
	default:
		fmt.Fprintf(&s, ", ethertype 0x%04x", in.EtherType)
	}
	fmt.Fprintf(&s, ", %d bytes", len(b))
	return s.String()
}

// leastEtherType is the least EtherType: below is a length (IEEE 802.3 section 3.2.6).
const leastEtherType = 0x600

// describeARP is a's question or answer (RFC 826).
func describeARP(a []byte) string {
	const least = 28 // over Ethernet, for IPv4
	if len(a) < least {
		return ", ARP, cut"
	}
	sender, target := addr4(a[14:]), addr4(a[24:])
	if binary.BigEndian.Uint16(a[6:]) == arpRequest {
		return fmt.Sprintf(", ARP who has %s, tell %s", target, sender)
	}
	return fmt.Sprintf(", ARP %s is at %s", sender, MAC(a[8:14]))
}

// describeL4 is the transport header.
func describeL4(b []byte, in *Inner) string {
	if in.FragOffset > 0 {
		return fmt.Sprintf(", fragment of protocol %d at %d", in.Proto, in.FragOffset)
	}
	if in.L4 == 0 {
		return fmt.Sprintf(", protocol %d", in.Proto)
	}
	t := b[in.L4:]
	switch in.Proto {
	case ProtoUDP:
		return fmt.Sprintf(", UDP %d > %d", binary.BigEndian.Uint16(t), binary.BigEndian.Uint16(t[2:]))
	case ProtoTCP:
		return fmt.Sprintf(", TCP %d > %d%s", binary.BigEndian.Uint16(t), binary.BigEndian.Uint16(t[2:]), tcpFlags(t[13]))
	case ProtoICMP, ProtoICMPv6:
		return fmt.Sprintf(", ICMP type %d code %d", t[0], t[1])
	}
	return fmt.Sprintf(", protocol %d", in.Proto)
}

// tcpFlags names the flags (RFC 9293 section 3.1).
func tcpFlags(f byte) string {
	var s []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"} {
		if f&(1<<i) != 0 {
			s = append(s, name)
		}
	}
	return " " + strings.Join(s, "+")
}
