package tap

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// eventsLen holds any link message: the kernel builds them for a page or two.
const eventsLen = 64 << 10

// eventsBuffer is what the kernel may keep of messages not yet read: several of about
// 1.5 KiB come for each device that is made, and with thousands at once the default
// buffer (212,992 bytes) loses them. It is memory only while it is used.
const eventsBuffer = 8 << 20

// eventGroups are the multicast groups that are listened to (rtnetlink(7)).
func eventGroups() []int {
	return []int{unix.RTNLGRP_LINK, unix.RTNLGRP_NSID, unix.RTNLGRP_NEIGH}
}

// eventSocket receives the changes of netdevs and their neighbours. Its
// methods but interrupt belong to one goroutine at a time.
type eventSocket struct {
	file *os.File // owns fd, on the runtime's poller
	raw  syscall.RawConn
	fd   int
	buf  []byte // while joined
	oob  [64]byte
}

// openEvents opens a socket in the calling thread's namespace that has
// joined no group yet.
func openEvents() (*eventSocket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, errors.Join(os.NewSyscallError("bind", err), unix.Close(fd))
	}
	// Without CAP_NET_BROADCAST only events of the own namespace arrive: Watch looks at
	// devices elsewhere now and then, in any case.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_LISTEN_ALL_NSID, 1)
	// Without CAP_NET_ADMIN it stays as small as net.core.rmem_max has it.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, eventsBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, eventsBuffer)
	}
	s := &eventSocket{file: os.NewFile(uintptr(fd), "netlink events"), fd: fd}
	if s.raw, err = s.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	return s, nil
}

func (s *eventSocket) close() { _ = s.file.Close() }

// join subscribes.
func (s *eventSocket) join() error {
	if err := s.file.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	for _, group := range eventGroups() {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group); err != nil {
			s.leave()
			return os.NewSyscallError("setsockopt NETLINK_ADD_MEMBERSHIP", err)
		}
	}
	s.buf = make([]byte, eventsLen)
	return nil
}

// leave unsubscribes and forgets what is queued, so that the next to join does
// not take it for news.
func (s *eventSocket) leave() {
	for _, group := range eventGroups() {
		_ = unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_DROP_MEMBERSHIP, group)
	}
	s.buf = nil
	var scrap [1]byte
	for {
		_, _, err := unix.Recvfrom(s.fd, scrap[:], unix.MSG_TRUNC)
		if err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ENOBUFS) {
			return
		}
	}
}

// interrupt makes read return os.ErrDeadlineExceeded.
func (s *eventSocket) interrupt() { _ = s.file.SetReadDeadline(time.Unix(1, 0)) }

// read blocks for the next messages and the id of the namespace they are from.
func (s *eventSocket) read() (nsid int, msgs []syscall.NetlinkMessage, err error) {
	var n, oobn, flags int
	waitErr := s.raw.Read(func(uintptr) bool {
		for {
			n, oobn, flags, _, err = unix.Recvmsg(s.fd, s.buf, s.oob[:], 0)
			if !errors.Is(err, unix.EINTR) {
				return !errors.Is(err, unix.EAGAIN)
			}
		}
	})
	switch {
	case waitErr != nil:
		return home, nil, waitErr
	case err != nil:
		return home, nil, os.NewSyscallError("recvmsg", err)
	case flags&unix.MSG_TRUNC != 0:
		return home, nil, os.NewSyscallError("recvmsg", unix.ENOBUFS)
	}
	msgs, err = syscall.ParseNetlinkMessage(s.buf[:n])
	return nsidOf(s.oob[:oobn]), msgs, err
}

// nsidOf is the namespace id beside a message; the own namespace's have none.
func nsidOf(oob []byte) int {
	ctrl, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return home
	}
	for _, c := range ctrl {
		if c.Header.Level == unix.SOL_NETLINK && c.Header.Type == unix.NETLINK_LISTEN_ALL_NSID && len(c.Data) >= 4 {
			return int(int32(nl.NativeEndian().Uint32(c.Data)))
		}
	}
	return home
}
