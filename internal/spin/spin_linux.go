package spin

import (
	"runtime"
	"time"
)

// Spinner decides whether a reader that found nothing spins or waits. A wait delays a reply
// by tens of microseconds; a processor that spins does nothing else. So a Spinner spins only
// where traffic is sparse, lets any other thread run at each turn, and stops when another
// thread did run or nothing came.
//
// One reader spins for all readers of the process, and the others wait. For a packet of
// another reader the spinner returns to the runtime, whose poller finds the packet and runs
// its reader on the same thread, without a wake-up.
type Spinner struct {
	fd    int32
	limit time.Duration // of one spell; 0: never
	all   *watch
}

// New makes the Spinner of a reader of fd that spins for limit at a time; 0: it never spins.
// The caller keeps fd open. Closing fd ends the Spinner.
func New(fd int, limit time.Duration) (Spinner, error) {
	if limit == 0 {
		return Spinner{}, nil
	}
	all, err := process()
	if err != nil {
		return Spinner{}, err
	}
	s := Spinner{fd: int32(fd), limit: limit, all: all}
	return s, all.add(fd)
}

// Again spins for a descriptor that was just found empty, and reports whether it has something
// now. Else the reader waits.
func (s *Spinner) Again() bool {
	if s.limit == 0 || !s.all.taken.CompareAndSwap(false, true) {
		return false
	}
	defer s.all.taken.Store(false)
	found, fd := s.all.spell(s.limit, s.all.now)
	if !found || fd != s.fd {
		return false
	}
	runtime.Gosched() // other goroutines of this processor first
	return true
}

// Done notes that a batch of so many bytes was read.
func (s *Spinner) Done(frames, bytes int) {
	if s.limit != 0 && (frames > 1 || bytes > mostSparse) {
		s.all.stream(s.all.now())
	}
}

// mostSparse is the length of the longest frame that is no superframe, of the
// usual MTU.
const mostSparse = 2048
