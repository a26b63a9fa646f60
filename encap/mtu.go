package encap

// outerLen is what encapsulation puts before an inner frame on the outer IP
// layer: IP, UDP and VXLAN headers (RFC 7348 section 5).
const (
	outerLen4 = ipv4HeaderLen + udpHeaderLen + HeaderLen
	outerLen6 = ipv6HeaderLen + udpHeaderLen + HeaderLen
)

// MinMTU and MaxMTU bound the MTU of a link: ETH_MIN_MTU, the least that the kernel takes for an
// Ethernet device, and what keeps an encapsulated frame within a UDP datagram of 65,507 bytes.
const (
	MinMTU = 68
	MaxMTU = 65507 - HeaderLen - EthernetHeaderLen
)

// Overhead is by how many bytes the MTU of a link is less than that of the
// underlay: outer IP, UDP, VXLAN and the inner Ethernet header, 50 bytes on
// IPv4 and 70 on IPv6. An inner VLAN tag takes 4 more: see [LinkMTU].
func Overhead(ipv6 bool) int { return OuterLen(EthernetHeaderLen, ipv6) }

// OuterLen is the length of the outer IP packet that carries an inner frame
// of frameLen bytes. It fits a path whose MTU is not less.
func OuterLen(frameLen int, ipv6 bool) int {
	if ipv6 {
		return frameLen + outerLen6
	}
	return frameLen + outerLen4
}

// LinkMTU is the largest inner layer 3 packet, behind so many VLAN tags, that
// fits an underlay path of pathMTU bytes; 0 where none does. It is the MTU of
// a link, and the next-hop MTU that [AppendFragNeeded] reports.
func LinkMTU(pathMTU int, ipv6 bool, tags int) int {
	return max(0, pathMTU-Overhead(ipv6)-tags*vlanTagLen)
}
