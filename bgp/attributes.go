package bgp

import "net/netip"

// Origin is the ORIGIN attribute (RFC 4271 section 5.1.1).
type Origin uint8

// The origins.
const (
	OriginIGP        Origin = 0
	OriginEGP        Origin = 1
	OriginIncomplete Origin = 2
)

// PMSI is the P-Multicast Service Interface Tunnel attribute (RFC 6514 section 5).
type PMSI struct {
	Flags uint8
	// Tunnel is its type; TunnelIngressReplication is the one that VXLAN without multicast
	// has. TunnelNone (0) means "no tunnel", which is not the same as no attribute.
	Tunnel uint8
	// Label is the 24 bits of the label field; the VNI with VXLAN (RFC 8365 section 5.1.3).
	Label uint32
	// ID is the tunnel identifier of TunnelIngressReplication, the address to send to; not
	// valid for other types, whose identifiers are not kept.
	ID netip.Addr
}

// Tunnel types of a PMSI (RFC 6514 section 5).
const (
	TunnelNone               = 0
	TunnelIngressReplication = 6
)

// Attributes are the path attributes of a route. Those that a Speaker hands over are
// immutable and may be kept; routes of one neighbour with equal attributes mostly share one
// Attributes. Attributes given to Announce are copied.
//
// Attributes of other kinds that were received are not kept: a leaf passes nothing on.
type Attributes struct {
	// NextHop is the VTEP that has what the route says (RFC 8365 section 5.1.3).
	NextHop netip.Addr
	Origin  Origin
	// ASPath is the AS numbers from the neighbour's to the originator's, those of sets and
	// confederations among them, with four bytes each whatever the session has (RFC 6793).
	// Of routes to announce it is empty: the Speaker puts its own AS in.
	ASPath []uint32
	// MED is the MULTI_EXIT_DISC, 0 where there is none.
	MED uint32
	// LocalPref is the LOCAL_PREF of routes of one's own AS; 100 where none was said.
	LocalPref uint32
	// OriginatorID and ClusterList are what route reflectors add (RFC 4456 section 8).
	OriginatorID   uint32
	ClusterList    []uint32
	Communities    []Community
	ExtCommunities []ExtCommunity
	// PMSI is nil where the route has none.
	PMSI *PMSI
}

// Update is what one UPDATE message says of EVPN routes: Withdrawn are gone, Announced are
// there, new or in place of earlier ones with the same Key, with Attributes.
type Update struct {
	Withdrawn  []Route
	Announced  []Route
	Attributes *Attributes
}
