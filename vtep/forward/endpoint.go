package forward

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

// Endpoint is what packets need of a local address and port: which link has which VNI.
type Endpoint struct {
	plane *Plane
	vnis  vniTable
	// Wild is the endpoint of every address and the same port, whose links
	// this one serves, too; nil: there is none, or it is this one.
	Wild atomic.Pointer[Endpoint]

	Messages  atomic.Uint64 // read
	Undecided atomic.Bool   // a datagram could not be decided, see samehost.go
}

// NewEndpoint is an endpoint without links.
func NewEndpoint(p *Plane) *Endpoint { return &Endpoint{plane: p} }

// SetLink gives the packets of a VNI to l, or to nobody where it is nil. One at a time
// may call it.
func (ep *Endpoint) SetLink(vni encap.VNI, l *Link) { ep.vnis.set(vni, l) }

// link is who a packet for vni is given to, nil if there is none. A packet for
// an address that has a socket of its own is heard there and not on the
// wildcard socket, so that an endpoint also serves the links of that one.
func (ep *Endpoint) link(vni encap.VNI) *Link {
	if l := ep.vnis.link(vni); l != nil {
		return l
	}
	if wild := ep.Wild.Load(); wild != nil {
		return wild.vnis.link(vni)
	}
	return nil
}
