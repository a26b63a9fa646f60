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
func (b *builder) datagram(i uint16, p *encap.Packet, head, body []byte) {
	size := len(head) + len(body)
	grows := b.open && b.metas[b.queued-1].takes(p, size, b.limit)
	if b.used == sendPairs || (!grows && b.queued == sendMessages) {
		b.empty()
		grows = false
	}
	if !grows {
		b.finish()
		b.start(p, size)
	}
	m := &b.metas[b.queued-1]
	v := &b.pairs[b.used]
	v[0].Base, v[1].Base = &head[0], &body[0]
	v[0].SetLen(len(head))
	v[1].SetLen(len(body))
	b.owner[b.used] = i
	b.used++
	m.n++
	m.bytes += size
}

// takes reports whether a datagram of p, which is of the chain of the message's packets, may
// follow in it.
func (m *message) takes(p *encap.Packet, size, limit int) bool {
	q := m.packet
	return m.n < limit && size <= m.size && m.bytes == m.n*m.size && m.bytes+size <= mostPayload &&
		(p == q || p.TOS == q.TOS && p.TTL == q.TTL && p.Zone == q.Zone && p.FlowLabel == q.FlowLabel)
}

// start opens a message to p's remote, of datagrams of size bytes.
func (b *builder) start(p *encap.Packet, size int) {
	i := b.queued
	h := &b.msgs[i].hdr
	h.Namelen = b.setName(i, p)
	h.Iov = &b.pairs[b.used][0]
	b.metas[i] = message{first: b.used, size: size, plain: b.control[i].fill(p, b.v6), packet: p}
	b.queued++
	b.open = true
}

// finish completes the message that is open.
func (b *builder) finish() {
	if !b.open {
		return
	}
	b.open = false
	i := b.queued - 1
	m, h := &b.metas[i], &b.msgs[i].hdr
	n := m.plain
	if m.n > 1 {
		*(*uint16)(b.control[i].add(&n, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)) = uint16(m.size)
	}
	b.shape(h, m.n, i, n)
	if m.n > 1 && m.size <= flatMost {
		b.flatten(i)
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
func (b *builder) flatten(i int) {
	m, h := &b.metas[i], &b.msgs[i].hdr
	if b.flatUsed+m.bytes > flatBytes {
		return
	}
	out := b.flat[b.flatUsed : b.flatUsed+m.bytes]
	b.flatUsed += m.bytes
	b.whole[i].Base = &out[0]
	b.whole[i].SetLen(m.bytes)
	h.Iov = &b.whole[i]
	h.SetIovlen(1)
	for at := range b.pairs[m.first : m.first+m.n] {
		v := &b.pairs[m.first+at]
		out = out[copy(out, unsafe.Slice(v[0].Base, v[0].Len)):]
		out = out[copy(out, unsafe.Slice(v[1].Base, v[1].Len)):]
	}
}

// shape sets the lengths of h: n datagrams, control bytes of control buffer i.
func (b *builder) shape(h *unix.Msghdr, n, i, control int) {
	h.SetIovlen(n * packetIovecs)
	h.Control = nil
	if control > 0 {
		h.Control = (*byte)(unsafe.Pointer(&b.control[i]))
	}
	h.SetControllen(control)
}

func (b *builder) setName(i int, p *encap.Packet) uint32 {
	if b.v6 {
		b.names[i] = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: networkPort(p.Port), Addr: p.Dst, Scope_id: p.Zone}
		binary.BigEndian.PutUint32((*[4]byte)(unsafe.Pointer(&b.names[i].Flowinfo))[:], p.FlowLabel)
		return unix.SizeofSockaddrInet6
	}
	*(*unix.RawSockaddrInet4)(unsafe.Pointer(&b.names[i])) = unix.RawSockaddrInet4{
		Family: unix.AF_INET, Port: networkPort(p.Port), Addr: [4]byte(p.Dst[12:])}
	return unix.SizeofSockaddrInet4
}

// carve makes the messages for the datagrams of message i from at on, n in
// each, as many as there is room for.
func (b *builder) carve(i, at, n int) []mmsghdr {
	m, whole := &b.metas[i], &b.msgs[i].hdr
	k := 0
	for ; k < len(b.parts) && at < m.n; k++ {
		h := &b.parts[k].hdr
		*h = *whole
		h.Iov = &b.pairs[m.first+at][0]
		control := m.plain
		if n > 1 {
			control = int(whole.Controllen)
		}
		b.shape(h, min(n, m.n-at), i, control)
		at += n
	}
	return b.parts[:k]
}

// fail sets the result of the packets of n datagrams. The first failure stays, but
// SendTooBig replaces any other: only it leads to a remedy, a smaller MTU.
func (b *builder) fail(first, n int, result encap.SendResult) {
	for _, i := range b.owner[first : first+n] {
		if p := &b.packets[i]; p.Result == encap.SendOK || result == encap.SendTooBig {
			p.Result = result
		}
	}
}
