package bgp

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Attribute type codes.
const (
	attrOrigin       = 1  // RFC 4271 section 5.1.1
	attrASPath       = 2  // RFC 4271 section 5.1.2
	attrNextHop      = 3  // RFC 4271 section 5.1.3
	attrMED          = 4  // RFC 4271 section 5.1.4
	attrLocalPref    = 5  // RFC 4271 section 5.1.5
	attrAtomic       = 6  // RFC 4271 section 5.1.6
	attrAggregator   = 7  // RFC 4271 section 5.1.7
	attrCommunities  = 8  // RFC 1997
	attrOriginator   = 9  // RFC 4456 section 8
	attrClusterList  = 10 // RFC 4456 section 8
	attrReach        = 14 // RFC 4760 section 3
	attrUnreach      = 15 // RFC 4760 section 4
	attrExtCommunity = 16 // RFC 4360 section 2
	attrAS4Path      = 17 // RFC 6793 section 3
	attrAS4Agg       = 18 // RFC 6793 section 3
	attrPMSI         = 22 // RFC 6514 section 5
)

// Attribute flags (RFC 4271 section 4.3).
const (
	flagOptional   = 0x80
	flagTransitive = 0x40
	flagExtended   = 0x10
	flagsChecked   = flagOptional | flagTransitive
)

// defaultLocalPref is that of a route without one, as everybody's default is.
const defaultLocalPref = 100

// attribute is one of a list: its bytes, and what they say.
type attribute struct {
	flags, code byte
	value, raw  []byte
}

// nextAttribute reads the first attribute of a list. It fails where the list ends before it.
func nextAttribute(b []byte) (a attribute, rest []byte, ok bool) {
	if len(b) < 3 {
		return a, nil, false
	}
	n, begin := int(b[2]), 3
	if b[0]&flagExtended != 0 {
		if len(b) < 4 {
			return a, nil, false
		}
		n, begin = int(binary.BigEndian.Uint16(b[2:])), 4
	}
	if len(b) < begin+n {
		return a, nil, false
	}
	return attribute{flags: b[0], code: b[1], value: b[begin : begin+n], raw: b[:begin+n]}, b[begin+n:], true
}

// attributeFlags are the Optional and Transitive bits of an attribute that is known.
func attributeFlags(code byte) (flags byte, known bool) {
	switch code {
	case attrOrigin, attrASPath, attrNextHop, attrLocalPref, attrAtomic:
		return flagTransitive, true
	case attrMED, attrOriginator, attrClusterList:
		return flagOptional, true
	case attrAggregator, attrCommunities, attrExtCommunity, attrAS4Path, attrAS4Agg, attrPMSI:
		return flagOptional | flagTransitive, true
	default:
		return 0, false
	}
}

// what a malformed attribute leads to (RFC 7606 section 2).
type verdict uint8

const (
	taken verdict = iota
	discarded
	withdrawn
)

// parseAttributes reads a list of attributes without MP_REACH_NLRI, whose next hop it is
// given, each of a kind once. withdraw says that the routes are to be treated as withdrawn.
func (d *Decoder) parseAttributes(list, nextHop []byte) (a *Attributes, withdraw bool) {
	a = &Attributes{LocalPref: defaultLocalPref}
	a.NextHop, _ = netip.AddrFromSlice(nextHop[:min(len(nextHop), 16)])
	var as4Path []uint32
	var hasOrigin, hasPath bool
	for len(list) > 0 {
		var at attribute
		at, list, _ = nextAttribute(list)
		v := d.parseAttribute(at, a, &as4Path)
		hasOrigin = hasOrigin || at.code == attrOrigin
		hasPath = hasPath || at.code == attrASPath
		switch v {
		case withdrawn:
			return nil, true
		case discarded:
			d.drop(DropAttribute)
		case taken:
		}
	}
	if !hasOrigin || !hasPath { // RFC 7606 section 3 (d)
		return nil, true
	}
	a.ASPath = mergeAS4(a.ASPath, as4Path)
	return a, false
}

