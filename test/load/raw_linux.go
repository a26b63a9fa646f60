package load

import (
	"runtime"
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"
)

// raw prepares this process for system calls that block and that Go's scheduler is not told of, as those of other
// programs are: told of one, it takes the processor away after 20 us and starts threads, which made a kernel's round trip
// a quarter longer and its TCP a quarter slower than with programs in C. Each goroutine that blocks so keeps a processor,
// so there are as many as goroutines, and no collection, which would wait for all of them; nor does the scheduler send
// signals (GODEBUG), which would end each wait before its time limit.
func raw(goroutines int) {
	runtime.GOMAXPROCS(goroutines + 2)
	debug.SetGCPercent(-1)
}

func read(fd int, b []byte) (int, error) {
	return rawCall(unix.SYS_READ, fd, b, nil, 0)
}

func write(fd int, b []byte) (int, error) {
	return rawCall(unix.SYS_WRITE, fd, b, nil, 0)
}

// sockname is a peer's address as the kernel writes it.
type sockname struct {
	addr unix.RawSockaddrInet6 // or IPv4's, which is shorter
	size uint32
}

func receiveFrom(fd int, b []byte, from *sockname) (int, error) {
	from.size = unix.SizeofSockaddrInet6
	return rawCall(unix.SYS_RECVFROM, fd, b, &from.addr, uintptr(unsafe.Pointer(&from.size)))
}

func sendTo(fd int, b []byte, to *sockname) (int, error) {
	return rawCall(unix.SYS_SENDTO, fd, b, &to.addr, uintptr(to.size))
}

func rawCall(call uintptr, fd int, b []byte, addr *unix.RawSockaddrInet6, size uintptr) (int, error) {
	n, _, errno := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0,
		uintptr(unsafe.Pointer(addr)), size)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
