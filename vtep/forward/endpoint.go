package forward

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

// Endpoint is what packets need of a local address and port: the links by VNI.
type Endpoint struct {
	plane *Plane
	vnis  vniTable
	// Wild is the endpoint of every address and the same port, whose links
	// this one serves, too; nil: there is none, or it is this one.
	Wild atomic.Pointer[Endpoint]

	Port uint16 // that it listens on, for captures

	Messages  atomic.Uint64 // how many were read
	Undecided atomic.Bool   // a datagram was dropped as RxUndecided: see samehost.go
}

// busyMessages is after how many messages of an endpoint the control plane is asked to look at it: five times a second
// at the least rate that it acts on.
const busyMessages = 4096

// count counts messages that were read.
func (ep *Endpoint) count(n uint64) {
	if now := ep.Messages.Add(n); now/busyMessages != (now-n)/busyMessages {
		ep.plane.busy()
	}
}

// NewEndpoint makes an endpoint without links.
func NewEndpoint(p *Plane) *Endpoint { return &Endpoint{plane: p} }

// SetLink assigns a VNI to l; nil: to no link. Calls must not overlap.
func (ep *Endpoint) SetLink(vni encap.VNI, l *Link) { ep.vnis.set(vni, l) }

// link is the link of a VNI; nil: there is none. The kernel gives a packet for an address
// that has a socket of its own to that socket alone and not to the wildcard's. So the
// endpoint of an address also serves the links of the wildcard endpoint.
func (ep *Endpoint) link(vni encap.VNI) *Link {
	if l := ep.vnis.link(vni); l != nil {
		return l
	}
	if wild := ep.Wild.Load(); wild != nil {
		return wild.vnis.link(vni)
	}
	return nil
}
