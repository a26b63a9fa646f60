package vtep

import (
	"fmt"
	"time"

	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// singlyFor is for how long an endpoint does without UDP_GRO where a sender on this
// host sent what could not be decided: kernel VTEPs of this host whose tenants send
// UDP superframes do so again and again.
const singlyFor = 10 * time.Minute

// onWake does what the data path noted.
func (v *VTEP) onWake() {
	v.meetDevices()
	v.locked(v.followUndecided)
}

// followUndecided has the endpoints that a datagram was undecided at receive without
// UDP_GRO, and those whose time is over with it again. The caller holds v.mu.
func (v *VTEP) followUndecided() {
	for _, ep := range v.endpoints {
		switch {
		case ep.singly == 0 && ep.Undecided.Load():
			until := v.now() + fdb.Tick(singlyFor/time.Second)
			if err := v.reopen(ep, until); err != nil {
				v.log.Warn("receiving without UDP GRO is not possible, trying again", "port", ep.key.port, "err", err)
				continue
			}
			v.log.Warn("UDP GRO is off for ten minutes: a sender on this host sent what may be joined datagrams or one superframe",
				"port", ep.key.port, "reason", forward.RxUndecided.String())
		case ep.singly != 0 && v.now() >= ep.singly:
			if err := v.reopen(ep, 0); err != nil {
				v.log.Warn("receiving with UDP GRO again is not possible, trying again", "port", ep.key.port, "err", err)
			}
		}
	}
}

// reopen gives the links of ep an endpoint of the same address and port, which does
// without UDP_GRO until then, or not at all. The option is never changed at a live
// socket: what was joined before would be read without its size, as one datagram.
// The caller holds v.mu.
func (v *VTEP) reopen(ep *endpoint, until fdb.Tick) error {
	next, err := v.open(ep.key, ep, until)
	if err != nil {
		return err
	}
	for l := range next.users {
		for i := range l.endpoints {
			if l.endpoints[i] == ep {
				l.endpoints[i] = next
			}
		}
	}
	v.serve(next)
	for l := range ep.users {
		ep.leaveAside(l) // a storm is found again
	}
	v.retire(ep)
	return nil
}

// inherit gives ep what it needs to forward what another one forwards, before its
// sockets are opened: what arrived before that would be refused.
func (ep *endpoint) inherit(other *endpoint) {
	for l, vni := range other.users {
		ep.users[l] = vni
		if other.byVNI[vni] == l {
			ep.setLink(vni, l)
		}
	}
	if other.other != nil {
		ep.setWild(other.other)
	}
}

// reason says why an endpoint does without UDP_GRO at present; "" where it does not.
func (ep *endpoint) reason() string {
	if ep.singly == 0 {
		return ""
	}
	return fmt.Sprintf("off for %d more seconds: a sender on this host sent what could not be decided (%s)",
		max(int(ep.singly)-int(ep.vtep.now()), 0), forward.RxUndecided)
}
