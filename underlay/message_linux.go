package underlay

import (
	"encoding/binary"
	"unsafe"

	"github.com/uvtep/uvtep/encap"
	"golang.org/x/sys/unix"
)

// message is what is kept beside the mmsghdr of a message: consecutive pairs,
// equally long but for the last, which may be shorter.
type message struct {
	first, n int // pairs
	size     int // of a datagram, in bytes
	bytes    int // of all
	plain    int // length of the control messages but UDP_SEGMENT
	packet   *encap.Packet
}

// datagram queues one datagram of packet i: head, at most one more in the same
// memory for each message, and body. Both are read in place.
func (s *sender) datagram(i uint16, p *encap.Packet, head, body []byte) {
	size := len(head) + len(body)
	grows := s.open && s.metas[s.queued-1].takes(p, size, s.limit)
	if s.used == sendPairs || (!grows && s.queued == sendMessages) {
		s.flush()
		grows = false
	}
	if !grows {
		s.finish()
		s.start(p, size)
	}
	m := &s.metas[s.queued-1]
	v := &s.pairs[s.used]
	v[0].Base, v[1].Base = &head[0], &body[0]
	v[0].SetLen(len(head))
	v[1].SetLen(len(body))
	s.owner[s.used] = i
	s.used++
	m.n++
	m.bytes += size
}

// takes says whether a datagram of p, which has the message's remote, may
// follow in it. All of a message have one VXLAN header: a receiver on the same
// host takes a message of several for what it cannot decide.
func (m *message) takes(p *encap.Packet, size, limit int) bool {
	q := m.packet
	return m.n < limit && size <= m.size && m.bytes == m.n*m.size && m.bytes+size <= mostPayload &&
		(p == q || p.Header == q.Header && p.TOS == q.TOS && p.TTL == q.TTL && p.Zone == q.Zone && p.FlowLabel == q.FlowLabel)
}

// start opens a message to p's remote, of datagrams of size bytes.
func (s *sender) start(p *encap.Packet, size int) {
	i := s.queued
	h := &s.msgs[i].hdr
	h.Namelen = s.setName(i, p)
	h.Iov = &s.pairs[s.used][0]
	s.metas[i] = message{first: s.used, size: size, plain: s.control[i].fill(p, s.t.v6), packet: p}
	s.queued++
	s.open = true
}

// finish completes the message that is open.
func (s *sender) finish() {
	if !s.open {
		return
	}
	s.open = false
	i := s.queued - 1
	m, h := &s.metas[i], &s.msgs[i].hdr
	n := m.plain
	if m.n > 1 {
		*(*uint16)(s.control[i].add(&n, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)) = uint16(m.size)
	}
	s.shape(h, m.n, i, n)
	if m.n > 1 && m.size <= flatMost {
		s.flatten(i)
	}
}

const (
	// flatMost is the longest datagram that is cheaper to copy here than to hand
	// to the kernel as two iovecs, each of which costs it some 30 ns.
	flatMost  = 256
	flatBytes = 64 << 10
)

// flatten copies the datagrams of message i into one piece, where there is room.
// Their pairs stay, for carve.
func (s *sender) flatten(i int) {
	m, h := &s.metas[i], &s.msgs[i].hdr
	if s.flatUsed+m.bytes > flatBytes {
		return
	}
	out := s.flat[s.flatUsed : s.flatUsed+m.bytes]
	s.flatUsed += m.bytes
	s.whole[i].Base = &out[0]
	s.whole[i].SetLen(m.bytes)
	h.Iov = &s.whole[i]
	h.SetIovlen(1)
	for at := range s.pairs[m.first : m.first+m.n] {
		v := &s.pairs[m.first+at]
		out = out[copy(out, unsafe.Slice(v[0].Base, v[0].Len)):]
		out = out[copy(out, unsafe.Slice(v[1].Base, v[1].Len)):]
	}
}

// shape gives h its numbers: n datagrams, control bytes of control buffer i.
func (s *sender) shape(h *unix.Msghdr, n, i, control int) {
	h.SetIovlen(n * packetIovecs)
	h.Control = nil
	if control > 0 {
		h.Control = (*byte)(unsafe.Pointer(&s.control[i]))
	}
	h.SetControllen(control)
}

func (s *sender) setName(i int, p *encap.Packet) uint32 {
	if s.t.v6 {
		s.names[i] = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: networkPort(p.Port), Addr: p.Dst, Scope_id: p.Zone}
		binary.BigEndian.PutUint32((*[4]byte)(unsafe.Pointer(&s.names[i].Flowinfo))[:], p.FlowLabel)
		return unix.SizeofSockaddrInet6
	}
	*(*unix.RawSockaddrInet4)(unsafe.Pointer(&s.names[i])) = unix.RawSockaddrInet4{
		Family: unix.AF_INET, Port: networkPort(p.Port), Addr: [4]byte(p.Dst[12:])}
	return unix.SizeofSockaddrInet4
}
