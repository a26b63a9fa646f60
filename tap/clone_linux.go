package tap

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// clonePath is the device of which each open returns a fresh, unattached queue
// (Documentation/networking/tuntap.rst).
const clonePath = "/dev/net/tun"

// netnsID identifies a network namespace: device and inode number of the file
// in nsfs (namespaces(7)).
type netnsID struct{ dev, inode uint64 }

// netnsOf is the identity of the namespace that fd is open on.
func netnsOf(fd int) (netnsID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return netnsID{}, os.NewSyscallError("fstat", err)
	}
	return netnsID{uint64(st.Dev), st.Ino}, nil //nolint:unconvert // 32 bits on some architectures
}

// threadNetns is the identity of the calling thread's namespace.
func threadNetns() (netnsID, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return netnsID{}, os.NewSyscallError("stat /proc/thread-self/ns/net", err)
	}
	return netnsID{uint64(st.Dev), st.Ino}, nil //nolint:unconvert // 32 bits on some architectures
}

// openClone opens an unattached queue. It does not block, for two reasons: the
// runtime's poller waits for it, and the kernel builds frames cheaper for
// queues with O_NONBLOCK (tun_can_build_skb in drivers/net/tun.c).
func openClone(path string) (int, error) {
	if path == "" {
		path = clonePath
	}
	for {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		switch {
		case err == nil:
			return fd, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
			return -1, fmt.Errorf("%w (%w)", ErrNoDevice, err)
		case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
			return -1, fmt.Errorf("%w (%w)", ErrPermission, os.NewSyscallError("open "+path, err))
		default:
			return -1, os.NewSyscallError("open "+path, err)
		}
	}
}

// tunSetIffIndex is TUNSETIFFINDEX, which package unix has not: _IOW('T', 218, unsigned int), as
// TUNSETNOCSUM is of 200 (include/uapi/linux/if_tun.h).
const tunSetIffIndex = unix.TUNSETNOCSUM + 218 - 200

// attach makes fd a queue of the TAP name, which it creates if need be
// (TUNSETIFF), and returns the name that the kernel gave.
func attach(fd int, name string, flags uint16) (string, error) {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return "", fmt.Errorf("device name %q: %w", name, err)
	}
	req.SetUint16(flags)
	if err := ifreqIoctl(fd, unix.TUNSETIFF, req); err != nil {
		return "", os.NewSyscallError("TUNSETIFF", err)
	}
	return req.Name(), nil
}

// attached is the present name of the netdev that fd is a queue of and the
// flags of TUNSETIFF that it has; ErrGone where the netdev was deleted.
func attached(fd int) (name string, flags uint16, err error) {
	req, err := unix.NewIfreq("")
	if err != nil {
		return "", 0, err
	}
	err = ifreqIoctl(fd, unix.TUNGETIFF, req)
	if errors.Is(err, unix.EBADFD) {
		return "", 0, ErrGone
	}
	if err != nil {
		return "", 0, os.NewSyscallError("TUNGETIFF", err)
	}
	return req.Name(), req.Uint16(), nil
}

func ifreqIoctl(fd int, request uintptr, req *unix.Ifreq) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(req)))
	if errno != 0 {
		return errno
	}
	return nil
}

// deviceNetns opens the namespace that the netdev of the queue fd is in now.
// TUNGETDEVNETNS (Linux 5.2) returns it; SIOCGSKNS returns the namespace in
// which the queue was opened.
func deviceNetns(fd int) (int, error) {
	ns, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNGETDEVNETNS, 0)
	switch errno {
	case 0:
		return int(ns), nil
	case unix.EBADFD:
		return -1, ErrGone
	case unix.EPERM, unix.EACCES:
		return -1, fmt.Errorf("%w (%w)", ErrPermission, os.NewSyscallError("TUNGETDEVNETNS", errno))
	}
	return -1, os.NewSyscallError("TUNGETDEVNETNS", errno)
}

// setVnet sets the header of vnet.go on the netdev of fd: its size, which a
// persistent device may remember otherwise, and its byte order.
func setVnet(fd int) error {
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, vnetHeaderLen); err != nil {
		return os.NewSyscallError("TUNSETVNETHDRSZ", err)
	}
	return os.NewSyscallError("TUNSETVNETLE", unix.IoctlSetPointerInt(fd, unix.TUNSETVNETLE, 1))
}
