package tunnelgso

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// writev writes head and data to fd as one packet. The call does not wait, so the scheduler is
// not told of it, as in package tap.
func writev(fd int, head, data []byte) syscall.Errno {
	iov := [2]unix.Iovec{{Base: &head[0]}, {Base: &data[0]}}
	iov[0].SetLen(len(head))
	iov[1].SetLen(len(data))
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&iov[0])), uintptr(len(iov)))
		if errno != unix.EINTR {
			return errno
		}
	}
}
