package vtep

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

// dataEndpoint is what packets need of a local address and port: which link has which VNI.
type dataEndpoint struct {
	plane *plane
	vnis  vniTable
	// wild is the endpoint of every address and the same port, whose links
	// this one serves, too; nil: there is none, or it is this one.
	wild atomic.Pointer[dataEndpoint]

	messages  atomic.Uint64 // read
	undecided atomic.Bool   // a datagram could not be decided, see samehost.go
}

// newDataEndpoint is an endpoint without links.
func newDataEndpoint(p *plane) *dataEndpoint { return &dataEndpoint{plane: p} }

// link is who a packet for vni is given to, nil if there is none. A packet for
// an address that has a socket of its own is heard there and not on the
// wildcard socket, so that an endpoint also serves the links of that one.
func (ep *dataEndpoint) link(vni encap.VNI) *dataLink {
	if l := ep.vnis.link(vni); l != nil {
		return l
	}
	if wild := ep.wild.Load(); wild != nil {
		return wild.vnis.link(vni)
	}
	return nil
}
