package tap

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/spin"
)

// queue is one file descriptor of a TAP: a ring of frames to read and a way
// to write.
type queue struct {
	// The runtime's poller owns fd.
	file *os.File
	raw  syscall.RawConn

	// mu is held for reading round system calls on fd that do not go through
	// raw, so that Close does not free the number under them. It is the
	// innermost lock.
	mu     sync.RWMutex
	fd     int
	closed atomic.Bool // set before mu is taken, so that a reader lets go of it

	stopped atomic.Bool // see Device.Stop

	super *superframes // the netdev's

	unreadable atomic.Uint64 // see Losses

	// The rest belongs to the one reader.
	slab   *slab
	spin   spin.Spinner
	frames []encap.Frame // of the ReadBatch under way
	n      int           // frames filled
	err    error
	drain  func(fd uintptr) bool // q.readReady, bound once: a new closure would be an allocation a call
}

// newQueue takes over fd, which must be attached: the poller is notified of an
// error on a queue that has no netdev.
func newQueue(fd int, c Config, super *superframes) (*queue, error) {
	q := &queue{fd: fd, super: super}
	q.file = os.NewFile(uintptr(fd), "tap queue")
	raw, err := q.file.SyscallConn()
	if err == nil {
		q.spin, err = spin.New(fd, c.Spin)
	}
	if err != nil {
		return nil, errors.Join(err, q.file.Close())
	}
	q.raw = raw
	q.drain = q.readReady
	return q, nil
}

// read blocks until the queue has a frame and then takes what is there.
func (q *queue) read(frames []encap.Frame) (int, error) {
	if len(frames) == 0 {
		return 0, nil
	}
	q.frames, q.n, q.err = frames, 0, nil
	err := q.raw.Read(q.drain)
	q.frames = nil
	if err == nil {
		err = q.err
	}
	if err == nil {
		return q.n, nil
	}
	q.release()
	return 0, q.readError(err)
}

// readReady reads until frames is full, the slab has no room for another
// superframe, or nothing is left. It reports false, "wait", when there was
// nothing at all, also after spinning; the slab is returned meanwhile. The
// runtime's poller is edge-triggered: only EAGAIN may lead to waiting.
func (q *queue) readReady(fd uintptr) bool {
	if q.slab == nil {
		q.slab = slabs.Borrow(nil)
	}
	at := 0
	for q.n < len(q.frames) && at+maxRead <= len(q.slab) {
		room := q.slab[at : at+maxRead]
		// The call does not wait, so the scheduler need not hear of it.
		n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&room[0])), maxRead)
		switch {
		case errno == 0:
			if q.take(room[:n:n]) {
				at += (int(n) + slabAlign - 1) &^ (slabAlign - 1)
			} else {
				q.unreadable.Add(1)
			}
		case errno == unix.EINTR:
		case errno == unix.EAGAIN && q.n == 0:
			if q.spin.Again() && !q.closed.Load() && !q.stopped.Load() {
				continue
			}
			q.release()
			return false
		case errno == unix.EAGAIN:
			q.spin.Done(q.n, at)
			return true
		default:
			// What was read before stands; the error comes again next time.
			if q.n == 0 {
				q.err = errno
			}
			return true
		}
	}
	q.spin.Done(q.n, at)
	return true
}

// take makes the next frame of what one read gave, header and all; false: it is
// none.
func (q *queue) take(b []byte) bool {
	if len(b) < vnetHeaderLen {
		return false
	}
	o, ok := decodeVnet((*[vnetHeaderLen]byte)(b)).offload()
	if !ok {
		return false
	}
	q.frames[q.n] = encap.Frame{Data: b[vnetHeaderLen:], Offload: o}
	q.n++
	return true
}

// release returns the slab.
func (q *queue) release() {
	if q.slab != nil {
		slabs.Return(q.slab)
		q.slab = nil
	}
}

// readError finds out what a failed read means. A deleted netdev shows as
// EBADFD from the call, or as an error condition from the poller.
func (q *queue) readError(err error) error {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed.Load() || q.stopped.Load() {
		return os.ErrClosed
	}
	if _, _, e := attached(q.fd); errors.Is(e, ErrGone) {
		return ErrGone
	}
	return os.NewSyscallError("read", err)
}

// control runs fn with the file descriptor, which stays open meanwhile.
func (q *queue) control(fn func(fd int) error) error {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed.Load() {
		return os.ErrClosed
	}
	return fn(q.fd)
}

// close waits for writers, wakes the reader, and detaches the queue.
func (q *queue) close() error {
	if q.closed.Swap(true) {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.file.Close()
}
