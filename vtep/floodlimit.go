package vtep

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// floodLimit counts the frames that a link floods within a tick, a second, of all
// its workers: tick and count in one word. A full second's worth may come at
// once; a finer clock is not read for packets.
type floodLimit struct{ state atomic.Uint64 }

// takes reports whether n frames more may be flooded, limit being those a
// second, and counts them then.
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

// floods reports whether a copy of o, a flooded frame, may go to r; nil: that was
// given up meanwhile.
func (w *portWorker) floods(s *linkState, o *outFrame, r *remote) bool {
	if r == nil {
		w.c.drop(TxNoRemote)
		return false
	}
	if s.peerBUMLimit == 0 || r.peer.to.takes(s.peerBUMLimit, int(o.packet.Segments), w.now) {
		return true
	}
	w.c.drop(TxPeerBUMLimit)
	return false
}

// limited reports whether frame b, from the underlay, is one of those of which a
// remote may send so many. Who receives a unicast frame cannot tell whether it
// was flooded.
func (s *linkState) limited(b []byte) bool {
	return s.peerBUMLimit != 0 && encap.EthDst(b).IsMulticast()
}

// takes reports whether a limited frame of p may come in. Those who are no peers,
// or not yet, share one limit.
func (l *Link) takes(s *linkState, p *peer, now fdb.Tick) bool {
	if p == nil {
		return l.strangers.takes(s.peerBUMLimit, 1, now)
	}
	return p.from.takes(s.peerBUMLimit, 1, now)
}
