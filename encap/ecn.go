package encap

import "encoding/binary"

// ECN codepoints, the low two bits of the IPv4 TOS and the IPv6 traffic class
// (RFC 3168 section 5).
const (
	ECNNotECT uint8 = 0 // not ECN-capable
	ECNECT1   uint8 = 1 // ECN-capable; L4S (RFC 9331)
	ECNECT0   uint8 = 2 // ECN-capable
	ECNCE     uint8 = 3 // congestion experienced

	ecnMask uint8 = 3
)

// EncapTOS is the TOS or traffic class of the outer header for an inner one,
// which is 0 where the frame carries no IP. The ECN field is a copy of the
// inner one, CE included: RFC 6040 section 4.1, normal mode, which RFC 9601
// extends to tunnels with shim headers such as VXLAN. The DSCP is the inner
// one with inherit, else that of tos, whose own ECN bits do not count.
func EncapTOS(inner uint8, tos uint8, inherit bool) uint8 {
	if inherit {
		return inner
	}
	return tos&^ecnMask | inner&ecnMask
}

// DecapECN is the ECN field of the frame that leaves the tunnel, RFC 6040
// section 4.2, figure 4; only the low two bits of outer and inner count. drop
// says that the outer header reports congestion to a flow that cannot
// understand it: the packet is dropped in place of the mark.
//
//	                        outer
//	inner      Not-ECT   ECT(0)    ECT(1)    CE
//	Not-ECT    Not-ECT   Not-ECT   Not-ECT   drop
//	ECT(0)     ECT(0)    ECT(0)    ECT(1)    CE
//	ECT(1)     ECT(1)    ECT(1)    ECT(1)    CE
//	CE         CE        CE        CE        CE
func DecapECN(outer, inner uint8) (ecn uint8, drop bool) {
	outer, inner = outer&ecnMask, inner&ecnMask
	switch {
	case inner == ECNNotECT:
		return ECNNotECT, outer == ECNCE
	case outer == ECNCE:
		return ECNCE, false
	case inner == ECNECT0 && outer == ECNECT1:
		return ECNECT1, false
	}
	return inner, false
}

// SetInnerECN sets the ECN field of the IP packet in b, described by in, whose
// TOS it keeps in step. The IPv4 header checksum is updated from the change
// alone (RFC 1624 equation 3), so that a wrong one stays wrong. Frames without
// IP stay as they are.
func SetInnerECN(b []byte, in *Inner, ecn uint8) {
	ecn &= ecnMask
	tos := in.TOS&^ecnMask | ecn
	switch in.IPVersion {
	case 4:
		h := b[in.L3 : in.L3+ipv4HeaderLen]
		before := binary.BigEndian.Uint16(h)
		after := before&0xff00 | uint16(tos)
		if before == after {
			return
		}
		h[1] = tos
		// HC' = ~(~HC + ~m + m')
		sum := uint32(^binary.BigEndian.Uint16(h[10:])) + uint32(^before) + uint32(after)
		sum = sum>>16 + sum&0xffff
		sum = sum>>16 + sum&0xffff
		binary.BigEndian.PutUint16(h[10:], ^uint16(sum))
	case 6:
		// The traffic class lies across the first two bytes, RFC 8200 section 3.
		b[in.L3+1] = b[in.L3+1]&0xcf | ecn<<4
	default:
		return
	}
	in.TOS = tos
}
