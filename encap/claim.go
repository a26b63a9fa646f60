package encap

import "encoding/binary"

// Claim is what an ARP packet or a message of neighbour discovery says of who
// sent it: IP is at MAC.
type Claim struct {
	IP     Addr
	MAC    MAC
	Router bool // the R flag of an advertisement
	// Asks: it is a solicitation, which does not say whether its sender is a router.
	Asks bool
}

// ParseClaim reads the claim in frame b, described by in: the sender of an ARP
// packet (RFC 826), the target of an advertisement that may override what is
// known (RFC 4861 section 4.4: neither an anycast address nor a proxy's), the
// source of a solicitation. It is false for all else, for ARP probes (RFC 5227
// section 2.1.1) and duplicate address detection (RFC 4862 section 5.4), where
// the MAC is not the one that the frame came from, and for frames with a VLAN
// tag, whose neighbours are others.
func ParseClaim(b []byte, in *Inner) (c Claim, ok bool) {
	switch {
	case in.Tags > 0 || in.L3 == 0:
		return c, false
	case in.EtherType == EtherTypeARP:
		c, ok = claimOfARP(b[in.L3:])
	case in.IPVersion == 6 && in.Proto == ProtoICMPv6 && in.L4 == in.L3+ipv6HeaderLen:
		c, ok = claimOfND(b[in.L3:in.end(b)])
	}
	if !ok || c.MAC != EthSrc(b) || c.MAC.IsMulticast() || c.MAC.IsZero() {
		return Claim{}, false
	}
	return c, true
}

// claimOfARP reads a, the frame from the ARP header on.
func claimOfARP(a []byte) (c Claim, ok bool) {
	op, ok := arpOperation(a)
	if !ok || op != arpRequest && op != arpReply || !isHost4(a[14:18]) {
		return c, false
	}
	return Claim{IP: addr4(a[14:18]), MAC: MAC(a[8:14])}, true
}

// arpOperation is the operation of an ARP packet of Ethernet and IPv4.
func arpOperation(a []byte) (op uint16, ok bool) {
	if len(a) < arpLen {
		return 0, false
	}
	kind := binary.BigEndian.Uint16(a)
	ok = (kind == arpEthernet || kind == arpIEEE802) && binary.BigEndian.Uint16(a[2:]) == EtherTypeIPv4 && a[4] == 6 && a[5] == 4
	return binary.BigEndian.Uint16(a[6:]), ok
}

// claimOfND reads p, an IPv6 packet, as RFC 4861 sections 7.1.1 and 7.1.2 have
// it checked.
func claimOfND(p []byte) (c Claim, ok bool) {
	m := p[ipv6HeaderLen:]
	if len(m) < ndMessageLen || m[1] != 0 || p[7] != ndHopLimit {
		return c, false
	}
	option := uint8(ndTargetLL)
	switch {
	case m[0] == ndAdvertise && m[4]&ndOverride != 0 && isHost6(m[8:24]):
		c.IP, c.Router = Addr(m[8:24]), m[4]&ndRouter != 0
	case m[0] == ndSolicit && isHost6(p[8:24]):
		c.IP, c.Asks, option = Addr(p[8:24]), true, ndSourceLL
	default:
		return c, false
	}
	c.MAC, ok = ndOption(m[ndMessageLen:], option, MAC{})
	outer := Inner{IPVersion: 6, Proto: ProtoICMPv6, pseudoDst: 24}
	return c, ok && foldSum(addBytes(addPseudo(p, &outer, len(m)), m)) == 0xffff
}

// ndOption is the link-layer address among options o that has that type,
// otherwise if there is none; false: they are not sound, and the message is to be
// discarded (RFC 4861 section 4.6).
func ndOption(o []byte, kind uint8, otherwise MAC) (mac MAC, ok bool) {
	for len(o) >= ndOptionLen {
		n := int(o[1]) * 8
		if n == 0 || n > len(o) {
			return MAC{}, false
		}
		if o[0] == kind {
			return MAC(o[2:8]), true
		}
		o = o[n:]
	}
	return otherwise, true
}
