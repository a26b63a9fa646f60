package encap

import "encoding/binary"

// ICMP types and codes.
const (
	icmpUnreachable   = 3 // RFC 792
	icmpSourceQuench  = 4
	icmpRedirect      = 5
	icmpTimeExceeded  = 11
	icmpParameter     = 12
	icmpFragNeeded    = 4   // code of icmpUnreachable
	icmpv6TooBig      = 2   // RFC 4443 section 3.2
	icmpv6FirstInfo   = 128 // RFC 4443 section 2.1: lower types are errors
	icmpv6Redirect    = 137 // RFC 4861 section 4.5
	icmpHeaderLen     = 8
	minIPv4MTU        = 68   // RFC 791 section 3.2
	minIPv6MTU        = 1280 // RFC 8200 section 5
	maxICMPv4Len      = 576  // RFC 1812 section 4.3.2.3, IP header included
	maxICMPv6Len      = minIPv6MTU
	tosNetworkControl = 0xc0 // RFC 1812 section 4.3.2.5: precedence 6
	errorTTL          = 64
)

// MaxFragNeededLen is the most that [AppendFragNeeded] appends.
const MaxFragNeededLen = EthernetHeaderLen + maxVLANTags*vlanTagLen + maxICMPv6Len

// AppendFragNeeded appends to dst the frame that tells the sender of frame,
// described by in, that its packet is larger than mtu, the largest layer 3
// packet that fits: ICMP fragmentation needed with the next-hop MTU for IPv4
// with DF (RFC 1191 section 4), ICMPv6 packet too big for IPv6 (RFC 4443
// section 3.2, RFC 8201). It has the VLAN tags of frame and complete checksums.
//
// A VTEP has no address in the tenant's network, so the message comes from the
// original destination, MAC and IP, as that of the kernel's tunnels does
// (net/ipv4/ip_tunnel_core.c: iptunnel_pmtud_build_icmp). Where the destination
// MAC is all zeros linkMAC takes its place.
//
// It is false, and dst unchanged, where no answer may be sent (RFC 1122
// section 3.2.2, RFC 4443 section 2.4): to multicast and broadcast, ICMP
// errors, fragments other than the first, addresses that are no single host,
// IPv4 without DF, IPv4 headers whose checksum is wrong (RFC 1812 section
// 5.2.2); where the packet itself fits, whatever padding made the frame too
// long; and where mtu is less than every host must take.
func AppendFragNeeded(dst []byte, frame []byte, in *Inner, mtu int, linkMAC MAC) ([]byte, bool) {
	if in.IPVersion == 0 || in.IPLen <= mtu || mtu > 0xffff || in.FragOffset != 0 || isICMPError(frame, in) {
		return dst, false
	}
	from, to := EthDst(frame), EthSrc(frame)
	if from.IsMulticast() || to.IsMulticast() || to.IsZero() {
		return dst, false
	}
	if from.IsZero() {
		from = linkMAC
	}
	ip := frame[in.L3:in.end(frame)]
	if in.IPVersion == 4 {
		if !in.DF || mtu < minIPv4MTU || !soundHeader4(ip) || !isHost4(ip[12:16]) || !isHost4(ip[16:20]) {
			return dst, false
		}
	} else if mtu < minIPv6MTU || !isHost6(ip[8:24]) || !isHost6(ip[24:40]) {
		return dst, false
	}
	dst = append(append(dst, to[:]...), from[:]...)
	dst = append(dst, frame[12:in.L3]...) // tags and EtherType
	if in.IPVersion == 4 {
		return appendFragNeeded4(dst, ip, mtu), true
	}
	return appendTooBig6(dst, ip, mtu), true
}

// appendFragNeeded4 appends the IPv4 packet that answers ip.
func appendFragNeeded4(dst, ip []byte, mtu int) []byte {
	quote := ip[:min(len(ip), maxICMPv4Len-ipv4HeaderLen-icmpHeaderLen)]
	start := len(dst)
	total := ipv4HeaderLen + icmpHeaderLen + len(quote)
	// Id 0 with DF: an atomic datagram (RFC 6864 section 4.1).
	dst = append(dst, 0x45, tosNetworkControl, uint8(total>>8), uint8(total),
		0, 0, 0x40, 0, errorTTL, ProtoICMP, 0, 0)
	dst = append(append(dst, ip[16:20]...), ip[12:16]...)
	dst = append(dst, icmpUnreachable, icmpFragNeeded, 0, 0,
		0, 0, uint8(mtu>>8), uint8(mtu))
	dst = append(dst, quote...)
	writeIPv4Checksum(dst[start : start+ipv4HeaderLen])
	icmp := dst[start+ipv4HeaderLen:]
	binary.BigEndian.PutUint16(icmp[2:], ^Sum(icmp))
	return dst
}

// appendTooBig6 appends the IPv6 packet that answers ip.
func appendTooBig6(dst, ip []byte, mtu int) []byte {
	quote := ip[:min(len(ip), maxICMPv6Len-ipv6HeaderLen-icmpHeaderLen)]
	start := len(dst)
	length := icmpHeaderLen + len(quote)
	dst = append(dst, 0x60, 0, 0, 0, uint8(length>>8), uint8(length), ProtoICMPv6, errorTTL)
	dst = append(append(dst, ip[24:40]...), ip[8:24]...)
	dst = append(dst, icmpv6TooBig, 0, 0, 0,
		uint8(mtu>>24), uint8(mtu>>16), uint8(mtu>>8), uint8(mtu))
	dst = append(dst, quote...)
	outer := Inner{IPVersion: 6, Proto: ProtoICMPv6, pseudoDst: 24}
	b := dst[start:]
	sum := ^foldSum(addBytes(addPseudo(b, &outer, length), b[ipv6HeaderLen:]))
	binary.BigEndian.PutUint16(b[ipv6HeaderLen+2:], sum)
	return dst
}

// isICMPError reports whether the packet is an ICMP error, or ICMP of which
// the type is out of reach.
func isICMPError(b []byte, in *Inner) bool {
	switch {
	case in.IPVersion == 4 && in.Proto == ProtoICMP:
		if in.L4 == 0 {
			return true
		}
		switch b[in.L4] {
		case icmpUnreachable, icmpSourceQuench, icmpRedirect, icmpTimeExceeded, icmpParameter:
			return true
		}
	case in.IPVersion == 6 && in.Proto == ProtoICMPv6:
		return in.L4 == 0 || b[in.L4] < icmpv6FirstInfo || b[in.L4] == icmpv6Redirect
	}
	return false
}

// soundHeader4 reports whether the IPv4 header of ip sums up (RFC 791 section 3.1).
func soundHeader4(ip []byte) bool {
	n := int(ip[0]&15) * 4
	return n >= ipv4HeaderLen && n <= len(ip) && Sum(ip[:n]) == 0xffff
}

// isHost4 reports whether a can be one host's address on a link: not this
// network, loopback, multicast, reserved or broadcast (RFC 1122 section
// 3.2.1.3).
func isHost4(a []byte) bool { return a[0] != 0 && a[0] != 127 && a[0] < 224 }

// isHost6 reports whether a can be one host's address on a link: not
// unspecified, loopback or multicast (RFC 4291 section 2.4).
func isHost6(a []byte) bool {
	return a[0] != 0xff &&
		binary.BigEndian.Uint64(a)|binary.BigEndian.Uint64(a[8:])&^1 != 0
}
