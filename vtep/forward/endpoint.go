package forward

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

// Endpoint is what packets need of a local address and port: which link has which VNI.
type Endpoint struct {
	plane *Plane
	vnis  vniTable
	// wild is the endpoint of every address and the same port, whose links
	// this one serves, too; nil: there is none, or it is this one.
	wild atomic.Pointer[Endpoint]

	messages  atomic.Uint64 // read
	undecided atomic.Bool   // a datagram could not be decided, see samehost.go
}

// NewEndpoint is an endpoint without links.
func NewEndpoint(p *Plane) *Endpoint { return &Endpoint{plane: p} }

// SetLink gives the packets of a VNI to l, or to nobody where it is nil. One at a time
// may call it.
func (ep *Endpoint) SetLink(vni encap.VNI, l *Link) { ep.vnis.set(vni, l) }

// SetWild has ep serve the links of another endpoint, too; nil: of none.
func (ep *Endpoint) SetWild(wild *Endpoint) { ep.wild.Store(wild) }

// Messages is how many were read.
func (ep *Endpoint) Messages() uint64 { return ep.messages.Load() }

// Undecided reports whether a datagram could not be decided, see samehost.go.
func (ep *Endpoint) Undecided() bool { return ep.undecided.Load() }

// link is who a packet for vni is given to, nil if there is none. A packet for
// an address that has a socket of its own is heard there and not on the
// wildcard socket, so that an endpoint also serves the links of that one.
func (ep *Endpoint) link(vni encap.VNI) *Link {
	if l := ep.vnis.link(vni); l != nil {
		return l
	}
	if wild := ep.wild.Load(); wild != nil {
		return wild.vnis.link(vni)
	}
	return nil
}
