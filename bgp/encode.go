package bgp

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// Encoder writes UPDATEs to one session.
type Encoder struct {
	// AS is this speaker's AS number, put before the path of routes to another AS.
	AS uint32
	// AS4 says that AS numbers have four bytes (RFC 6793), Internal that the neighbour is of
	// the same AS.
	AS4, Internal bool

	attributes []byte // of the group at hand, without the routes
}

// appendAttribute appends one attribute.
func appendAttribute(b []byte, flags, code byte, v []byte) []byte {
	if len(v) > 255 {
		b = append(b, flags|flagExtended, code, byte(len(v)>>8), byte(len(v)))
	} else {
		b = append(b, flags, code, byte(len(v)))
	}
	return append(b, v...)
}

// appendAttributes appends all attributes but the routes, in the order of their codes.
func (e *Encoder) appendAttributes(b []byte, a *Attributes) []byte {
	b = appendAttribute(b, flagTransitive, attrOrigin, []byte{byte(a.Origin)})
	b = e.appendPath(b, a.ASPath)
	if a.MED != 0 {
		b = appendAttribute(b, flagOptional, attrMED, binary.BigEndian.AppendUint32(nil, a.MED))
	}
	if e.Internal {
		b = appendAttribute(b, flagTransitive, attrLocalPref, binary.BigEndian.AppendUint32(nil, cmp.Or(a.LocalPref, defaultLocalPref)))
	}
	if len(a.Communities) > 0 {
		var v []byte
		for _, c := range a.Communities {
			v = binary.BigEndian.AppendUint32(v, uint32(c))
		}
		b = appendAttribute(b, flagOptional|flagTransitive, attrCommunities, v)
	}
	if len(a.ExtCommunities) > 0 {
		var v []byte
		for _, c := range a.ExtCommunities {
			v = binary.BigEndian.AppendUint64(v, uint64(c))
		}
		b = appendAttribute(b, flagOptional|flagTransitive, attrExtCommunity, v)
	}
	if p := a.PMSI; p != nil {
		v := appendLabel([]byte{p.Flags, p.Tunnel}, p.Label)
		if p.ID.IsValid() {
			v = appendAddr(v, p.ID)
		}
		b = appendAttribute(b, flagOptional|flagTransitive, attrPMSI, v)
	}
	return b
}

// appendPath appends AS_PATH, and AS4_PATH where AS numbers do not fit (RFC 6793 section
// 4.2.2).
func (e *Encoder) appendPath(b []byte, path []uint32) []byte {
	if !e.Internal {
		path = slices.Concat([]uint32{e.AS}, path)
	}
	if len(path) == 0 {
		return appendAttribute(b, flagTransitive, attrASPath, nil)
	}
	const sequence = 2
	v2, v4, wide := []byte{sequence, byte(len(path))}, []byte{sequence, byte(len(path))}, false
	for _, as := range path {
		v4 = binary.BigEndian.AppendUint32(v4, as)
		if as > 0xffff {
			as, wide = asTrans, true
		}
		v2 = binary.BigEndian.AppendUint16(v2, uint16(as))
	}
	if e.AS4 {
		return appendAttribute(b, flagTransitive, attrASPath, v4)
	}
	b = appendAttribute(b, flagTransitive, attrASPath, v2)
	if wide {
		b = appendAttribute(b, flagOptional|flagTransitive, attrAS4Path, v4)
	}
	return b
}

// AppendUpdate appends as many UPDATEs as it takes for what u says, at most maxMessage bytes each.
func (e *Encoder) AppendUpdate(b []byte, u *Update) []byte {
	for rest := u.Withdrawn; len(rest) > 0; {
		b, rest = appendWithdraw(b, rest)
	}
	if len(u.Announced) > 0 {
		e.attributes = e.appendAttributes(e.attributes[:0], u.Attributes)
		for rest := u.Announced; len(rest) > 0; {
			b, rest = appendAnnounce(b, rest, u.Attributes.NextHop, e.attributes)
		}
	}
	return b
}

// appendAnnounce appends one UPDATE with as many of the routes as fit, and returns the
// rest. MP_REACH_NLRI is the first attribute (RFC 7606 section 5.1).
func appendAnnounce(b []byte, routes []Route, nextHop netip.Addr, attributes []byte) ([]byte, []Route) {
	start := len(b)
	b = append(appendHeader(b, typeUpdate), 0, 0, 0, 0)
	list := len(b)
	b = append(b, flagOptional|flagExtended, attrReach, 0, 0, afiL2VPN>>8, afiL2VPN, safiEVPN, byte(nextHop.BitLen()/8))
	b = append(appendAddr(b, nextHop), 0)
	room := start + maxMessage - len(attributes) - maxNLRI
	b, routes = appendRoutes(b, routes, room)
	binary.BigEndian.PutUint16(b[list+2:], uint16(len(b)-list-4))
	b = append(b, attributes...)
	binary.BigEndian.PutUint16(b[list-2:], uint16(len(b)-list))
	return endMessage(b, start), routes
}

// appendWithdraw appends one UPDATE that withdraws as many of the routes as fit, and
// returns the rest; without routes it is the End-of-RIB mark (RFC 4724 section 2).
func appendWithdraw(b []byte, routes []Route) ([]byte, []Route) {
	start := len(b)
	b = append(appendHeader(b, typeUpdate), 0, 0, 0, 0)
	list := len(b)
	b = append(b, flagOptional|flagExtended, attrUnreach, 0, 0, afiL2VPN>>8, afiL2VPN, safiEVPN)
	b, routes = appendRoutes(b, routes, start+maxMessage-maxNLRI)
	binary.BigEndian.PutUint16(b[list+2:], uint16(len(b)-list-4))
	binary.BigEndian.PutUint16(b[list-2:], uint16(len(b)-list))
	return endMessage(b, start), routes
}

// AppendEndOfRIB appends the mark that all routes were sent.
func AppendEndOfRIB(b []byte) []byte {
	b, _ = appendWithdraw(b, nil)
	return b
}

// appendRoutes appends routes while the message is not longer than room.
func appendRoutes(b []byte, routes []Route, room int) ([]byte, []Route) {
	for len(routes) > 0 && len(b) <= room {
		b = appendRoute(b, &routes[0])
		routes = routes[1:]
	}
	return b, routes
}

// maxAttributes is how many bytes attributes may have, so that a route fits beside them.
const maxAttributes = 2048

// check reports what keeps the attributes from being announced.
func (a *Attributes) check() string {
	switch {
	case !a.NextHop.IsValid() || a.NextHop.IsUnspecified() || a.NextHop.Zone() != "" || a.NextHop.Is4In6():
		return "it needs a next hop"
	case len(a.ASPath) > 0:
		return "this speaker originates it, so its AS path is empty"
	case 4*len(a.Communities)+8*len(a.ExtCommunities) > maxAttributes:
		return "it has too many communities"
	case a.PMSI != nil && a.PMSI.Tunnel == TunnelIngressReplication && !a.PMSI.ID.IsValid():
		return "its PMSI needs the address to send to"
	default:
		return ""
	}
}
