package vtep

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uvtep/uvtep/fdb"
)

// stuck is how long a batch, or the control plane's work of a second, may take before it counts
// as one that never ends. A batch takes milliseconds, thousands of links some seconds.
const stuck = 10 * time.Second

// Progress reports what hangs: a worker that does not end the batch which it took, or Run. A
// worker that waits for frames does not hang.
func (v *VTEP) Progress() error {
	if late := v.plane.Behind(); late > stuck {
		return fmt.Errorf("vtep: the control plane has not ended its work of a second for %v", late.Round(time.Second))
	}
	if n := v.turns.stuck(v.now()); n > 0 {
		return fmt.Errorf("vtep: %d workers have been at one batch for more than %v", n, stuck)
	}
	return nil
}

// turns are the batches that workers are at.
type turns struct {
	mu  sync.Mutex
	all map[*turn]struct{}
}

// turn is the batch that a worker is at: the tick of its start plus one; 0: it is at none.
type turn struct {
	since atomic.Uint32
	_     [15]uint32 // a cache line of the worker's own
}

func (t *turn) take(now fdb.Tick) { t.since.Store(uint32(now) + 1) }

func (t *turn) done() { t.since.Store(0) }

// begin adds a worker.
func (s *turns) begin() *turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[*turn]struct{}{}
	}
	t := new(turn)
	s.all[t] = struct{}{}
	return t
}

// end takes a worker out.
func (s *turns) end(t *turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, t)
}

// stuck is how many workers have been at one batch for too long.
func (s *turns) stuck(now fdb.Tick) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.all {
		if at := t.since.Load(); at != 0 && uint32(now) > at-1+uint32(stuck/time.Second) {
			n++
		}
	}
	return n
}
