package bgp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// RouteType is the type of an EVPN route (RFC 7432 section 7).
type RouteType uint8

// The route types that a Speaker takes and announces. Others are ignored and counted
// (RFC 7432 section 7).
const (
	AutoDiscovery   RouteType = 1 // Ethernet A-D, RFC 7432 section 7.1: of an ES (ETag MaxETag) or of an EVI on it
	MACIP           RouteType = 2 // MAC/IP Advertisement, RFC 7432 section 7.2
	Multicast       RouteType = 3 // Inclusive Multicast Ethernet Tag, RFC 7432 section 7.3
	EthernetSegment RouteType = 4 // RFC 7432 section 7.4
	IPPrefix        RouteType = 5 // RFC 9136 section 3
)

// MaxETag is the Ethernet tag of an Ethernet A-D route per ES (RFC 7432 section 8.2.1).
const MaxETag = 0xffffffff

// MAC is an Ethernet address.
type MAC [6]byte

// String is the address as ip(8) prints it.
func (m MAC) String() string {
	const digits = "0123456789abcdef"
	var b [17]byte
	for i, v := range m {
		if i > 0 {
			b[3*i-1] = ':'
		}
		b[3*i], b[3*i+1] = digits[v>>4], digits[v&15]
	}
	return string(b[:])
}

// ESI is an Ethernet Segment Identifier (RFC 7432 section 5). The zero ESI is a host with
// one uplink.
type ESI [10]byte

// IsZero reports whether the ESI says that there is no Ethernet segment.
func (e ESI) IsZero() bool { return e == ESI{} }

// String is the identifier as FRR prints it: ten bytes with colons.
func (e ESI) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x:%02x:%02x:%02x:%02x", e[0], e[1], e[2], e[3], e[4], e[5], e[6], e[7], e[8], e[9])
}

// Route is an EVPN route: what one NLRI says. Fields that its type does not have are zero.
type Route struct {
	Type RouteType
	RD   RD
	// ESI is the Ethernet segment of types 1, 2, 4 and 5.
	ESI ESI
	// ETag is the Ethernet tag of types 1, 2, 3 and 5; 0 in VLAN-based services.
	ETag uint32
	// MAC is the address of type 2.
	MAC MAC
	// IP is the host's address of type 2 (not valid: the route is of the MAC alone), the
	// originating router's of types 3 and 4, the prefix's of type 5.
	IP netip.Addr
	// Bits is the length of the prefix of type 5.
	Bits uint8
	// Gateway is the overlay index of type 5; 0.0.0.0 or :: where there is none.
	Gateway netip.Addr
	// Label and Label2 are the 24 bits of the MPLS label fields as they are on the wire:
	// with VXLAN the VNI, unshifted (RFC 8365 section 5.1.3), with MPLS the label in the
	// upper 20 bits. Types 1, 2 and 5 have the first, type 2 may have the second.
	Label, Label2 uint32
	// HasLabel2 says that a type 2 has the second label.
	HasLabel2 bool
}

// Key is what tells one route from another, without pointers: a later route with the same
// Key replaces the earlier one, and withdraws name it (RFC 7432 section 7). It is the type,
// the RD, and
//
//	type 1: ESI, ETag      type 2: ETag, MAC, IP    type 3: ETag, IP
//	type 4: ESI, IP        type 5: ETag, prefix
//
// The zero Key is that of no route.
type Key [36]byte

// Places in a Key.
const (
	keyType = 0
	keyLen  = 1  // of the address in bytes: 0, 4 or 16
	keyRD   = 2  // 8 bytes
	keyMAC  = 10 // 6 bytes, or the ESI's 10, or 1 byte, the prefix's length
	keyTag  = 16 // 4 bytes; with an ESI the tag is at keyIP
	keyIP   = 20 // 16 bytes
)

// Key returns what identifies the route.
func (r *Route) Key() Key {
	var k Key
	k[keyType] = byte(r.Type)
	copy(k[keyRD:], r.RD[:])
	switch r.Type {
	case AutoDiscovery:
		copy(k[keyMAC:], r.ESI[:])
		binary.BigEndian.PutUint32(k[keyIP:], r.ETag)
		return k
	case EthernetSegment:
		copy(k[keyMAC:], r.ESI[:])
	case IPPrefix:
		k[keyMAC] = r.Bits
		binary.BigEndian.PutUint32(k[keyTag:], r.ETag)
	default:
		copy(k[keyMAC:], r.MAC[:])
		binary.BigEndian.PutUint32(k[keyTag:], r.ETag)
	}
	switch {
	case r.IP.Is4():
		a := r.IP.As4()
		k[keyLen] = 4
		copy(k[keyIP:], a[:])
	case r.IP.IsValid():
		a := r.IP.As16()
		k[keyLen] = 16
		copy(k[keyIP:], a[:])
	}
	return k
}

// Type is the type of the route that has the Key.
func (k *Key) Type() RouteType { return RouteType(k[keyType]) }

// Route returns the route that has the Key, as a withdraw names it: labels, the gateway,
// and the ESI of types 2 and 5 are not in a Key and are zero.
func (k *Key) Route() Route {
	r := Route{Type: k.Type(), RD: RD(k[keyRD : keyRD+8])}
	switch r.Type {
	case AutoDiscovery:
		r.ESI = ESI(k[keyMAC : keyMAC+10])
		r.ETag = binary.BigEndian.Uint32(k[keyIP:])
		return r
	case EthernetSegment:
		r.ESI = ESI(k[keyMAC : keyMAC+10])
	case IPPrefix:
		r.Bits = k[keyMAC]
		r.ETag = binary.BigEndian.Uint32(k[keyTag:])
	default:
		r.MAC = MAC(k[keyMAC : keyMAC+6])
		r.ETag = binary.BigEndian.Uint32(k[keyTag:])
	}
	switch k[keyLen] {
	case 4:
		r.IP = netip.AddrFrom4([4]byte(k[keyIP : keyIP+4]))
	case 16:
		r.IP = netip.AddrFrom16([16]byte(k[keyIP : keyIP+16]))
	}
	if r.Type == IPPrefix && r.IP.IsValid() {
		r.Gateway = netip.IPv4Unspecified()
		if r.IP.Is6() {
			r.Gateway = netip.IPv6Unspecified()
		}
	}
	return r
}

// String is the route's key as FRR prints it: [2]:[0]:[48]:[02:00:5e:00:53:01]:[32]:[192.0.2.7].
func (r Route) String() string {
	bits := 0
	if r.IP.IsValid() {
		bits = r.IP.BitLen()
	}
	switch r.Type {
	case AutoDiscovery:
		return fmt.Sprintf("[1]:[%d]:[%v]", r.ETag, r.ESI)
	case MACIP:
		if bits == 0 {
			return fmt.Sprintf("[2]:[%d]:[48]:[%v]", r.ETag, r.MAC)
		}
		return fmt.Sprintf("[2]:[%d]:[48]:[%v]:[%d]:[%v]", r.ETag, r.MAC, bits, r.IP)
	case Multicast:
		return fmt.Sprintf("[3]:[%d]:[%d]:[%v]", r.ETag, bits, r.IP)
	case EthernetSegment:
		return fmt.Sprintf("[4]:[%v]:[%d]:[%v]", r.ESI, bits, r.IP)
	case IPPrefix:
		return fmt.Sprintf("[5]:[%d]:[%d]:[%v]", r.ETag, r.Bits, r.IP)
	default:
		return fmt.Sprintf("[%d]", r.Type)
	}
}
