package encap

import (
	"encoding/binary"
	"math/bits"
)

// TCP options, RFC 9293 section 3.1 and 3.7.1.
const (
	tcpOptEnd = 0
	tcpOptNop = 1
	tcpOptMSS = 2
	mssOptLen = 4
)

// ClampMSS lowers the MSS that a TCP SYN announces to what fits a link of that
// MTU, in layer 3 bytes without VLAN tags (RFC 9293 section 3.7.1: the MTU less
// the fixed headers). It reports whether it did. The checksum is updated from
// the change alone (RFC 1624 equation 3), so that a wrong one stays wrong; a
// partial one covers no option. A SYN without the option stays as it is.
func ClampMSS(f *Frame, in *Inner, mtu int) bool {
	if in.Proto != ProtoTCP || in.L4 == 0 || f.Offload.Kind != GSONone {
		return false
	}
	b := f.Data
	tcp := b[in.L4:in.end(b)]
	if tcp[13]&tcpSYN == 0 {
		return false
	}
	at := mssOption(tcp)
	if at == 0 {
		return false
	}
	fixed := ipv4HeaderLen + tcpHeaderLen
	if in.IPVersion == 6 {
		fixed = ipv6HeaderLen + tcpHeaderLen
	}
	fits := mtu - fixed - int(in.Tags)*vlanTagLen
	before := binary.BigEndian.Uint16(tcp[at:])
	if fits <= 0 || int(before) <= fits {
		return false
	}
	after := uint16(fits)
	binary.BigEndian.PutUint16(tcp[at:], after)
	if f.Offload.Csum == CsumPartial {
		return true
	}
	if at%2 != 0 { // it lies across two words of the sum
		before, after = bits.ReverseBytes16(before), bits.ReverseBytes16(after)
	}
	sum := uint32(^binary.BigEndian.Uint16(tcp[tcpCsumOffset:])) + uint32(^before) + uint32(after)
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(tcp[tcpCsumOffset:], ^uint16(sum))
	return true
}

// mssOption is the offset of the value of the MSS option in a TCP header; 0:
// there is none.
func mssOption(tcp []byte) int {
	end := min(int(tcp[12]>>4)*4, len(tcp))
	for at := tcpHeaderLen; at < end; {
		switch tcp[at] {
		case tcpOptEnd:
			return 0
		case tcpOptNop:
			at++
			continue
		}
		if at+1 >= end || tcp[at+1] < 2 || at+int(tcp[at+1]) > end {
			return 0
		}
		if tcp[at] == tcpOptMSS && tcp[at+1] == mssOptLen {
			return at + 2
		}
		at += int(tcp[at+1])
	}
	return 0
}
