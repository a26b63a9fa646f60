package underlay

import (
	"encoding/binary"

	"github.com/uvtep/uvtep/encap"
)

// PseudoSum is the sum over the pseudo-header of a UDP datagram but for its length (RFC 768, RFC 8200 section 8.1), for
// who writes the outer headers beside a socket. See [FoldSum].
func PseudoSum(src, dst encap.Addr) uint32 {
	a, b := src[:], dst[:]
	if dst.Is4() {
		a, b = a[12:], b[12:]
	}
	sum := uint32(encap.ProtoUDP)
	for i := 0; i < len(a); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(a[i:])) + uint32(binary.BigEndian.Uint16(b[i:]))
	}
	return sum
}

// FoldSum makes 16 bits of a sum (RFC 1071).
func FoldSum(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// FlowLabel is the flow label of packets from source port sport to a remote, where the kernel would make one
// (RFC 6437 section 3; sysctl net.ipv6.auto_flowlabels): a flow that leaves by a socket and beside it has to have one label, and
// the kernel's own is made with a secret of its.
func FlowLabel(seed uint32, dst *encap.Addr, sport uint16) uint32 {
	const prime = 0x01000193 // FNV-1a's
	h := seed ^ uint32(sport)
	for i := 0; i < len(dst); i += 4 {
		h = (h ^ binary.BigEndian.Uint32(dst[i:])) * prime
	}
	h ^= h >> 15
	h *= prime
	h ^= h >> 13
	return max(h&encap.MaxFlowLabel, 1) // 0 would be the kernel's choice
}