// parseAttribute reads one attribute into a: one case each, with the verdict of the section
// of RFC 7606 that it cites for what is malformed.
func (d *Decoder) parseAttribute(at attribute, a *Attributes, as4Path *[]uint32) verdict {
	v := at.value
	flags, _ := attributeFlags(at.code)
	if at.flags&flagsChecked != flags && at.code != attrAS4Path && at.code != attrAS4Agg && at.code != attrAggregator {
		return withdrawn // RFC 7606 section 3 (c)
	}
	switch at.code {
	case attrOrigin: // 7.1
		if len(v) != 1 || v[0] > byte(OriginIncomplete) {
			return withdrawn
		}
		a.Origin = Origin(v[0])
	case attrASPath: // 7.2
		var ok bool
		a.ASPath, ok = parsePath(v, d.AS4)
		return withdrawnUnless(ok)
	case attrNextHop: // 7.3; it is that of IPv4 unicast and means nothing here
		return withdrawnUnless(len(v) == 4)
	case attrMED: // 7.4
		if len(v) != 4 {
			return withdrawn
		}
		a.MED = binary.BigEndian.Uint32(v)
	case attrLocalPref: // 7.5
		if !d.Internal {
			return discarded
		}
		if len(v) != 4 {
			return withdrawn
		}
		a.LocalPref = binary.BigEndian.Uint32(v)
	case attrAtomic: // 7.6
		return discardedUnless(len(v) == 0)
	case attrAggregator: // 7.7
		return discardedUnless(len(v) == 8 || !d.AS4 && len(v) == 6)
	case attrOriginator, attrClusterList: // 7.9, 7.10
		return d.parseReflected(at, a)
	case attrAS4Path: // RFC 6793 section 6
		if d.AS4 {
			return discarded
		}
		path, ok := parsePath(v, true)
		if ok {
			*as4Path = path
		}
		return discardedUnless(ok)
	case attrAS4Agg:
		return discardedUnless(!d.AS4 && len(v) == 8)
	default:
		return a.parseCommunities(at)
	}
	return taken
}

// parseCommunities reads the attributes that say what routes are for.
func (a *Attributes) parseCommunities(at attribute) verdict {
	v := at.value
	switch at.code {
	case attrCommunities: // RFC 7606 section 7.8
		if len(v) == 0 || len(v)%4 != 0 {
			return withdrawn
		}
		for ; len(v) > 0; v = v[4:] {
			a.Communities = append(a.Communities, Community(binary.BigEndian.Uint32(v)))
		}
	case attrExtCommunity: // RFC 7606 section 7.14
		if len(v) == 0 || len(v)%8 != 0 {
			return withdrawn
		}
		a.ExtCommunities = make([]ExtCommunity, 0, len(v)/8)
		for ; len(v) > 0; v = v[8:] {
			a.ExtCommunities = append(a.ExtCommunities, ExtCommunity(binary.BigEndian.Uint64(v)))
		}
	case attrPMSI: // RFC 7606 section 8 has it treated as withdrawn
		if len(v) < 5 {
			return withdrawn
		}
		p := &PMSI{Flags: v[0], Tunnel: v[1], Label: label(v[2:])}
		if p.Tunnel == TunnelIngressReplication {
			var ok bool
			if p.ID, ok = netip.AddrFromSlice(v[5:]); !ok {
				return withdrawn
			}
		}
		a.PMSI = p
	}
	return taken
}

// parseReflected reads what route reflectors add, which means nothing from another AS.
func (d *Decoder) parseReflected(at attribute, a *Attributes) verdict {
	v := at.value
	switch {
	case !d.Internal:
		return discarded
	case at.code == attrOriginator:
		if len(v) != 4 {
			return withdrawn
		}
		a.OriginatorID = binary.BigEndian.Uint32(v)
	default:
		if len(v) == 0 || len(v)%4 != 0 {
			return withdrawn
		}
		for ; len(v) > 0; v = v[4:] {
			a.ClusterList = append(a.ClusterList, binary.BigEndian.Uint32(v))
		}
	}
	return taken
}

func withdrawnUnless(ok bool) verdict {
	if ok {
		return taken
	}
	return withdrawn
}

func discardedUnless(ok bool) verdict {
	if ok {
		return taken
	}
	return discarded
}

// parsePath reads an AS_PATH or AS4_PATH to its AS numbers (RFC 4271 section 4.3; segments
// of confederations: RFC 5065 section 3).
func parsePath(b []byte, as4 bool) (path []uint32, ok bool) {
	size := 2
	if as4 {
		size = 4
	}
	for len(b) > 0 {
		if len(b) < 2 || b[0] == 0 || b[0] > 4 || b[1] == 0 || len(b) < 2+size*int(b[1]) {
			return nil, false
		}
		n := int(b[1])
		for b = b[2:]; n > 0; n-- {
			if as4 {
				path = append(path, binary.BigEndian.Uint32(b))
			} else {
				path = append(path, uint32(binary.BigEndian.Uint16(b)))
			}
			b = b[size:]
		}
	}
	return path, true
}

// mergeAS4 puts the AS numbers of four bytes in their places, which are the last ones of
// the path (RFC 6793 section 4.2.3).
func mergeAS4(path, as4 []uint32) []uint32 {
	if len(as4) == 0 || len(as4) > len(path) {
		return path
	}
	return slices.Concat(path[:len(path)-len(as4)], as4)
}
