package forward

import (
	"sync/atomic"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// pace lets flooded frames through evenly, so many a second, of all workers that
// share it: the virtual scheduling of ITU-T I.371 (GCRA), whose state is one word,
// the time when the next frame is due. Over any second it lets through no more
// than the limit, a slack's worth and one frame; a superframe's segments all, which
// are paid for before the next.
type pace struct{ due atomic.Int64 } // nanoseconds since the VTEP began

// paceSlack is how far ahead of their time frames may be: a read of a port or a
// socket brings what has come since the one before, at once, and the clock is read
// once for all of it.
const paceSlack = 40 * time.Millisecond

// takes reports whether n frames more may pass at now, limit being those a second,
// and counts them then.
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

// clock is the time of a worker's batch, once a limit has asked for it.
type clock struct{ at time.Duration }

func (c *clock) read(p *Plane) time.Duration {
	if c.at == 0 {
		c.at = p.elapsed()
	}
	return c.at
}

// floods reports whether a copy of o, a flooded frame, may go to r; nil: that was
// given up meanwhile.
func (w *portWorker) floods(from *source, o *outFrame, r *Remote) bool {
	if r == nil {
		from.c.drop(TxNoRemote)
		return false
	}
	if from.s.PeerBUMLimit == 0 || r.peer.to.takes(from.s.PeerBUMLimit, int(o.packet.Segments), w.clock.read(w.plane)) {
		return true
	}
	from.c.drop(TxPeerBUMLimit)
	return false
}

// limited reports whether frame b, from the underlay, is one of those of which a
// remote may send so many. Who receives a unicast frame cannot tell whether it
// was flooded.
func (s *State) limited(b []byte) bool {
	return s.PeerBUMLimit != 0 && encap.EthDst(b).IsMulticast()
}

// takes reports whether a limited frame of p may come in. Those who are no peers,
// or not yet, share one limit.
func (l *Link) takes(s *State, p *Peer, now time.Duration) bool {
	if p == nil {
		return l.strangers.takes(s.PeerBUMLimit, 1, now)
	}
	return p.from.takes(s.PeerBUMLimit, 1, now)
}

// floodLimit counts what a link sends of its own within a tick, a second, of all
// its workers: tick and count in one word. A full second's worth may come at
// once; a finer clock is not read for packets.
type floodLimit struct{ state atomic.Uint64 }

// takes reports whether n more may be sent, limit being those a second, and counts
// them then.
func (f *floodLimit) takes(limit uint32, n int, now fdb.Tick) bool {
	for {
		was := f.state.Load()
		used := was & 0xffffffff
		if fdb.Tick(was>>32) != now {
			used = 0
		}
		// What is longer than a second's worth passes where nothing else has.
		if used > 0 && used+uint64(n) > uint64(limit) || used >= uint64(limit) {
			return false
		}
		if f.state.CompareAndSwap(was, uint64(now)<<32|min(used+uint64(n), 0xffffffff)) {
			return true
		}
	}
}
