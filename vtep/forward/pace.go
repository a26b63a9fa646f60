package forward

import (
	"sync/atomic"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// pace limits flooded frames to an even rate, for all workers that share it. It is the
// virtual scheduling of ITU-T I.371 (GCRA); its state is one word, the time when the next
// frame is due. Over any second no more frames pass than the limit, those of a slack, and
// one. The segments of a superframe pass together, and the next frame waits for all of them.
type pace struct{ due atomic.Int64 } // nanoseconds since the VTEP began

// paceSlack is how much earlier than due a frame may pass: one read of a port or socket
// brings all frames since the read before, and the clock is read once for all of them.
const paceSlack = 40 * time.Millisecond

// takes reports whether n more frames may pass at now, where limit is the rate a second. It
// counts them if so.
func (p *pace) takes(limit uint32, n int, now time.Duration) bool {
	cost := int64(n) * int64(time.Second) / int64(limit)
	for {
		due := p.due.Load()
		from := max(due, int64(now)) // time in which nothing came is not saved up
		if from-int64(now) > int64(paceSlack) {
			return false
		}
		if p.due.CompareAndSwap(due, from+cost) {
			return true
		}
	}
}

// clock is the time of a worker's batch. It is read when a limit first needs it.
type clock struct{ at time.Duration }

func (c *clock) read(p *Plane) time.Duration {
	if c.at == 0 {
		c.at = p.elapsed()
	}
	return c.at
}

// floods reports whether a copy of o, a flooded frame, may go to r; nil: the remote was
// removed meanwhile.
func (w *portWorker) floods(from *source, o *outFrame, r *Remote) bool {
	if r == nil {
		from.dropCopy(TxNoRemote, o, nil)
		return false
	}
	if from.s.PeerBUMLimit == 0 || r.peer.to.takes(from.s.PeerBUMLimit, int(o.packet.Segments), w.clock.read(w.plane)) {
		return true
	}
	from.dropCopy(TxPeerBUMLimit, o, r)
	r.peer.sent.drops.Add(1)
	return false
}

// limited reports whether PeerBUMLimit applies to frame b, from the underlay: to broadcast
// and multicast alone, since a receiver cannot tell whether a unicast frame was flooded.
func (s *State) limited(b []byte) bool {
	return s.PeerBUMLimit != 0 && encap.EthDst(b).IsMulticast()
}

// takes reports whether a limited frame from p may come in. All senders that have no peer
// share one limit.
func (l *Link) takes(s *State, p *Peer, now time.Duration) bool {
	if p == nil {
		return l.strangers.takes(s.PeerBUMLimit, 1, now)
	}
	return p.from.takes(s.PeerBUMLimit, 1, now)
}

// floodLimit limits what a link itself sends within a tick, which is a second, for all
// workers: tick and count share one word. The whole limit may be used at once: packets have
// no finer clock.
type floodLimit struct{ state atomic.Uint64 }

// takes reports whether n more may be sent, where limit is the number a second. It counts
// them if so.
func (f *floodLimit) takes(limit uint32, n int, now fdb.Tick) bool {
	for {
		was := f.state.Load()
		used := was & 0xffffffff
		if fdb.Tick(was>>32) != now {
			used = 0
		}
		// More than the limit at once passes where nothing passed within the tick.
		if used > 0 && used+uint64(n) > uint64(limit) || used >= uint64(limit) {
			return false
		}
		if f.state.CompareAndSwap(was, uint64(now)<<32|min(used+uint64(n), 0xffffffff)) {
			return true
		}
	}
}
