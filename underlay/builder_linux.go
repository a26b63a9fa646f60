package underlay

import (
	"unsafe"

	"github.com/uvtep/uvtep/encap"
	"golang.org/x/sys/unix"
)

// Words of the way out, in the order in which they come up:
//
//	packet      what a caller of WriteBatch asks for: a frame, a VXLAN header, a remote
//	batch       the packets of one WriteBatch call
//	chunk       the packets of a batch that are sorted at once, at most writeChunk
//	chain       the packets of a chunk with one socket, remote and VXLAN header, in order
//	superframe  a frame that stands for many segments (encap.Frame)
//	segment     one of those, with its own inner headers; it becomes a datagram
//	arena       the memory that the headers of segments are written to
//	datagram    one UDP datagram on the wire: VXLAN header and inner frame
//	pair        the two iovecs of a datagram: its headers, and the rest
//	message     what the kernel is offered at once (an mmsghdr): a datagram, or
//	            several of one length that the kernel cuts apart (UDP_SEGMENT)
//	part        a message of some of a message's datagrams, after a refusal
//
// The builder turns packets into messages and makes no system call. The sender
// (sender_linux.go) offers the messages to the kernel and falls back where it refuses.

const (
	// sendMessages is the most messages of one sendmmsg, and sendPairs the most
	// datagrams in them.
	sendMessages = 128
	sendPairs    = 1024
	// packetIovecs are those of a datagram: its headers (VXLAN, and of a
	// superframe the segment's own) and the rest.
	packetIovecs = 2
)

// builder turns the packets of a batch into messages, chain by chain.
type builder struct {
	v6     bool
	limit  int    // datagrams a message
	full   func() // offers the messages; called where there is no room for more, and after a socket's last
	chains chains

	packets []encap.Packet // the chunk
	socket  uint16         // whose messages are being built

	pairs [sendPairs][packetIovecs]unix.Iovec // one for each datagram
	owner [sendPairs]uint16                   // whose packets they are
	used  int                                 // pairs

	msgs    [sendMessages]mmsghdr
	metas   [sendMessages]message
	names   [sendMessages]unix.RawSockaddrInet6
	control [sendMessages]controlBuffer
	whole   [sendMessages]unix.Iovec // of messages in one piece, which lies in flat
	queued  int                      // messages
	open    bool                     // the last message may grow

	flat     [flatBytes]byte
	flatUsed int

	parts [sureSegments]mmsghdr // of a message that was refused
	super superframes
}

// init prepares an empty builder, for so many sockets of one IP version.
func (b *builder) init(seed uint64, sockets int, v6 bool, full func()) {
	b.v6, b.full = v6, full
	b.chains.init(seed, sockets)
	for i := range b.msgs {
		b.msgs[i].hdr.Name = (*byte)(unsafe.Pointer(&b.names[i]))
	}
}

// build makes the messages of the packets at the beginning of p that are sorted at
// once, and returns how many packets those are.
func (b *builder) build(p []encap.Packet) int {
	n := b.sort(p[:min(len(p), writeChunk)])
	b.packets = p[:n]
	c := &b.chains
	for _, b.socket = range c.touched {
		for at := c.sockets[b.socket].head; at != 0; at = c.chains[at-1].next {
			for i := c.chains[at-1].head; i != 0; i = c.next[i-1] {
				b.packet(i - 1)
			}
			b.finish()
		}
		b.empty()
	}
	c.reset()
	b.super.reset()
	b.packets = nil
	return n
}

// sort chains as many packets as there is room for, all but in extreme cases, and
// returns how many.
func (b *builder) sort(p []encap.Packet) int {
	for i := range p {
		p[i].Result = encap.SendRefused
		if b.sendable(&p[i]) && !b.chains.add(p, i, uint16(pick(p[i].Hash, len(b.chains.sockets)))) {
			return i
		}
	}
	return len(p)
}

// sendable reports whether p can be put on the wire: its frame lies in one piece, and
// its remote has the sockets' IP version.
func (b *builder) sendable(p *encap.Packet) bool {
	return len(p.Frame.Data) > 0 && len(p.Frame.More) == 0 &&
		p.Dst != (encap.Addr{}) && p.Dst.Is4() != b.v6
}

// packet queues the datagrams of packet i. Its result is that of a success until a
// message fails.
func (b *builder) packet(i uint16) {
	p := &b.packets[i]
	if p.Frame.Offload.Kind != encap.GSONone {
		b.superframe(i, p)
		return
	}
	p.Result = encap.SendOK
	b.datagram(i, p, p.Header[:], p.Frame.Data)
}

// empty completes the messages, has them offered and forgets them. The frames belong to
// the caller, so that no pointer to them is kept.
func (b *builder) empty() {
	b.finish()
	b.full()
	clear(b.pairs[:b.used])
	clear(b.metas[:b.queued])
	b.queued, b.used, b.flatUsed = 0, 0, 0
}
