package api

import "net/netip"

// LocalEntry is a MAC address on this side of a link with learnlocal, or one IP address of
// it: what hosts behind the link's port showed in their frames. A MAC address with n IP
// addresses has n+1 lines, its own first.
type LocalEntry struct {
	Dev string     `json:"dev"`
	MAC string     `json:"mac"`
	IP  netip.Addr `json:"ip,omitzero"` // zero: the line is that of the MAC address itself
	// Router: the host says that it is a router, of an IPv6 address (RFC 4861 section 4.4).
	Router bool `json:"router,omitempty"`
	// Contested: a permanent FDB entry has the MAC address behind a remote. It stays, so that
	// frames for the address still go there, and nobody is to be told that the address is here.
	Contested bool `json:"contested,omitempty"`
	// Sticky: a sticky FDB entry has the MAC address here. It neither ages nor moves, and others
	// are to be told so (RFC 7432 section 15.2).
	Sticky  bool   `json:"sticky,omitempty"`
	Updated uint64 `json:"updated"` // seconds ago
}

// LocalFilter selects local entries. A field that is not set selects all.
type LocalFilter struct {
	Dev string `json:"dev,omitempty"`
	MAC string `json:"mac,omitempty"`
}
