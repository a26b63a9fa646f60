package encap

import "encoding/binary"

// MaxAnswerLen is the most that [Question.Append] appends.
const MaxAnswerLen = EthernetHeaderLen + ipv6HeaderLen + ndMessageLen + ndOptionLen

const (
	arpLen       = 28  // of Ethernet and IPv4, RFC 826
	arpRequest   = 1   // RFC 826
	arpReply     = 2   // RFC 826
	arpEthernet  = 1   // hardware type, IANA arp-parameters
	arpIEEE802   = 6   // hardware type, IANA arp-parameters
	ndSolicit    = 135 // RFC 4861 section 4.3
	ndAdvertise  = 136 // RFC 4861 section 4.4
	ndMessageLen = 24  // both, without options
	ndOptionLen  = 8   // of a link-layer address of 6 bytes, RFC 4861 section 4.6.1
	ndHopLimit   = 255 // RFC 4861 section 7.1.1
	ndSourceLL   = 1   // option: the sender's link-layer address
	ndTargetLL   = 2   // option: the target's link-layer address

	ndRouter    = 0x80 // flags of an advertisement, RFC 4861 section 4.4
	ndSolicited = 0x40
	ndOverride  = 0x20
)

// Question is an ARP request (RFC 826) or a neighbour solicitation (RFC 4861
// section 4.3): which MAC has Target?
type Question struct {
	Target Addr
	asker  Addr
	mac    MAC // of the asker
	class  [2]byte
}

// ParseQuestion reads the question in frame b, described by in. It is false for
// all else, and for what must reach everybody: gratuitous ARP, ARP probes (RFC
// 5227 section 2.1.1), duplicate address detection (RFC 4862 section 5.4); and
// for frames with a VLAN tag, whose neighbours are others.
func ParseQuestion(b []byte, in *Inner) (q Question, ok bool) {
	switch {
	case in.Tags > 0 || in.L3 == 0:
		return q, false
	case in.EtherType == EtherTypeARP:
		return parseARP(b[in.L3:])
	case in.IPVersion == 6 && in.Proto == ProtoICMPv6 && in.L4 == in.L3+ipv6HeaderLen:
		return parseSolicit(b[in.L3:in.end(b)], EthSrc(b))
	}
	return q, false
}

// parseARP reads a, the frame from the ARP header on.
func parseARP(a []byte) (q Question, ok bool) {
	if op, ok := arpOperation(a); !ok || op != arpRequest {
		return q, false
	}
	q.mac, q.asker, q.Target = MAC(a[8:14]), addr4(a[14:18]), addr4(a[24:28])
	if q.asker == q.Target || !isHost4(a[14:18]) || !isHost4(a[24:28]) || q.mac.IsMulticast() {
		return Question{}, false
	}
	return q, true
}

// parseSolicit reads p, an IPv6 packet of a frame from src.
func parseSolicit(p []byte, src MAC) (q Question, ok bool) {
	m := p[ipv6HeaderLen:]
	if len(m) < ndMessageLen || m[0] != ndSolicit || m[1] != 0 || p[7] != ndHopLimit || !isHost6(p[8:24]) || !isHost6(m[8:24]) {
		return q, false
	}
	q.asker, q.Target = Addr(p[8:24]), Addr(m[8:24])
	q.class = [2]byte{p[0], p[1] & 0xf0}
	q.mac, ok = ndOption(m[ndMessageLen:], ndSourceLL, src)
	return q, ok && !q.mac.IsMulticast()
}

// addr4 is the Addr of an IPv4 address.
func addr4(b []byte) Addr {
	return Addr{10: 0xff, 11: 0xff, 12: b[0], 13: b[1], 14: b[2], 15: b[3]}
}

// Append appends the frame that answers q in the name of the host with Target,
// whose MAC is mac: what arp_reduce and neigh_reduce of
// drivers/net/vxlan/vxlan_core.c send. router and override are for the R and O flags of IPv6
// (RFC 4861 section 4.4).
func (q *Question) Append(dst []byte, mac MAC, router, override bool) []byte {
	dst = append(append(dst, q.mac[:]...), mac[:]...)
	if q.Target.Is4() {
		dst = binary.BigEndian.AppendUint16(dst, EtherTypeARP)
		dst = binary.BigEndian.AppendUint16(dst, arpEthernet)
		dst = binary.BigEndian.AppendUint16(dst, EtherTypeIPv4)
		dst = append(dst, 6, 4, 0, arpReply)
		dst = append(append(dst, mac[:]...), q.Target[12:]...)
		return append(append(dst, q.mac[:]...), q.asker[12:]...)
	}
	dst = binary.BigEndian.AppendUint16(dst, EtherTypeIPv6)
	start := len(dst)
	const length = ndMessageLen + ndOptionLen
	dst = append(dst, q.class[0], q.class[1], 0, 0, 0, length, ProtoICMPv6, ndHopLimit)
	dst = append(append(dst, q.Target[:]...), q.asker[:]...)
	flags := uint8(ndSolicited)
	if override {
		flags |= ndOverride
	}
	if router {
		flags |= ndRouter
	}
	dst = append(dst, ndAdvertise, 0, 0, 0, flags, 0, 0, 0)
	dst = append(append(dst, q.Target[:]...), ndTargetLL, ndOptionLen/8)
	dst = append(dst, mac[:]...)
	p := dst[start:]
	outer := Inner{IPVersion: 6, Proto: ProtoICMPv6, pseudoDst: 24}
	sum := ^foldSum(addBytes(addPseudo(p, &outer, length), p[ipv6HeaderLen:]))
	binary.BigEndian.PutUint16(p[ipv6HeaderLen+2:], sum)
	return dst
}
