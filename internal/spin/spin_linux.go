package spin

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// foreignGap between two looks shows that the processor had other work: alone,
	// a look and sched_yield(2) take one microsecond, and a round of several
	// readers that spin, with a packet for one of them, tens.
	foreignGap = 100 * time.Microsecond
	// maxSpinSkip is how many waits go without spinning after repeated failure;
	// one that then succeeds brings it back for good.
	maxSpinSkip = 15
)

// Spinner decides whether a reader that found nothing looks again before it
// waits: the way through a wait costs a reply tens of microseconds, but a
// processor that spins is missing elsewhere. So it spins only where traffic is
// sparse, gives way to whatever else can run at each turn, and leaves off when
// something did run or nothing came.
type Spinner struct {
	limit time.Duration // of one spell; 0: never
	base  time.Time

	on          bool // a spell is under way
	start, last time.Duration
	busy        bool // the last batch was part of a stream
	skip        int  // waits left without spinning
	penalty     int  // what skip becomes at the next failure, less one
}

// New makes a Spinner whose spells last limit at most; 0: it never spins.
func New(limit time.Duration) Spinner {
	if limit == 0 {
		return Spinner{}
	}
	return Spinner{limit: limit, base: time.Now()}
}

// Again reports whether to look once more at a queue that was just found
// empty. It has then yielded the processor.
func (s *Spinner) Again() bool {
	if s.limit == 0 || !s.decide(time.Since(s.base)) {
		return false
	}
	_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) // to other threads
	runtime.Gosched()                                        // to this process's other readers
	return true
}

// decide is Again at the time now.
func (s *Spinner) decide(now time.Duration) bool {
	if !s.on {
		if s.busy || s.skip > 0 {
			s.skip = max(s.skip-1, 0)
			return false
		}
		s.on, s.start, s.last = true, now, now
		return true
	}
	if now-s.last > foreignGap || now-s.start > s.limit {
		s.on = false
		s.penalty = min(2*s.penalty+1, maxSpinSkip)
		s.skip = s.penalty
		return false
	}
	s.last = now
	return true
}

// Done notes that a batch was read: frames that lie in so many bytes.
func (s *Spinner) Done(frames, bytes int) {
	if s.on {
		s.on, s.penalty = false, 0
	}
	s.busy = frames > 1 || bytes > spinMaxBytes
}

// spinMaxBytes is the length of the longest frame that is no superframe, of
// the usual MTU.
const spinMaxBytes = 2048
