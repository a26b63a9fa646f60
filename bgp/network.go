package bgp

import (
	"context"
	"net"
	"net/netip"
)

// Network is how a Speaker reaches its neighbours.
type Network interface {
	// Dial connects to the neighbour.
	Dial(ctx context.Context, n *NeighbourConfig) (net.Conn, error)
	// Listen listens at an address, on a device where one is given.
	Listen(ctx context.Context, at netip.AddrPort, device string) (Listener, error)
}

// Listener takes connections of neighbours. RemoteAddr of a connection is a *net.TCPAddr.
type Listener interface {
	net.Listener
	// Expect takes connections that are signed with the neighbour's password, an empty one:
	// not signed.
	Expect(n *NeighbourConfig) error
	// Admit prepares a connection of the neighbour.
	Admit(c net.Conn, n *NeighbourConfig) error
}

// maxTTL is the TTL of packets where the distance is checked (RFC 5082 section 3).
const maxTTL = 255

// ttl is that of packets to the neighbour: with TTLSecurity the greatest, otherwise what
// takes them as far as the neighbour may be.
func (n *NeighbourConfig) ttl() int {
	if n.TTLSecurity {
		return maxTTL
	}
	return int(n.Hops)
}
