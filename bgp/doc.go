// Package bgp is a leaf BGP speaker of one address family, L2VPN EVPN (AFI 25, SAFI 70):
// it announces the routes that its program gives it, hands over the routes that it hears,
// and passes none of them on.
//
// Routes and attributes are values (Route, Key, Attributes). The codec turns them into
// messages and back without I/O. A Speaker has the sessions: RFC 4271 with the
// capabilities of RFC 4760, 6793, 2918, 7313, 4724 and 8538, and the error handling of
// RFC 7606. It chooses no best path and has no policy: which route of which neighbour
// counts is the program's.
package bgp
