package underlay

import (
	"math/rand/v2"
	"syscall"

	"github.com/uvtep/uvtep/encap"
)

// sender is the memory of one WriteBatch call, 250 KiB: the builder makes messages of
// the packets, and the rest is what the system calls need (flush_linux.go).
type sender struct {
	builder
	t    *Transmitter
	call func(fd uintptr) // sends list; made once
	err  error            // net.ErrClosed after Close

	sock   *poolSocket // that flush sends from
	list   []mmsghdr   // what call sends
	sent   int
	errno  syscall.Errno
	errors errorQueue

	recvErr    int // what setRecvErr sets
	setRecvErr func(fd uintptr)
}

func (t *Transmitter) newSender() *sender {
	s := &sender{t: t}
	s.init(rand.Uint64(), len(t.sockets), t.v6, s.flush)
	s.call, s.setRecvErr = s.sendmmsg, s.setOption
	s.errors.init()
	return s
}

// WriteBatch sends p and sets the Result of each packet. A superframe is cut
// into datagrams; where not all of them left, its Result says of one why, of
// one that was too big if there was one. Packets of one hash and one VXLAN header
// to one remote keep their order.
//
// Datagrams to one remote that have one VXLAN header leave in joined messages (see
// [Transmitter.Offloads]): those of a superframe, and packets in a row that are equally
// long, but for a shorter last one. So all packets to one remote are best in one batch,
// in whatever order with others.
//
// It does not wait: where a buffer is full the packet is dropped as
// SendNoBuffer, since one remote whose packets are stuck (an unresolved
// neighbour, a congested device) must not hold up the others. The error is
// net.ErrClosed after Close, else nil.
func (t *Transmitter) WriteBatch(p []encap.Packet) error {
	s := t.senders.Borrow(t.newSender)
	s.err = nil
	for len(p) > 0 && s.err == nil {
		s.limit = t.segments.allowed()
		p = p[s.build(p):]
	}
	for i := range p {
		p[i].Result = encap.SendRefused
	}
	err := s.err
	t.senders.Return(s)
	return err
}
