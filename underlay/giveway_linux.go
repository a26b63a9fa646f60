package underlay

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// backgroundNice is how much nicer a thread is that gives way: it has a tenth of the time that another has beside it
	// (sched_prio_to_weight in kernel/sched/core.c). Less would hold up Go's collector, which waits for every thread.
	backgroundNice = 10
	// A thread that waited for a processor for more than one part in waitedFor of the time that it ran rests before it
	// goes on: leastRest, and twice as long each time, up to mostRest. So a tenth becomes next to nothing.
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

// Background has the calling goroutine give way to others from here on, until it ends: it has a thread of its own. While it
// works it keeps one of GOMAXPROCS to itself, which ought to be one more then: the thread may be ready and not run.
func Background() (*GiveWay, error) {
	runtime.LockOSThread()
	is, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
	if err != nil {
		return nil, os.NewSyscallError("getpriority", err)
	}
	nice := 20 - is // as the call has it (getpriority(2))
	if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), min(nice+backgroundNice, 19)); err != nil {
		return nil, os.NewSyscallError("setpriority", err)
	}
	g := &GiveWay{}
	// A kernel without CONFIG_SCHED_INFO has no such file: the thread does not rest then.
	g.stat, _ = os.Open("/proc/thread-self/schedstat")
	return g, nil
}

// Rest waits where other threads wanted the processor since the last call. It is called after each batch; nil: nothing.
func (g *GiveWay) Rest() {
	if g == nil || g.stat == nil {
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
	g.rest = nextRest(g.rest, ran-g.ran, waited-g.waited)
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
