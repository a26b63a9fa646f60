package vtep

import (
	"sync"

	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep/forward"
)

// What the kernel drops before a worker reads it, and what a worker read that was
// nothing, is counted by who reads. Once a second, and where somebody asks for
// the counters, it becomes drop reasons: of the link that has the port, and of
// nobody where the port is a trunk or the sockets are those of an endpoint, which
// links share.

// portLosses is what was counted of a port's losses.
type portLosses struct {
	mu      sync.Mutex // before the device's locks
	counted tap.Losses
	read    uint64 // frames from the port when it was last looked at
}

// count brings counters in line with what port lost.
func (p *portLosses) count(port Port, in ...*forward.Counters) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, err := port.Losses()
	if err != nil {
		return // it is gone, or on its way to another namespace
	}
	for _, c := range in {
		c.Count(forward.TxPortOverflow, now.Overflow-p.counted.Overflow)
		c.Count(forward.TxUnreadable, now.Unreadable-p.counted.Unreadable)
	}
	p.counted = now
}

// idle reports whether no frame of the port was read since the call before, read
// being how many were. Then its queue has not overflowed either: a full one has
// frames to read. Of thousands of links most are idle.
func (p *portLosses) idle(read uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.read
	p.read = read
	return read == was
}

// socketLosses is what was counted of an endpoint's losses.
type socketLosses struct {
	mu      sync.Mutex // before the receiver's locks
	counted underlay.Losses
}

// countLosses counts what ep's sockets lost.
func (ep *endpoint) countLosses() {
	p := &ep.losses
	p.mu.Lock()
	defer p.mu.Unlock()
	now, c := ep.receiver.Losses(), &ep.vtep.plane.Counters[0]
	c.Count(forward.RxSocketOverflow, now.Overflow-p.counted.Overflow)
	c.Count(forward.RxUnreadable, now.Unreadable-p.counted.Unreadable)
	p.counted = now
}

// sharedDrops are the drops of the sockets that l shares, without zeros. The
// caller holds VTEP.mu.
func (l *Link) sharedDrops() map[forward.DropReason]uint64 {
	var sum underlay.Losses
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

// countLosses counts the losses of all endpoints and ports, but for those of ports
// that have been idle since the call before, unless all is set. The caller does
// not hold v.mu: the kernel may be long in answering.
func (v *VTEP) countLosses(all bool) {
	var count []func()
	v.locked(func() {
		for _, ep := range v.endpoints {
			count = append(count, ep.countLosses)
		}
		for n := range v.netdevs {
			if n.read == nil || !n.losses.idle(n.read()) || all {
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
