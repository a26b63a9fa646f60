package forward

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// Trunk is what frames need of a trunk port: which link has which VLAN.
type Trunk struct {
	// Nobody counts frames that belong to no link, by queue; plane.counters do, too.
	Nobody []Counters
	// links are by VLAN id. The workers read them without a lock.
	links [encap.MaxVLAN + 1]atomic.Pointer[Link]
}

// NewTrunk is a trunk port of so many queues, without VLANs.
func NewTrunk(queues int) *Trunk { return &Trunk{Nobody: make([]Counters, queues)} }

// SetVLAN gives the frames of a VLAN to l, or to nobody.
func (t *Trunk) SetVLAN(vlan uint16, l *Link) { t.links[vlan].Store(l) }

// TrunkWorker forwards what comes out of one queue of a trunk port.
type TrunkWorker struct {
	trunk *Trunk
	portWorker
	nobody *Counters // for frames that belong to no link
}

// NewTrunkWorker forwards what comes out of queue of t.
func NewTrunkWorker(p *Plane, t *Trunk, queue int) *TrunkWorker {
	return &TrunkWorker{trunk: t, portWorker: portWorker{plane: p, queue: queue}, nobody: &p.Counters[queue%len(p.Counters)]}
}

// Forward takes the tags off the frames that one read of the port gave, and gives each run
// of frames of one VLAN to its link. What becomes of all of them leaves together.
func (w *TrunkWorker) Forward(frames []encap.Frame, now fdb.Tick) {
	w.begin(now)
	start := 0
	var link *Link
	for i := range frames {
		to := w.trunk.links[encap.PopVLAN(&frames[i])].Load() // 0, no tag, has no link
		if to != link {
			w.give(link, frames[start:i])
			start, link = i, to
		}
	}
	w.give(link, frames[start:])
	w.finish()
}

// give has a link forward frames of its VLAN.
func (w *TrunkWorker) give(to *Link, frames []encap.Frame) {
	n := uint64(len(frames))
	if n == 0 {
		return
	}
	if to == nil {
		w.nobody.Count(TxUnknownVLAN, n)
		w.trunk.Nobody[w.queue].Count(TxUnknownVLAN, n)
		return
	}
	from := w.source(to, to.State.Load())
	if !from.s.Up { // a netdev that is down would give none
		from.c.Count(TxLinkDown, n)
		return
	}
	w.forward(from, frames)
}
