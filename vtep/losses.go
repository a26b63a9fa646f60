package vtep

import (
	"sync"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// What the kernel drops before a worker reads it, and what a worker reads that is no
// frame or datagram, is counted by the port or receiver. Once a second, and where
// somebody asks for the counters, the VTEP makes drop reasons of it: of the link that
// has the port, and of no link where the port is a trunk's or the sockets are an
// endpoint's, which links share.

// losses are those of a port, or of an endpoint's sockets, that were counted already.
type losses struct {
	mu      sync.Mutex // before the locks of the port or receiver
	counted encap.Losses
}

// count adds to counters what was lost since the call before.
func (l *losses) count(lost func() (encap.Losses, error), overflow, unreadable forward.DropReason, in ...*forward.Counters) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, err := lost()
	if err != nil {
		return // the netdev is gone, or on its way to another namespace
	}
	for _, c := range in {
		c.Count(overflow, now.Overflow-l.counted.Overflow)
		c.Count(unreadable, now.Unreadable-l.counted.Unreadable)
	}
	l.counted = now
}

// countLosses counts what the port lost.
func (n *netdev) countLosses() {
	n.losses.count(n.port.Losses, forward.TxPortOverflow, forward.TxUnreadable, n.lostTo...)
}

// idle reports whether no frame of the port was read since the call before. Then its
// queue has not overflowed either: a full queue has frames to read. Most of thousands
// of links are idle. The caller holds VTEP.mu.
func (n *netdev) idle() bool {
	if n.read == nil {
		return false
	}
	was := n.wasRead
	n.wasRead = n.read()
	return n.wasRead == was
}

// countLosses counts what the sockets lost.
func (ep *endpoint) countLosses() {
	lost := func() (encap.Losses, error) { return ep.receiver.Losses(), nil }
	ep.losses.count(lost, forward.RxSocketOverflow, forward.RxUnreadable, &ep.vtep.plane.Counters[0])
}

// sharedDrops is LinkInfo.Shared. The caller holds VTEP.mu.
func (l *link) sharedDrops() map[forward.DropReason]uint64 {
	var sum encap.Losses
	for _, ep := range l.endpoints {
		ep.losses.mu.Lock()
		n := ep.losses.counted
		ep.losses.mu.Unlock()
		sum.Overflow += n.Overflow
		sum.Unreadable += n.Unreadable
	}
	all := make(map[forward.DropReason]uint64)
	for r, n := range map[forward.DropReason]uint64{forward.RxSocketOverflow: sum.Overflow, forward.RxUnreadable: sum.Unreadable} {
		if n > 0 {
			all[r] = n
		}
	}
	return all
}

// countLosses counts the losses of all endpoints and ports. It leaves out ports that have been
// idle since the call before, unless all is set. The caller does not hold v.mu, since the
// kernel may take long to answer.
func (v *VTEP) countLosses(all bool) {
	var count []func()
	v.locked(func() {
		for _, ep := range v.endpoints {
			count = append(count, ep.countLosses)
		}
		for n := range v.netdevs {
			if !n.idle() || all {
				count = append(count, n.countLosses)
			}
		}
	})
	for _, fn := range count {
		fn()
	}
}

// countLossesOf counts the losses of a link's port, idle or not, and of its sockets.
func (v *VTEP) countLossesOf(name string) {
	var count []func()
	v.locked(func() {
		l, err := v.find(name)
		if err != nil {
			return
		}
		count = append(count, l.netdev.countLosses)
		for _, ep := range l.endpoints {
			count = append(count, ep.countLosses)
		}
	})
	for _, fn := range count {
		fn()
	}
}
