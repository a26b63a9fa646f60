package txring

import (
	"maps"
	"net/netip"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

// pathKey is what the way of packets follows from.
type pathKey struct {
	local encap.Addr // that the sockets are bound to; the zero Addr: the route's choice
	dst   encap.Addr
	zone  uint32
	port  uint16
	dscp  uint8 // TOS or traffic class but for ECN, which rules and routes may be about
	zero  bool  // checksum
}

// path is what is known of the way to a remote. What is known anew makes another one.
type path struct {
	key    pathKey
	why    string     // no ring is taken; "": one is
	dev    int        // index of the device that it leaves by, 0 where that is not known
	hop    netip.Addr // the neighbour, where it is known
	src    encap.Addr
	mtu    int
	metric int // hop limit of the route, 0 for none
	hops   uint8
	head   head

	state atomic.Uint32
	idle  int // looks since it was used; the follower's
}

// States of a path.
const (
	ready       = iota // the next datagram leaves by a ring
	socketsTurn        // by a socket, and from then on by a ring
	gone               // by a socket: something changed
)

// takes reports whether the next datagram may leave by a ring.
func (h *path) takes() bool {
	switch h.state.Load() {
	case ready:
		return h.why == ""
	case socketsTurn:
		h.state.CompareAndSwap(socketsTurn, ready)
	}
	return false
}

// mostPaths bounds the paths that are followed, and with them the memory and time of who follows. A tenant whose link takes the
// TOS from its frames can have one for each remote and DSCP: what finds no place leaves by sockets, and
// who sends no more has his forgotten.
const mostPaths = 4096

// paths is the table that transmitters read. Its map is never changed, but another one made.
type paths struct {
	at atomic.Pointer[map[pathKey]*path]
}

func (t *paths) of(key *pathKey) *path {
	m := t.at.Load()
	if m == nil {
		return nil
	}
	return (*m)[*key]
}

// all is a copy of the table.
func (t *paths) all() map[pathKey]*path {
	all := make(map[pathKey]*path)
	if m := t.at.Load(); m != nil {
		maps.Copy(all, *m)
	}
	return all
}
