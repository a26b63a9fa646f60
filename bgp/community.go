package bgp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Community is a community (RFC 1997).
type Community uint32

// String is the community as it is written: "65001:7".
func (c Community) String() string { return fmt.Sprintf("%d:%d", c>>16, c&0xffff) }

// ExtCommunity is an extended community (RFC 4360): the eight bytes as a big-endian number,
// so that type and subtype are the upper 16 bits.
type ExtCommunity uint64

// Types and subtypes of extended communities, as the upper 16 bits.
const (
	extRouteTarget2    = 0x0002 // RFC 4360 section 4
	extRouteTargetIP   = 0x0102 // RFC 4360 section 4
	extRouteTarget4    = 0x0202 // RFC 5668 section 2
	extEncapsulation   = 0x030c // RFC 9012 section 4.1
	extDefaultGateway  = 0x030d // RFC 7432 section 7.8
	extMACMobility     = 0x0600 // RFC 7432 section 7.7
	extESILabel        = 0x0601 // RFC 7432 section 7.5
	extESImport        = 0x0602 // RFC 7432 section 7.6
	extRouterMAC       = 0x0603 // RFC 9135 section 8.1
	extNeighbourFlags  = 0x0608 // RFC 9047 section 2: the ARP/ND extended community
	extMulticastFlags  = 0x0609 // RFC 9251 section 9.5
	stickyBit          = 1 << 40
	singleActiveBit    = 1 << 40
	neighbourOverride  = 1 << 41 // RFC 9047 section 2: O, bit 6 of the flags
	neighbourRouter    = 1 << 40 // RFC 9047 section 2: R, bit 7 of the flags
	neighbourImmutable = 1 << 43 // RFC 9047 section 2: I, bit 4 of the flags
)

// EncapVXLAN is the tunnel type of VXLAN in an encapsulation community (RFC 8365 section 11).
const EncapVXLAN = 8

// RouteTarget returns the route target AS:n, in the two-octet type where the AS number has
// two bytes, and otherwise in the four-octet type, where n has 16 bits.
func RouteTarget(as, n uint32) ExtCommunity {
	if as <= 0xffff {
		return extRouteTarget2<<48 | ExtCommunity(as)<<32 | ExtCommunity(n)
	}
	return extRouteTarget4<<48 | ExtCommunity(as)<<16 | ExtCommunity(n&0xffff)
}

// ParseRouteTarget reads a route target in the forms ADDRESS:N, AS:N with an AS of two bytes
// and N of four, and AS:N with an AS of four bytes and N of two.
func ParseRouteTarget(s string) (ExtCommunity, error) {
	typ, v, err := parseAdminNumber(s)
	if err != nil {
		return 0, fmt.Errorf("bgp: route target %q: %w", s, err)
	}
	return ExtCommunity(binary.BigEndian.Uint64(append([]byte{typ, 2}, v[:]...))), nil
}

func (c ExtCommunity) kind() uint16 { return uint16(c >> 48) }

// IsRouteTarget reports whether the community is a route target, of any of its three types.
func (c ExtCommunity) IsRouteTarget() bool {
	switch c.kind() {
	case extRouteTarget2, extRouteTargetIP, extRouteTarget4:
		return true
	default:
		return false
	}
}

// Number is the number of a route target, without its AS or address: 32 bits of the
// two-octet type, 16 bits of the others.
func (c ExtCommunity) Number() uint32 {
	if c.kind() == extRouteTarget2 {
		return uint32(c)
	}
	return uint32(c & 0xffff)
}

// Encapsulation returns the community that says which tunnel a route is for.
func Encapsulation(tunnel uint16) ExtCommunity {
	return extEncapsulation<<48 | ExtCommunity(tunnel)
}

// Encapsulation is the tunnel type that the community says.
func (c ExtCommunity) Encapsulation() (tunnel uint16, ok bool) {
	return uint16(c), c.kind() == extEncapsulation
}

// MACMobility returns the community that counts the moves of a MAC (RFC 7432 section 7.7).
func MACMobility(sequence uint32, sticky bool) ExtCommunity {
	c := extMACMobility<<48 | ExtCommunity(sequence)
	if sticky {
		c |= stickyBit
	}
	return c
}

// MACMobility is the sequence number and the sticky flag that the community says.
func (c ExtCommunity) MACMobility() (sequence uint32, sticky, ok bool) {
	return uint32(c), c&stickyBit != 0, c.kind() == extMACMobility
}

// ESILabel is what the ESI label community of an Ethernet A-D route per ES says (RFC 7432
// section 7.5): whether only one VTEP of the segment forwards.
func (c ExtCommunity) ESILabel() (singleActive, ok bool) {
	return c&singleActiveBit != 0, c.kind() == extESILabel
}

// IsDefaultGateway reports whether the community is that of a gateway's MAC (RFC 7432
// section 7.8).
func (c ExtCommunity) IsDefaultGateway() bool { return c.kind() == extDefaultGateway }

// RouterMAC is the MAC of the router's MAC community (RFC 9135 section 8.1).
func (c ExtCommunity) RouterMAC() (mac MAC, ok bool) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(c))
	return MAC(b[2:]), c.kind() == extRouterMAC
}

// NeighbourFlags are those of the ARP/ND extended community (RFC 9047 section 2).
type NeighbourFlags struct{ Router, Override, Immutable bool }

// NeighbourFlagsCommunity returns the ARP/ND extended community with the flags.
func NeighbourFlagsCommunity(f NeighbourFlags) ExtCommunity {
	c := ExtCommunity(extNeighbourFlags) << 48
	if f.Router {
		c |= neighbourRouter
	}
	if f.Override {
		c |= neighbourOverride
	}
	if f.Immutable {
		c |= neighbourImmutable
	}
	return c
}

// NeighbourFlags is what an ARP/ND extended community says.
func (c ExtCommunity) NeighbourFlags() (f NeighbourFlags, ok bool) {
	return NeighbourFlags{
		Router: c&neighbourRouter != 0, Override: c&neighbourOverride != 0, Immutable: c&neighbourImmutable != 0,
	}, c.kind() == extNeighbourFlags
}

// String is the community as FRR prints it.
func (c ExtCommunity) String() string {
	switch c.kind() {
	case extRouteTarget2:
		return fmt.Sprintf("RT:%d:%d", uint16(c>>32), uint32(c))
	case extRouteTargetIP:
		return fmt.Sprintf("RT:%v:%d", ipv4(uint32(c>>16)), uint16(c))
	case extRouteTarget4:
		return fmt.Sprintf("RT:%d:%d", uint32(c>>16), uint16(c))
	case extEncapsulation:
		return fmt.Sprintf("ET:%d", uint16(c))
	case extDefaultGateway:
		return "Default Gateway"
	case extMACMobility:
		if c&stickyBit != 0 {
			return fmt.Sprintf("MM:%d, sticky MAC", uint32(c))
		}
		return fmt.Sprintf("MM:%d", uint32(c))
	case extRouterMAC:
		m, _ := c.RouterMAC()
		return fmt.Sprintf("Rmac:%v", m)
	case extNeighbourFlags:
		f, _ := c.NeighbourFlags()
		return fmt.Sprintf("ND:Router:%t,Override:%t,Immutable:%t", f.Router, f.Override, f.Immutable)
	default:
		return fmt.Sprintf("UNK:%016x", uint64(c))
	}
}

// ipv4 is the address of a number, as in router ids.
func ipv4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}
