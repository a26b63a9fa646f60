package underlay

import (
	"net"
	"syscall"
	"unsafe"

	"github.com/uvtep/uvtep/encap"
	"golang.org/x/sys/unix"
)

const (
	// sendTries bounds how often a message is offered while errors that earlier
	// packets may have caused come in its way,
	sendTries = 2
	// and staleTries how often while they have, for sure. After that it is offered
	// undisturbed: a storm of ICMP, which anybody can send, must not make packets
	// look refused.
	staleTries = 16
	// undisturbedTries bounds how often a message is offered where no more errors are
	// reported. What another processor was about to report may still come.
	undisturbedTries = 4
)

// flush sends the messages that were built and sets the result of each packet whose
// datagrams did not leave.
func (s *sender) flush() {
	s.sock = &s.t.sockets[s.socket]
	i := 0
	for i < s.queued && s.err == nil {
		sent, errno := s.offer(s.msgs[i:s.queued])
		i += sent
		if errno != 0 {
			s.refused(i, errno)
			s.limit = int(s.t.segments.limit.Load())
			i++
		}
	}
	for ; i < s.queued; i++ {
		s.fail(s.metas[i].first, s.metas[i].n, encap.SendRefused)
	}
}

// offer sends list from the socket up to a message that the kernel refuses
// for good, and returns how many were sent and why it ended. After Close s.err is set.
//
// An ICMP error that an earlier packet brought about is reported by the next
// send, in place of sending (sock_alloc_send_pskb in net/core/sock.c); so an
// error that such a report can be is believed only when it comes again where
// there are no such reports.
func (s *sender) offer(list []mmsghdr) (sent int, _ syscall.Errno) {
	for tries := 0; sent < len(list) && s.try(list[sent:]); {
		if s.errno == 0 {
			sent += s.sent
			tries = 0
			continue
		}
		if !maybePending(s.errno) {
			return sent, s.errno
		}
		// A report clears the error. The queue is left to TakeErrors where it can be:
		// reading it sets the error again, from the message behind.
		if tries++; tries < staleTries && onlyPending(s.errno) {
			continue
		}
		if s.errno == unix.EMSGSIZE {
			local := s.errors.drain(s.sock, s.t)
			// Joined datagrams that are too big are better asked about singly
			// than offered again.
			if joined := s.list[0].hdr.Iovlen != packetIovecs; local || joined {
				return sent, s.errno
			}
		}
		if tries < sendTries {
			continue
		}
		if s.undisturbed(list[sent:]); s.errno != 0 {
			return sent, s.errno
		}
		sent += s.sent
		tries = 0
	}
	return sent, 0
}

// try offers list once: s.sent and s.errno say what became of it. After Close
// it is false, and s.err set.
func (s *sender) try(list []mmsghdr) bool {
	s.list, s.sent = list, 0
	if s.sock.raw.Control(s.call) != nil {
		s.err, s.errno = net.ErrClosed, 0
		return false
	}
	return true
}

// undisturbed offers list while the kernel reports no ICMP errors to the socket: it
// reports none to a UDP socket without a peer that does not ask for them
// (__udp4_lib_err in net/ipv4/udp.c, __udp6_lib_err in net/ipv6/udp.c). Errors from
// before may still be pending, so the list is offered a few times then.
func (s *sender) undisturbed(list []mmsghdr) {
	s.sock.undisturbed.Lock()
	defer s.sock.undisturbed.Unlock()
	_ = s.errors.drain(s.sock, s.t) // they are thrown away otherwise (ip_setsockopt)
	s.setErrorReports(0)
	for range undisturbedTries {
		if !s.try(list) || !maybePending(s.errno) {
			break
		}
	}
	s.setErrorReports(1)
}

// setErrorReports sets whether the kernel reports ICMP errors to the socket.
func (s *sender) setErrorReports(on int) {
	s.recvErr = on
	_ = s.sock.raw.Control(s.setRecvErr) // closed: try says so
}

// setOption is the body of setErrorReports's Control.
func (s *sender) setOption(fd uintptr) {
	level, name := recvErr(s.t.v6)
	_ = unix.SetsockoptInt(int(fd), level, name, s.recvErr)
}

// sendmmsg is the body of the RawConn's Control. The call does not wait, so the
// scheduler is not notified, as in recvmmsg.
func (s *sender) sendmmsg(fd uintptr) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&s.list[0])),
			uintptr(len(s.list)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			s.sent, s.errno = int(n), errno
			return
		}
	}
}

// refused deals with message i, which the kernel did not take. Where that may
// be about joining, its datagrams are sent in smaller parts, and the
// transmitter remembers what was refused if those are not. EMSGSIZE is about
// the one path and is not remembered.
func (s *sender) refused(i int, errno syscall.Errno) {
	m := &s.metas[i]
	if m.n == 1 || !segmentRefusal(errno) {
		s.fail(m.first, m.n, sendResult(errno))
		return
	}
	if errno == unix.EINVAL && m.n > sureSegments && s.split(i, sureSegments) {
		s.t.segments.lower(sureSegments, errno)
		return
	}
	if s.split(i, 1) && errno != unix.EMSGSIZE {
		s.t.segments.lower(1, errno)
	}
}

// split sends message i in parts of n datagrams and reports whether the kernel
// took the first, which is as large as any. If it did not, and n is not 1,
// nothing more is tried and no result set.
func (s *sender) split(i, n int) bool {
	m := &s.metas[i]
	first := false
	for at := 0; at < m.n && s.err == nil; {
		list := s.carve(i, at, n)
		sent, errno := s.offer(list)
		first = first || at == 0 && sent > 0
		if n > 1 && !first {
			return false
		}
		at = min(at+sent*n, m.n)
		if errno == 0 {
			if s.err != nil {
				s.fail(m.first+at, m.n-at, encap.SendRefused)
			}
			continue
		}
		end := min(at+n, m.n)
		result := sendResult(errno)
		s.fail(m.first+at, end-at, result)
		// The rest of a superframe that does not fit the path would be of no
		// use, and is as large.
		for result == encap.SendTooBig && end < m.n && s.owner[m.first+end] == s.owner[m.first+end-1] {
			end++
		}
		at = end
	}
	return first
}
