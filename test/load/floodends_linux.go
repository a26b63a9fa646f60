package load

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2) and sendmmsg(2).
type mmsghdr struct {
	hdr    unix.Msghdr
	length uint32
}

// batch is how many messages one system call moves, so that the calls are not what limits the rate.
const batch = 64

// messages are the buffers of such a call.
type messages struct {
	bufs [][]byte
	iovs []unix.Iovec
	hdrs []mmsghdr
}

func newMessages(n, size int) *messages {
	m := &messages{bufs: make([][]byte, n), iovs: make([]unix.Iovec, n), hdrs: make([]mmsghdr, n)}
	for i := range n {
		m.bufs[i] = make([]byte, size)
		m.iovs[i].Base = &m.bufs[i][0]
		m.iovs[i].SetLen(size)
		m.hdrs[i].hdr.Iov = &m.iovs[i]
		m.hdrs[i].hdr.SetIovlen(1)
	}
	return m
}

// send sends the first n messages and returns how many the kernel took.
func (m *messages) send(fd, n int) (int, error) {
	return m.call(unix.SYS_SENDMMSG, fd, n, 0)
}

// receive waits for one message and takes what else is there.
func (m *messages) receive(fd int) (int, error) {
	return m.call(unix.SYS_RECVMMSG, fd, len(m.hdrs), unix.MSG_WAITFORONE)
}

func (m *messages) call(nr uintptr, fd, n, flags int) (int, error) {
	done, _, errno := unix.RawSyscall6(nr, uintptr(fd), uintptr(unsafe.Pointer(&m.hdrs[0])), uintptr(n), uintptr(flags), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(done), nil
}

// udpSocket opens a blocking socket, bound to local or connected to remote where they are valid.
func udpSocket(local, remote netip.AddrPort) (fd int, err error) {
	family := unix.AF_INET
	if local.Addr().Is6() || remote.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if local.IsValid() {
		// Shared, so that one socket can have an address that is part of another's wildcard.
		err = errors.Join(os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)),
			os.NewSyscallError("bind", unix.Bind(fd, sockaddr(local))))
	}
	if err == nil && remote.IsValid() {
		err = os.NewSyscallError("connect", unix.Connect(fd, sockaddr(remote)))
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// sendFlood sends with one call a batch from one socket, or a send each from many in turn, as many programs would.
func sendFlood(o *order, l *line) (r report, err error) {
	fds := make([]int, o.Streams)
	for i := range fds {
		if fds[i], err = udpSocket(netip.AddrPort{}, o.Addr); err != nil {
			return r, err
		}
		defer unix.Close(fds[i])
		if o.Segment > 0 {
			if err := unix.SetsockoptInt(fds[i], unix.SOL_UDP, unix.UDP_SEGMENT, o.Sizes[0]); err != nil {
				return r, os.NewSyscallError("setsockopt UDP_SEGMENT", err)
			}
		}
	}
	l.ready(0)
	l.wait()
	s := newFloodSender(o)
	start := time.Now()
	for i := 0; ; i++ {
		if i%16 == 0 && time.Since(start) >= o.Duration {
			r.Elapsed = time.Since(start)
			return r, nil
		}
		flow := i % len(fds)
		n, err := s.send(fds[flow], s.fill(flow))
		switch {
		case err == nil:
			r.Count += int64(n * s.segments)
			s.next[flow] += uint64(n * s.segments)
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.EAGAIN):
			r.Refused += int64(s.segments)
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNREFUSED): // the second: an ICMP error about an earlier one
		default:
			return r, fmt.Errorf("send: %w", err)
		}
	}
}

// floodSender holds the messages of one call.
type floodSender struct {
	*messages
	sizes    []int
	segments int
	next     []uint64 // the number of each flow's next datagram
}

func newFloodSender(o *order) *floodSender {
	s := &floodSender{sizes: o.Sizes, segments: max(o.Segment, 1), next: make([]uint64, o.Streams)}
	n, size := batch, 0
	if o.Streams > 1 || o.Segment > 0 {
		n = 1
	}
	for _, v := range o.Sizes {
		size = max(size, v*s.segments)
	}
	s.messages = newMessages(n, size)
	return s
}

// fill numbers the datagrams of the next call and returns how many messages it has.
func (s *floodSender) fill(flow int) int {
	seq := s.next[flow]
	for i, b := range s.bufs {
		size := s.sizes[seq%uint64(len(s.sizes))]
		s.iovs[i].SetLen(size * s.segments)
		for ; len(b) >= size && seq < s.next[flow]+uint64((i+1)*s.segments); b = b[size:] {
			number(b, uint32(flow), seq)
			seq++
		}
	}
	return len(s.bufs)
}

// floodBuffer holds what arrives while the receiver waits for a CPU.
const floodBuffer = 8 << 20

// floodSilence ends the wait for more once the sender is done.
const floodSilence = 50 * time.Millisecond

// listen opens the socket of a receiver, which is ready then.
func listen(o *order, l *line) (fd int, err error) {
	if fd, err = udpSocket(o.Addr, netip.AddrPort{}); err != nil {
		return -1, err
	}
	timeout := unix.NsecToTimeval(floodSilence.Nanoseconds())
	bound, err := unix.Getsockname(fd)
	err = errors.Join(os.NewSyscallError("getsockname", err),
		os.NewSyscallError("setsockopt SO_RCVBUFFORCE", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, floodBuffer)),
		os.NewSyscallError("setsockopt SO_RCVTIMEO", unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)))
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	switch a := bound.(type) {
	case *unix.SockaddrInet4:
		l.ready(a.Port)
	case *unix.SockaddrInet6:
		l.ready(a.Port)
	}
	return fd, nil
}

func receiveFlood(o *order, l *line) (r report, err error) {
	fd, err := listen(o, l)
	if err != nil {
		return r, err
	}
	defer unix.Close(fd)
	m := newMessages(batch, 2048)
	t := newTally(o.Streams, o.Sizes, &r)
	var first, last time.Time
	for {
		n, err := m.receive(fd)
		switch {
		case errors.Is(err, unix.EAGAIN):
			if l.told() {
				r.Elapsed = last.Sub(first)
				return r, nil
			}
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return r, fmt.Errorf("receive: %w", err)
		default:
			last = time.Now()
			if first.IsZero() {
				first = last
			}
			for i := range n {
				t.add(m.bufs[i], int(m.hdrs[i].length))
			}
		}
	}
}
