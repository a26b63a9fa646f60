package forward

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// Trunk is what frames need of a trunk port: which link has which VLAN.
type Trunk struct {
	// Nobody counts, by queue, the frames that belong to no link. Plane.Counters count them
	// as well.
	Nobody []Counters
	// links are the links by VLAN id. Workers read them without a lock.
	links [encap.MaxVLAN + 1]atomic.Pointer[Link]
}

// NewTrunk makes a trunk port with that many queues and no VLAN.
func NewTrunk(queues int) *Trunk { return &Trunk{Nobody: make([]Counters, queues)} }

// SetVLAN assigns a VLAN to l; nil: to no link.
func (t *Trunk) SetVLAN(vlan uint16, l *Link) { t.links[vlan].Store(l) }

// TrunkWorker forwards what comes out of one queue of a trunk port.
type TrunkWorker struct {
	trunk *Trunk
	portWorker
	nobody *Counters // for frames that belong to no link
}

// NewTrunkWorker makes the worker of a queue of t.
func NewTrunkWorker(p *Plane, t *Trunk, queue int) *TrunkWorker {
	return &TrunkWorker{trunk: t, portWorker: portWorker{plane: p, queue: queue}, nobody: &p.Counters[queue%len(p.Counters)]}
}

// Forward takes the tags off the frames of one read of the port, and has the link of each
// run of frames of one VLAN forward them. The packets of all of them leave together.
func (w *TrunkWorker) Forward(frames []encap.Frame, now fdb.Tick) {
	w.begin(now)
	start := 0
	var link *Link
	for i := range frames {
		vlan := encap.PopVLAN(&frames[i])
		to := w.trunk.links[vlan].Load() // 0 stands for no tag and has no link
		if to == nil {
			frames[i].VLAN = vlan // for a capture
		}
		if to != link {
			w.run(link, frames[start:i])
			start, link = i, to
		}
	}
	w.run(link, frames[start:])
	w.finish()
}

// run forwards a run of frames of one VLAN, whose link is to.
func (w *TrunkWorker) run(to *Link, frames []encap.Frame) {
	n := uint64(len(frames))
	if n == 0 {
		return
	}
	if to == nil {
		w.nobody.Count(TxUnknownVLAN, n)
		w.trunk.Nobody[w.queue].Count(TxUnknownVLAN, n)
		for i := range frames {
			w.plane.captureStray(&Record{Fate: Fate{true, TxUnknownVLAN}, Frame: frames[i]})
			frames[i].VLAN = 0
		}
		return
	}
	from := w.source(to, to.State.Load())
	if !from.s.Up { // from a netdev of its own that is down no frame would come
		for i := range frames {
			from.drop(TxLinkDown, &frames[i])
		}
		return
	}
	w.forward(from, frames)
}
