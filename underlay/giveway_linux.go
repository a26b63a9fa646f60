package underlay

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"time"
)

const (
	// A thread that waited for a processor for more than one part in waitedFor of the time that it ran rests before it
	// goes on: leastRest, and twice as long each time, up to mostRest. So its share of a full machine becomes next to nothing.
	// A lower priority (nice) would do less, and could not be taken back without CAP_SYS_NICE when nobody is in its way.
	waitedFor = 8
	leastRest = 500 * time.Microsecond
	mostRest  = 8 * time.Millisecond
)

// GiveWay is the calling goroutine's, which has a thread of its own that other threads come before.
type GiveWay struct {
	stat        *os.File // nil: there is none
	buf         [96]byte
	ran, waited int64 // nanoseconds, by the last look
	rest        time.Duration
}

// Background gives the calling goroutine a thread of its own until it ends, so that it can give way to others.
func Background() (*GiveWay, error) {
	runtime.LockOSThread()
	stat, err := os.Open("/proc/thread-self/schedstat") // no kernel without CONFIG_SCHED_INFO has it
	return &GiveWay{stat: stat}, err
}

// Rest waits where other threads wanted the processor since the last call, and now holds. It is called after each batch; nil: nothing.
func (g *GiveWay) Rest(now bool) {
	if g == nil || g.stat == nil {
		return
	}
	if !now {
		*g = GiveWay{stat: g.stat}
		return
	}
	n, err := g.stat.ReadAt(g.buf[:], 0)
	if n == 0 && err != nil {
		return
	}
	ran, waited, ok := schedstat(g.buf[:n])
	if !ok {
		return
	}
	if g.ran > 0 {
		g.rest = nextRest(g.rest, ran-g.ran, waited-g.waited)
	}
	g.ran, g.waited = ran, waited
	if g.rest > 0 {
		time.Sleep(g.rest)
	}
}

// Close ends the use of g.
func (g *GiveWay) Close() error {
	if g == nil || g.stat == nil {
		return nil
	}
	return g.stat.Close()
}

// nextRest is the rest after one of last, the thread having run and waited for that many nanoseconds.
func nextRest(last time.Duration, ran, waited int64) time.Duration {
	if waited*waitedFor > ran {
		return min(max(2*last, leastRest), mostRest)
	}
	if last /= 2; last < leastRest {
		return 0
	}
	return last
}

// schedstat reads the nanoseconds that a thread has run, and waited for a processor, from its file in /proc
// (Documentation/scheduler/sched-stats.rst).
func schedstat(b []byte) (ran, waited int64, ok bool) {
	f := bytes.Fields(b)
	if len(f) < 2 {
		return 0, 0, false
	}
	ran, err := strconv.ParseInt(string(f[0]), 10, 64)
	if err != nil {
		return 0, 0, false
	}
	waited, err = strconv.ParseInt(string(f[1]), 10, 64)
	return ran, waited, err == nil
}
