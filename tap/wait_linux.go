package tap

import (
	"encoding/binary"
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// park lets a reader's thread wait for its queue in the kernel, past the
// runtime's poller: an epoll instance that holds the queue and an eventfd, so
// that Close can end the wait. Both are level-triggered; unlike poll(2), a wait
// adds nothing to and removes nothing from the queue's wait list.
type park struct{ epoll, event int }

func newPark(fd int) (*park, error) {
	p := &park{epoll: -1, event: -1}
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if p.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, errors.Join(os.NewSyscallError("eventfd", err), p.close())
	}
	for _, f := range []int{fd, p.event} {
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(f)}
		if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, f, &ev); err != nil {
			return nil, errors.Join(os.NewSyscallError("epoll_ctl", err), p.close())
		}
	}
	return p, nil
}

// wait blocks the thread until the queue can be read, its netdev was deleted,
// or wake was called. It may return early.
func (p *park) wait() error {
	var ev [1]unix.EpollEvent
	_, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll), uintptr(unsafe.Pointer(&ev)), 1,
		^uintptr(0), 0, 0)
	if errno != 0 && errno != unix.EINTR {
		return os.NewSyscallError("epoll_wait", errno)
	}
	return nil
}

// wake ends a wait under way and all later ones.
func (p *park) wake() error {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, err := unix.Write(p.event, one[:])
	return os.NewSyscallError("write eventfd", err)
}

func (p *park) close() error {
	var err error
	for _, fd := range []int{p.epoll, p.event} {
		if fd >= 0 {
			err = errors.Join(err, os.NewSyscallError("close", unix.Close(fd)))
		}
	}
	return err
}
