package spin

import (
	"runtime"
	"time"
)

// Spinner decides whether a reader that found nothing waits: the way through a
// wait costs a reply tens of microseconds, but a processor that spins is
// missing elsewhere. So it spins only where traffic is sparse, gives way to
// whatever else can run at each turn, and leaves off when something did run or
// nothing came.
//
// It looks for all the process's readers at once, so that one of them spins and
// the others wait. A packet for another wakes nobody: the spinner returns to the
// runtime, whose poller finds the packet and lets its reader run on the same
// thread.
type Spinner struct {
	fd    int32
	limit time.Duration // of one spell; 0: never
	all   *watch
}

// New makes the Spinner of a reader of fd, whose spells last limit at most; 0:
// it never spins. The caller keeps fd open; closing it is all there is to undo.
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

// Again reports whether to look once more at a descriptor that was just found
// empty, which has something now. Else the reader waits.
func (s *Spinner) Again() bool {
	if s.limit == 0 || !s.all.taken.CompareAndSwap(false, true) {
		return false
	}
	defer s.all.taken.Store(false)
	found, fd := s.all.spell(s.limit, s.all.now)
	if !found || fd != s.fd {
		return false
	}
	runtime.Gosched() // whatever else this processor was asked for meanwhile
	return true
}

// Done notes that a batch was read: frames that lie in so many bytes.
func (s *Spinner) Done(frames, bytes int) {
	if s.limit != 0 && (frames > 1 || bytes > mostSparse) {
		s.all.stream(s.all.now())
	}
}

// mostSparse is the length of the longest frame that is no superframe, of the
// usual MTU.
const mostSparse = 2048
