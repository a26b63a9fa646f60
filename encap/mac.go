package encap

import (
	"fmt"
	"strings"
)

// EthernetHeaderLen is the length of an untagged Ethernet header: two
// addresses and the EtherType (IEEE 802.3 clause 3). A shorter inner frame is
// no frame.
const EthernetHeaderLen = 14

// MAC is an Ethernet address. It is comparable and serves as a map key.
type MAC [6]byte

// EthDst is the destination address of the frame b, which must hold at least
// [EthernetHeaderLen] bytes.
func EthDst(b []byte) MAC { return MAC(b[0:6]) }

// EthSrc is the source address of the frame b, which must hold at least
// [EthernetHeaderLen] bytes.
func EthSrc(b []byte) MAC { return MAC(b[6:12]) }

// IsMulticast reports whether the group bit is set, the lowest bit of the
// first byte (IEEE 802 section 8.2.2). Broadcast is multicast too.
func (m MAC) IsMulticast() bool { return m[0]&1 != 0 }

// IsBroadcast reports whether m is ff:ff:ff:ff:ff:ff.
func (m MAC) IsBroadcast() bool { return m == MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }

// IsZero reports whether m is 00:00:00:00:00:00, which is no station: in a
// VXLAN FDB it names the default destinations (bridge(8)).
func (m MAC) IsZero() bool { return m == MAC{} }

// String is m as iproute2 prints it: lower case, two digits a byte, colons.
func (m MAC) String() string {
	const digits = "0123456789abcdef"
	var s [17]byte
	for i, v := range m {
		if i > 0 {
			s[3*i-1] = ':'
		}
		s[3*i], s[3*i+1] = digits[v>>4], digits[v&15]
	}
	return string(s[:])
}

// ParseMAC reads six bytes in hexadecimal with colons between them, as
// iproute2 does (ll_addr_a2n in lib/ll_addr.c): one or two digits a byte, in
// either case.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	rest := s
	for i := range m {
		part, after, more := strings.Cut(rest, ":")
		v, ok := parseHexByte(part)
		if !ok || more != (i < len(m)-1) {
			return MAC{}, fmt.Errorf("encap: %q is no MAC address: want six bytes like 02:00:5e:10:00:01", s)
		}
		m[i], rest = v, after
	}
	return m, nil
}

// parseHexByte reads one or two hexadecimal digits and nothing else, which
// strconv would pad with signs and underscores.
func parseHexByte(s string) (v uint8, ok bool) {
	if len(s) == 0 || len(s) > 2 {
		return 0, false
	}
	for _, c := range []byte(s) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | c
	}
	return v, true
}
