package underlay

import (
	"net"
	"syscall"
	"unsafe"

	"github.com/uvtep/uvtep/encap"
	"golang.org/x/sys/unix"
)

const (
	// writeBatch is the most packets that are sorted by socket at once, and so
	// the most of one sendmmsg.
	writeBatch = 128
	// packetIovecs are those of a packet that is one frame: VXLAN header and
	// frame.
	packetIovecs = 2
	// sendTries bounds how often a packet is offered while errors that earlier
	// packets caused come in its way.
	sendTries = 4
)

// sender is the memory of one WriteBatch call. Packets of a chunk are chained
// by socket, in their order, and each chain leaves by sendmmsg.
type sender struct {
	t    *Transmitter
	call func(fd uintptr) // sends msgs[first:queued]; made once

	first, queued, iovecs int
	sent                  int
	errno                 syscall.Errno

	msgs    [writeBatch]mmsghdr
	packets [writeBatch]*encap.Packet // whom msgs belong to
	iovs    [writeBatch * packetIovecs]unix.Iovec
	names   [writeBatch]unix.RawSockaddrInet6
	control [writeBatch]controlBuffer
	errors  errorQueue

	// Chains of a chunk: chunk indices plus one, so that 0 ends a chain and
	// means an empty one.
	heads, tails []uint8 // by socket
	next         [writeBatch]uint8
	touched      []int32 // sockets with a chain, in order of their first packet
}

func newSender(t *Transmitter) *sender {
	s := &sender{
		t:       t,
		heads:   make([]uint8, len(t.sockets)),
		tails:   make([]uint8, len(t.sockets)),
		touched: make([]int32, 0, writeBatch),
	}
	s.call = s.sendmmsg
	s.errors.init()
	for i := range s.msgs {
		s.msgs[i].hdr.Name = (*byte)(unsafe.Pointer(&s.names[i]))
	}
	return s
}

// WriteBatch sends p and sets the Result of each packet. Packets of one hash
// keep their order. It does not wait: where a buffer is full the packet is
// dropped as SendNoBuffer, since one remote whose packets are stuck (an
// unresolved neighbour, a congested device) must not hold up the others. The
// error is net.ErrClosed after Close, else nil.
func (t *Transmitter) WriteBatch(p []encap.Packet) error {
	s := t.take()
	var err error
	for len(p) > 0 && err == nil {
		n := min(len(p), writeBatch)
		err = s.writeChunk(p[:n])
		p = p[n:]
	}
	for i := range p {
		p[i].Result = encap.SendRefused
	}
	t.give(s)
	return err
}

// writeChunk sorts at most writeBatch packets by socket and sends them.
func (s *sender) writeChunk(p []encap.Packet) error {
	for i := range p {
		p[i].Result = encap.SendRefused
		if !s.sendable(&p[i]) {
			continue
		}
		sock := pick(p[i].Hash, len(s.heads))
		s.next[i] = 0
		if s.heads[sock] == 0 {
			s.heads[sock] = uint8(i + 1)
			s.touched = append(s.touched, int32(sock))
		} else {
			s.next[s.tails[sock]-1] = uint8(i + 1)
		}
		s.tails[sock] = uint8(i + 1)
	}
	var err error
	for _, sock := range s.touched {
		for at := s.heads[sock]; at != 0; at = s.next[at-1] {
			s.queue(&p[at-1])
		}
		s.heads[sock] = 0
		if err == nil {
			err = s.flush(&s.t.sockets[sock])
		}
		s.reset()
	}
	s.touched = s.touched[:0]
	return err
}

// sendable refuses what this transmitter cannot put on the wire: a superframe,
// which needs segmentation, and a remote of the other IP version.
func (s *sender) sendable(p *encap.Packet) bool {
	return p.Frame.Offload.Kind == encap.GSONone && len(p.Frame.Data) > 0 &&
		p.Dst != (encap.Addr{}) && p.Dst.Is4() != s.t.v6
}

// queue appends the message of p: address, control messages, and the VXLAN
// header and the frame as iovecs, which are read in place.
func (s *sender) queue(p *encap.Packet) {
	i := s.queued
	h := &s.msgs[i].hdr
	h.Namelen = s.setName(i, p)
	h.Iov = &s.iovs[s.iovecs]
	h.SetIovlen(packetIovecs)
	s.appendIovec(p.Header[:])
	s.appendIovec(p.Frame.Data)
	h.Control = nil
	n := s.control[i].fill(p, s.t.v6)
	if n > 0 {
		h.Control = (*byte)(unsafe.Pointer(&s.control[i]))
	}
	h.SetControllen(n)
	s.packets[i] = p
	s.queued++
}

func (s *sender) appendIovec(b []byte) {
	v := &s.iovs[s.iovecs]
	v.Base = &b[0]
	v.SetLen(len(b))
	s.iovecs++
}

func (s *sender) setName(i int, p *encap.Packet) uint32 {
	if s.t.v6 {
		s.names[i] = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: networkPort(p.Port), Addr: p.Dst, Scope_id: p.Zone}
		return unix.SizeofSockaddrInet6
	}
	*(*unix.RawSockaddrInet4)(unsafe.Pointer(&s.names[i])) = unix.RawSockaddrInet4{
		Family: unix.AF_INET, Port: networkPort(p.Port), Addr: [4]byte(p.Dst[12:])}
	return unix.SizeofSockaddrInet4
}

// reset lets go of the frames, which belong to the caller.
func (s *sender) reset() {
	clear(s.iovs[:s.iovecs])
	clear(s.packets[:s.queued])
	s.first, s.queued, s.iovecs = 0, 0, 0
}

// flush sends what is queued from one socket and gives every packet its
// result.
//
// An ICMP error that an earlier packet brought about is reported by the next
// send, in place of sending (sock_alloc_send_pskb in net/core/sock.c); so an
// error that such a report can be is believed only when it comes again after
// the socket's error queue was read.
func (s *sender) flush(sock *poolSocket) error {
	for tries := 0; s.first < s.queued; {
		if err := sock.raw.Control(s.call); err != nil {
			return net.ErrClosed
		}
		if s.errno == 0 {
			for _, p := range s.packets[s.first : s.first+s.sent] {
				p.Result = encap.SendOK
			}
			s.first += s.sent
			tries = 0
			continue
		}
		tries++
		if maybePending(s.errno) {
			local := s.errors.drain(sock, &s.t.mtus)
			if tries < sendTries && !local {
				continue
			}
		}
		s.packets[s.first].Result = sendResult(s.errno)
		s.first++
		tries = 0
	}
	return nil
}

// sendmmsg is the body of the RawConn's Control.
func (s *sender) sendmmsg(fd uintptr) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&s.msgs[s.first])),
			uintptr(s.queued-s.first), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			s.sent, s.errno = int(n), errno
			return
		}
	}
}
