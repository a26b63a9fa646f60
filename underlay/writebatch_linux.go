package underlay

import (
	"math/rand/v2"
	"syscall"
	"unsafe"

	"github.com/uvtep/uvtep/encap"
	"golang.org/x/sys/unix"
)

// The way of a batch: packets are chained by socket and remote (chains), each
// chain becomes messages of equal datagrams (message_linux.go), superframes
// cut into datagrams on the way (superframe_linux.go), and the messages of a
// socket leave by sendmmsg (flush_linux.go).

const (
	// sendMessages is the most messages of one sendmmsg, and sendPairs the most
	// datagrams in them.
	sendMessages = 128
	sendPairs    = 1024
	// packetIovecs are those of a datagram: its headers (VXLAN, and of a
	// superframe the segment's own) and the rest.
	packetIovecs = 2
)

// sender is the memory of one WriteBatch call, 250 KiB.
type sender struct {
	t      *Transmitter
	call   func(fd uintptr) // sends list; made once
	chains chains
	limit  int // datagrams a message

	packets []encap.Packet // the chunk
	sock    *poolSocket    // whose messages are being built
	err     error          // net.ErrClosed after Close

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

	list   []mmsghdr // what call sends
	sent   int
	errno  syscall.Errno
	errors errorQueue

	recvErr    int // what setRecvErr sets
	setRecvErr func(fd uintptr)
}

func (t *Transmitter) newSender() *sender {
	s := &sender{t: t}
	s.chains.init(rand.Uint64(), len(t.sockets))
	s.call, s.setRecvErr = s.sendmmsg, s.setOption
	s.errors.init()
	for i := range s.msgs {
		s.msgs[i].hdr.Name = (*byte)(unsafe.Pointer(&s.names[i]))
	}
	return s
}

// WriteBatch sends p and sets the Result of each packet. A superframe is cut
// into datagrams; where not all of them left, its Result says of one why, of
// one that was too big if there was one. Packets of one hash to one remote
// keep their order.
//
// Datagrams to one remote leave in joined messages (see [Transmitter.Offloads]):
// those of a superframe, and packets in a row that are equally long, but for a
// shorter last one. So all packets to one remote are best in one batch, in
// whatever order with others.
//
// It does not wait: where a buffer is full the packet is dropped as
// SendNoBuffer, since one remote whose packets are stuck (an unresolved
// neighbour, a congested device) must not hold up the others. The error is
// net.ErrClosed after Close, else nil.
func (t *Transmitter) WriteBatch(p []encap.Packet) error {
	s := t.senders.Borrow(t.newSender)
	s.err = nil
	for len(p) > 0 && s.err == nil {
		n := s.sort(p[:min(len(p), writeChunk)])
		s.packets = p[:n]
		s.send()
		p = p[n:]
	}
	for i := range p {
		p[i].Result = encap.SendRefused
	}
	err := s.err
	t.senders.Return(s)
	return err
}

// sort chains as many packets as there is room for, all but in extreme cases,
// and says how many.
func (s *sender) sort(p []encap.Packet) int {
	for i := range p {
		p[i].Result = encap.SendRefused
		if s.sendable(&p[i]) && !s.chains.add(p, i, uint16(pick(p[i].Hash, len(s.t.sockets)))) {
			return i
		}
	}
	return len(p)
}

// sendable refuses what this transmitter cannot put on the wire: frames in
// pieces, and a remote of the other IP version.
func (s *sender) sendable(p *encap.Packet) bool {
	return len(p.Frame.Data) > 0 && len(p.Frame.More) == 0 &&
		p.Dst != (encap.Addr{}) && p.Dst.Is4() != s.t.v6
}

// send sends the sorted packets and forgets them.
func (s *sender) send() {
	s.limit = s.t.segments.allowed()
	c := &s.chains
	for _, socket := range c.touched {
		s.sock = &s.t.sockets[socket]
		for at := c.sockets[socket].head; at != 0; at = c.chains[at-1].next {
			for i := c.chains[at-1].head; i != 0; i = c.next[i-1] {
				s.packet(i - 1)
			}
			s.finish()
		}
		s.flush()
	}
	c.reset()
	s.super.reset()
	s.packets, s.sock = nil, nil
}

// packet queues the datagrams of packet i. Results are those of a success
// until a message fails.
func (s *sender) packet(i uint16) {
	p := &s.packets[i]
	if p.Frame.Offload.Kind != encap.GSONone {
		s.superframe(i, p)
		return
	}
	p.Result = encap.SendOK
	s.datagram(i, p, p.Header[:], p.Frame.Data)
}
