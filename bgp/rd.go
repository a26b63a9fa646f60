package bgp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// RD is a route distinguisher as it is on the wire (RFC 4364 section 4.2).
type RD [8]byte

// NewRD returns the RD of type 1 that RFC 7432 section 7.9 asks for: an IPv4 address of
// this router, and a number that only one MAC-VRF of it has.
func NewRD(router netip.Addr, n uint16) RD {
	a := router.As4()
	return RD{0, 1, a[0], a[1], a[2], a[3], byte(n >> 8), byte(n)}
}

// String is the RD as FRR prints it: "192.0.2.1:5", "65001:5".
func (r RD) String() string {
	switch binary.BigEndian.Uint16(r[:]) {
	case 0:
		return fmt.Sprintf("%d:%d", binary.BigEndian.Uint16(r[2:]), binary.BigEndian.Uint32(r[4:]))
	case 1:
		return fmt.Sprintf("%v:%d", netip.AddrFrom4([4]byte(r[2:6])), binary.BigEndian.Uint16(r[6:]))
	case 2:
		return fmt.Sprintf("%d:%d", binary.BigEndian.Uint32(r[2:]), binary.BigEndian.Uint16(r[6:]))
	default:
		return fmt.Sprintf("%x", r[:])
	}
}

// ParseRD reads an RD in the forms ADDRESS:N, AS:N with an AS of two bytes and N of four,
// and AS:N with an AS of four bytes and N of two.
func ParseRD(s string) (RD, error) {
	typ, v, err := parseAdminNumber(s)
	if err != nil {
		return RD{}, fmt.Errorf("bgp: route distinguisher %q: %w", s, err)
	}
	return RD(append([]byte{0, typ}, v[:]...)), nil
}

// parseAdminNumber reads ADMINISTRATOR:NUMBER, of which RDs and route targets consist, in
// six bytes; the type is 0 for an AS of two bytes, 1 for an address, 2 for an AS of four.
func parseAdminNumber(s string) (typ byte, v [6]byte, err error) {
	admin, number, ok := strings.Cut(s, ":")
	if !ok {
		return 0, v, fmt.Errorf("write ADDRESS:NUMBER or AS:NUMBER")
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return 0, v, fmt.Errorf("%q is not a number of 32 bits", number)
	}
	if a, err := netip.ParseAddr(admin); err == nil && a.Is4() {
		b := a.As4()
		copy(v[:], b[:])
		typ = 1
	} else {
		as, err := strconv.ParseUint(admin, 10, 32)
		if err != nil {
			return 0, v, fmt.Errorf("%q is neither an IPv4 address nor an AS number", admin)
		}
		if as <= 0xffff {
			binary.BigEndian.PutUint16(v[:], uint16(as))
			binary.BigEndian.PutUint32(v[2:], uint32(n))
			return 0, v, nil
		}
		binary.BigEndian.PutUint32(v[:], uint32(as))
		typ = 2
	}
	if n > 0xffff {
		return 0, v, fmt.Errorf("%d is out of range: 0 to 65535 after an address or an AS number of four bytes", n)
	}
	binary.BigEndian.PutUint16(v[4:], uint16(n))
	return typ, v, nil
}
