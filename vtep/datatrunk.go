package vtep

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// dataTrunk is what frames need of a trunk port: which link has which VLAN.
type dataTrunk struct {
	// nobody counts frames that belong to no link, by queue; plane.counters do, too.
	nobody []counters
	// links are by VLAN id. The workers read them without a lock.
	links [encap.MaxVLAN + 1]atomic.Pointer[dataLink]
}

// newDataTrunk is a trunk port of so many queues, without VLANs.
func newDataTrunk(queues int) *dataTrunk { return &dataTrunk{nobody: make([]counters, queues)} }

// setVLAN gives the frames of a VLAN to l, or to nobody.
func (t *dataTrunk) setVLAN(vlan uint16, l *dataLink) { t.links[vlan].Store(l) }

// trunkWorker forwards what comes out of one queue of a trunk port.
type trunkWorker struct {
	trunk *dataTrunk
	portWorker
	nobody *counters // for frames that belong to no link
}

// newTrunkWorker forwards what comes out of queue of t.
func newTrunkWorker(p *plane, t *dataTrunk, queue int) *trunkWorker {
	return &trunkWorker{trunk: t, portWorker: portWorker{plane: p, queue: queue}, nobody: &p.counters[queue%len(p.counters)]}
}

// Forward takes the tags off the frames that one read of the port gave, and gives each run
// of frames of one VLAN to its link. What becomes of all of them leaves together.
func (w *trunkWorker) Forward(frames []encap.Frame, now fdb.Tick) {
	w.begin(now)
	start := 0
	var link *dataLink
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

func (w *trunkWorker) give(to *dataLink, frames []encap.Frame) {
	switch {
	case len(frames) == 0:
	case to == nil:
		w.nobody.drops[TxUnknownVLAN].Add(uint64(len(frames)))
		w.trunk.nobody[w.queue].drops[TxUnknownVLAN].Add(uint64(len(frames)))
	case !to.state.Load().up: // a netdev that is down would give none
		to.shards[w.queue].drops[TxLinkDown].Add(uint64(len(frames)))
	default:
		w.link, w.c = to, &to.shards[w.queue]
		w.forward(frames)
	}
}
