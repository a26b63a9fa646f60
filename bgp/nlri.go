package bgp

import (
	"encoding/binary"
	"net/netip"
)

// NLRI of EVPN are a type, the length of what follows, and the route (RFC 7432 section 7).

// parseRoute reads what follows type and length. It fails where the bytes are not as the
// type says: the route is then nobody's, and the next one begins after its length.
func parseRoute(r *Route, typ RouteType, b []byte) bool {
	*r = Route{Type: typ}
	if len(b) < 8 {
		return false
	}
	r.RD = RD(b[:8])
	b = b[8:]
	switch typ {
	case AutoDiscovery: // section 7.1: ESI, ETag, label
		if len(b) != 17 {
			return false
		}
		r.ESI, r.ETag, r.Label = ESI(b[:10]), binary.BigEndian.Uint32(b[10:]), label(b[14:])
		return true
	case MACIP:
		return r.parseMACIP(b)
	case Multicast: // section 7.3: ETag, originator
		if len(b) < 5 {
			return false
		}
		r.ETag = binary.BigEndian.Uint32(b)
		rest, ok := r.parseIP(b[4:])
		return ok && len(rest) == 0 && r.IP.IsValid()
	case EthernetSegment: // section 7.4: ESI, originator
		if len(b) < 11 {
			return false
		}
		r.ESI = ESI(b[:10])
		rest, ok := r.parseIP(b[10:])
		return ok && len(rest) == 0 && r.IP.IsValid()
	case IPPrefix:
		return r.parsePrefix(b)
	default:
		return false
	}
}

// parseMACIP reads section 7.2: ESI, ETag, the MAC with its length of 48 bits, the host's
// address or none, one or two labels.
func (r *Route) parseMACIP(b []byte) bool {
	if len(b) < 25 || b[14] != 48 {
		return false
	}
	r.ESI, r.ETag, r.MAC = ESI(b[:10]), binary.BigEndian.Uint32(b[10:]), MAC(b[15:21])
	rest, ok := r.parseIP(b[21:])
	if !ok || len(rest) != 3 && len(rest) != 6 {
		return false
	}
	r.Label = label(rest)
	if len(rest) == 6 {
		r.Label2, r.HasLabel2 = label(rest[3:]), true
	}
	return true
}

// parsePrefix reads RFC 9136 section 3.1: ESI, ETag, the prefix and the gateway, both IPv4
// or both IPv6, and the label.
func (r *Route) parsePrefix(b []byte) bool {
	if len(b) != 26 && len(b) != 50 {
		return false
	}
	r.ESI, r.ETag, r.Bits = ESI(b[:10]), binary.BigEndian.Uint32(b[10:]), b[14]
	b = b[15:]
	n := (len(b) - 3) / 2
	ip, _ := netip.AddrFromSlice(b[:n])
	r.Gateway, _ = netip.AddrFromSlice(b[n : 2*n])
	r.Label = label(b[2*n:])
	p, err := ip.Prefix(int(r.Bits)) // bits beyond the length mean nothing
	r.IP = p.Addr()
	return err == nil
}

// parseIP reads an address with its length in bits: 0, 32 or 128.
func (r *Route) parseIP(b []byte) (rest []byte, ok bool) {
	n := int(b[0])
	b = b[1:]
	switch {
	case n == 0:
		return b, true
	case n == 32 && len(b) >= 4:
		r.IP = netip.AddrFrom4([4]byte(b[:4]))
		return b[4:], true
	case n == 128 && len(b) >= 16:
		r.IP = netip.AddrFrom16([16]byte(b[:16]))
		return b[16:], true
	default:
		return nil, false
	}
}

// label is the 24 bits of a label field.
func label(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }

func appendLabel(b []byte, l uint32) []byte { return append(b, byte(l>>16), byte(l>>8), byte(l)) }

// maxNLRI is the longest NLRI that is announced: an IPv6 prefix.
const maxNLRI = 2 + 58

// appendRoute appends the NLRI of a route.
func appendRoute(b []byte, r *Route) []byte {
	start := len(b)
	b = append(b, byte(r.Type), 0)
	b = append(b, r.RD[:]...)
	if r.Type != Multicast {
		b = append(b, r.ESI[:]...)
	}
	if r.Type != EthernetSegment {
		b = binary.BigEndian.AppendUint32(b, r.ETag)
	}
	switch r.Type {
	case AutoDiscovery:
		b = appendLabel(b, r.Label)
	case MACIP:
		b = append(append(b, 48), r.MAC[:]...)
		b = appendLabel(appendIP(b, r.IP), r.Label)
		if r.HasLabel2 {
			b = appendLabel(b, r.Label2)
		}
	case Multicast, EthernetSegment:
		b = appendIP(b, r.IP)
	case IPPrefix:
		b = append(b, r.Bits)
		b = appendAddr(appendAddr(b, r.IP), r.Gateway)
		b = appendLabel(b, r.Label)
	}
	b[start+1] = byte(len(b) - start - 2)
	return b
}

// appendIP appends an address with its length in bits.
func appendIP(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(b, 0)
	}
	return appendAddr(append(b, byte(a.BitLen())), a)
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		v := a.As4()
		return append(b, v[:]...)
	}
	v := a.As16()
	return append(b, v[:]...)
}

// check reports what keeps the route from being announced.
func (r *Route) check() string {
	host := r.IP.IsValid() && r.IP.Zone() == "" && !r.IP.Is4In6()
	switch r.Type {
	case AutoDiscovery:
		return ""
	case MACIP:
		if r.IP.IsValid() && !host {
			return "its IP is no address of a host"
		}
	case Multicast, EthernetSegment:
		if !host {
			return "it needs the address of its originator"
		}
	case IPPrefix:
		if p, err := r.IP.Prefix(int(r.Bits)); !host || err != nil || p.Addr() != r.IP || r.Gateway.BitLen() != r.IP.BitLen() {
			return "it needs a prefix and a gateway of the same family"
		}
	default:
		return "its type is none of 1 to 5"
	}
	return ""
}
