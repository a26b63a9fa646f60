package spin

import (
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// foreignGap between two looks shows that the processor had other work: alone,
	// a look and sched_yield(2) take one microsecond.
	foreignGap = 100 * time.Microsecond
	// streamPause is how long nobody spins after a batch that was part of a
	// stream: the processor is needed for the stream.
	streamPause = time.Millisecond
	// maxSkip is how many waits go without spinning after repeated failure;
	// one that then succeeds brings it back for good.
	maxSkip = 15
)

// watch is the descriptors of a process's readers.
type watch struct {
	epoll    int
	start    time.Time
	taken    atomic.Bool  // by the reader that spins
	streamed atomic.Int64 // when a stream's batch was last read; 0: never

	// Of who has taken it.
	skip    int // waits left without spinning
	penalty int // what skip becomes at the next failure, less one
}

// process is the one watch, which is never closed.
var process = sync.OnceValues(newWatch) //nolint:gochecknoglobals // threads are a process's, whoever's readers it runs

func newWatch() (*watch, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return &watch{epoll: fd, start: time.Now()}, nil
}

// now is a monotonic time.
func (w *watch) now() time.Duration { return time.Since(w.start) }

// stream notes that a batch of a stream was read.
func (w *watch) stream(now time.Duration) { w.streamed.Store(int64(now)) }

// spell looks until a descriptor has something, for limit at most.
func (w *watch) spell(limit time.Duration, clock func() time.Duration) (found bool, fd int32) {
	if w.skip > 0 {
		w.skip--
		return false, 0
	}
	start := clock()
	if at := w.streamed.Load(); at != 0 && start-time.Duration(at) < streamPause {
		return false, 0
	}
	for now := start; ; {
		if fd, ok := w.ready(); ok {
			w.penalty = 0
			return true, fd
		}
		yield()
		last := now
		now = clock()
		if now-last > foreignGap || now-start > limit {
			w.penalty = min(2*w.penalty+1, maxSkip)
			w.skip = w.penalty
			return false, 0
		}
	}
}

// yield lets other threads run.
func yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// ready returns one of the watched descriptors that have something to read.
func (w *watch) ready() (fd int32, ok bool) {
	var ev unix.EpollEvent
	// It does not wait, so the scheduler is not told.
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(w.epoll), uintptr(unsafe.Pointer(&ev)), 1, 0, 0, 0)
	return ev.Fd, errno == 0 && n == 1
}

func (w *watch) add(fd int) error {
	// Not edge-triggered: what the spinner leaves to another reader, that one takes.
	err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	return os.NewSyscallError("epoll_ctl", err)
}
