package tap

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

// queue is one file descriptor of a TAP: a ring of frames to read and a way
// to write.
type queue struct {
	file *os.File        // owns fd, on the runtime's poller
	raw  syscall.RawConn // file's

	// mu is held for reading round system calls on fd that do not go through
	// raw, so that Close does not free the number under them. It is the
	// innermost lock.
	mu     sync.RWMutex
	fd     int
	closed bool

	// The rest belongs to the one reader.
	slab   *slab
	frames []encap.Frame // of the ReadBatch under way
	n      int           // frames filled
	err    error
	drain  func(fd uintptr) bool // q.readReady, bound once: a new closure would be an allocation a call
}

// newQueue takes over fd, which must be attached: the poller is told of an
// error on a queue that has no netdev.
func newQueue(fd int) (*queue, error) {
	q := &queue{file: os.NewFile(uintptr(fd), "tap queue"), fd: fd}
	raw, err := q.file.SyscallConn()
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
// nothing at all; the slab goes back meanwhile. The poller is edge-triggered:
// only EAGAIN may lead to waiting.
func (q *queue) readReady(fd uintptr) bool {
	if q.slab == nil {
		q.slab = slabs.take()
	}
	at := 0
	for q.n < len(q.frames) && at+maxRead <= len(q.slab) {
		room := q.slab[at : at+maxRead]
		n, _, errno := unix.Syscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&room[0])), maxRead)
		switch {
		case errno == 0:
			if q.take(room[:n:n]) {
				at += (int(n) + slabAlign - 1) &^ (slabAlign - 1)
			}
		case errno == unix.EINTR:
		case errno == unix.EAGAIN && q.n == 0:
			q.release()
			return false
		case errno == unix.EAGAIN:
			return true
		default:
			// What was read before stands; the error comes again next time.
			if q.n == 0 {
				q.err = errno
			}
			return true
		}
	}
	return true
}

// take makes the next frame of what one read gave, header and all.
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

// release gives the slab back.
func (q *queue) release() {
	if q.slab != nil {
		slabs.give(q.slab)
		q.slab = nil
	}
}

// readError finds out what a failed read means. A deleted netdev shows as
// EBADFD from the call, or as an error condition from the poller.
func (q *queue) readError(err error) error {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		return os.ErrClosed
	}
	if _, _, e := attached(q.fd); errors.Is(e, ErrGone) {
		return ErrGone
	}
	return os.NewSyscallError("read", err)
}

// write hands the frames to the kernel, each in one writev of header and
// data, so that nothing is copied or changed here.
func (q *queue) write(frames []encap.Frame) (int, error) {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		return 0, os.ErrClosed
	}
	var (
		hdr   [vnetHeaderLen]byte
		iov   [2]unix.Iovec
		n     int
		first error
	)
	iov[0].Base = &hdr[0]
	iov[0].SetLen(vnetHeaderLen)
	for i := range frames {
		f := &frames[i]
		if len(f.Data) < encap.EthernetHeaderLen {
			first = ErrRefused
			continue
		}
		vnetFor(f).encode(&hdr)
		iov[1].Base = &f.Data[0]
		iov[1].SetLen(len(f.Data))
		switch writev(q.fd, &iov) {
		case 0:
			n++
		case unix.EIO:
			// IFF_UP is not set (tun_get_user): the rest would fare no better.
			return n, ErrDown
		case unix.EBADFD:
			return n, ErrGone
		default:
			first = ErrRefused
		}
	}
	return n, first
}

// writev is writev(2) again until no signal interrupts it. unix.Writev would
// allocate its vector.
func writev(fd int, iov *[2]unix.Iovec) syscall.Errno {
	for {
		_, _, errno := unix.Syscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(iov)), uintptr(len(iov)))
		if errno != unix.EINTR {
			return errno
		}
	}
}

// control runs fn with the file descriptor, which stays open meanwhile.
func (q *queue) control(fn func(fd int) error) error {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		return os.ErrClosed
	}
	return fn(q.fd)
}

// close waits for writers, wakes the reader, and detaches the queue.
func (q *queue) close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	q.closed = true
	return q.file.Close()
}
