package vtep

import (
	"fmt"
	"maps"
	"time"

	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// singlyFor is for how long an endpoint does without UDP_GRO after a sender on this host sent
// a datagram that could not be decided. A kernel VTEP on this host whose tenants send UDP
// superframes does so again and again.
const singlyFor = 10 * time.Minute

// onWake looks at what the data path stored.
func (v *VTEP) onWake() {
	v.meetDevices()
	v.locked(v.followUndecided)
}

// followUndecided switches UDP_GRO off at endpoints where a datagram was undecided, and on
// again at those whose time is over. The caller holds v.mu.
func (v *VTEP) followUndecided() {
	for _, ep := range v.endpoints {
		switch {
		case ep.singly == 0 && ep.Undecided.Load():
			until := v.now() + fdb.Tick(singlyFor/time.Second)
			if err := v.reopen(ep, until); err != nil {
				v.log.Warn("receiving without UDP GRO is not possible, trying again", "port", ep.key.port, "err", err)
				continue
			}
			v.log.Warn("UDP GRO is off for ten minutes: a sender on this host sent a message that may be joined datagrams or one superframe",
				"port", ep.key.port, "reason", forward.RxUndecided.String())
		case ep.singly != 0 && v.now() >= ep.singly:
			if err := v.reopen(ep, 0); err != nil {
				v.log.Warn("receiving with UDP GRO again is not possible, trying again", "port", ep.key.port, "err", err)
			}
		}
	}
}

// reopen replaces ep by an endpoint of the same address and port, which does without UDP_GRO
// until then, or uses it where until is 0. The option of a live socket is never changed:
// datagrams that were joined before would be read without their size, as one. The caller
// holds v.mu.
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
		ep.leaveAside(l) // setAside finds a storm again
	}
	v.retire(ep)
	return nil
}

// inherit gives ep the links of another endpoint, before ep's sockets are opened: packets that
// arrive earlier would be dropped.
func (ep *endpoint) inherit(other *endpoint) {
	for l, vni := range other.users {
		ep.users[l] = vni
		if other.byVNI[vni] == l {
			ep.setLink(vni, l)
		}
	}
	ep.minTTL = maps.Clone(other.minTTL)
}

// reason says why an endpoint does without UDP_GRO at present; "": it uses UDP_GRO.
func (ep *endpoint) reason() string {
	if ep.singly == 0 {
		return ""
	}
	return fmt.Sprintf("off for %d more seconds: a sender on this host sent a datagram that may be several or one (%s)",
		max(int(ep.singly)-int(ep.vtep.now()), 0), forward.RxUndecided)
}
