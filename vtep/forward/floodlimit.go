package forward

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/fdb"
)

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
