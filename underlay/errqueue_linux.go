package underlay

import (
	"syscall"
	"time"
	"unsafe"

	"github.com/uvtep/uvtep/encap"
	"golang.org/x/sys/unix"
)

const (
	// drainLimit bounds the time that a storm of ICMP errors takes from the
	// packet that ran into it.
	drainLimit = 64
	// The least path MTU to believe: RFC 791 section 3.2 and RFC 8200
	// section 5. The kernel keeps to larger ones by itself (min_pmtu, 552).
	leastMTU4 = 68
	leastMTU6 = 1280
)

// errorQueue is the memory for reading a socket's error queue (ip(7),
// IP_RECVERR).
type errorQueue struct {
	recv    func(fd uintptr) // reads one entry; made once
	errno   syscall.Errno
	msg     unix.Msghdr
	name    unix.RawSockaddrInet6
	control [32]uint64
}

func (q *errorQueue) init() {
	q.msg.Name = (*byte)(unsafe.Pointer(&q.name))
	q.msg.Control = (*byte)(unsafe.Pointer(&q.control))
	q.recv = func(fd uintptr) {
		_, _, q.errno = unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&q.msg)), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	}
}

// drain empties the error queue of sock, learns the path MTUs in it and notes what
// else ICMP said. local says that the kernel itself refused a packet as too big, so
// that EMSGSIZE was about the packet just offered and not about an earlier one.
//
// Of path MTUs only the kernel's own entries are believed: it has checked and
// bounded what an ICMP message claimed before it acts on it (ip_rt_update_pmtu).
func (q *errorQueue) drain(sock *poolSocket, t *Transmitter) (local bool) {
	for range drainLimit {
		q.msg.Namelen = unix.SizeofSockaddrInet6
		q.msg.SetControllen(len(q.control) * 8)
		if sock.raw.Control(q.recv) != nil || q.errno != 0 {
			return local
		}
		e := q.extended()
		switch {
		case e == nil:
		case e.Origin == unix.SO_EE_ORIGIN_LOCAL && syscall.Errno(e.Errno) == unix.EMSGSIZE:
			local = true
			q.learn(int(e.Info), &t.mtus)
		case e.Origin == unix.SO_EE_ORIGIN_ICMP, e.Origin == unix.SO_EE_ORIGIN_ICMP6:
			q.note(e, &t.icmp)
		}
	}
	return local
}

// note keeps what an ICMP message said of a packet, whose destination is the
// name (ip_icmp_error in net/ipv4/ip_sockglue.c).
func (q *errorQueue) note(e *unix.SockExtendedErr, icmp *icmpTable) {
	kind, ok := icmpKind4(e.Type, e.Code)
	if e.Origin == unix.SO_EE_ORIGIN_ICMP6 {
		kind, ok = icmpKind6(e.Type, e.Code)
	}
	var d encap.Datagram
	if ok && q.msg.Namelen >= unix.SizeofSockaddrInet4 && source(&q.name, &d) {
		icmp.note(d.Src, d.SrcPort, kind)
	}
}

func (q *errorQueue) learn(mtu int, mtus *pathMTUTable) {
	var d encap.Datagram
	if q.msg.Namelen < unix.SizeofSockaddrInet4 || !source(&q.name, &d) {
		return
	}
	least := leastMTU6
	if d.Src.Is4() {
		least = leastMTU4
	}
	if mtu >= least && mtu <= 65535 {
		mtus.learn(d.Src, mtu, time.Now())
	}
}

// extended finds the struct sock_extended_err among the control messages.
func (q *errorQueue) extended() *unix.SockExtendedErr {
	base, size := unsafe.Pointer(&q.control), int(q.msg.Controllen)
	for at := 0; at+unix.SizeofCmsghdr <= size; {
		h := (*unix.Cmsghdr)(unsafe.Add(base, at))
		if int(h.Len) < unix.SizeofCmsghdr || at+int(h.Len) > size {
			return nil
		}
		v4 := h.Level == unix.IPPROTO_IP && h.Type == unix.IP_RECVERR
		v6 := h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_RECVERR
		if (v4 || v6) && int(h.Len) >= unix.CmsgLen(int(unsafe.Sizeof(unix.SockExtendedErr{}))) {
			return (*unix.SockExtendedErr)(unsafe.Add(base, at+unix.CmsgLen(0)))
		}
		at += unix.CmsgSpace(int(h.Len) - unix.CmsgLen(0))
	}
	return nil
}

// maybePending says that errno may be the report of an ICMP error
// (icmp_err_convert in net/ipv4/icmp.c, icmpv6_err_convert in net/ipv6/icmp.c).
func maybePending(errno syscall.Errno) bool {
	switch errno {
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENOPROTOOPT, unix.ECONNREFUSED, unix.EMSGSIZE,
		unix.EOPNOTSUPP, unix.EHOSTDOWN, unix.ENONET, unix.EPROTO, unix.EACCES:
		return true
	}
	return false
}

// onlyPending says that errno can be nothing but the report of an ICMP error: no
// send of a datagram fails with it by itself.
func onlyPending(errno syscall.Errno) bool {
	switch errno {
	case unix.ENOPROTOOPT, unix.ECONNREFUSED, unix.EHOSTDOWN, unix.ENONET, unix.EPROTO:
		return true
	}
	return false
}

// sendResult names what a send's error means. EINVAL is a source address that
// is not configured yet (ip_route_output_key_hash_rcu in net/ipv4/route.c) or
// a blackhole route.
func sendResult(errno syscall.Errno) encap.SendResult {
	switch errno {
	case unix.EMSGSIZE:
		return encap.SendTooBig
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EHOSTDOWN, unix.ENONET, unix.ENETDOWN,
		unix.EADDRNOTAVAIL, unix.EINVAL, unix.ENODEV, unix.ENXIO:
		return encap.SendUnreachable
	case unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM:
		return encap.SendNoBuffer
	}
	return encap.SendRefused
}
