package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// spreadTick is how often a sender with a rate sends what is due.
const spreadTick = 500 * time.Microsecond

// spreadSender holds the datagrams of one call, each of the next flow. The flows have one socket, and an address each.
type spreadSender struct {
	*messages
	sizes []int
	next  []uint64 // the number of each flow's next datagram
	turn  int      // the flow of the next datagram
	to    []unix.RawSockaddrInet4
}

func newSpreadSender(o *order) *spreadSender {
	s := &spreadSender{messages: newMessages(batch, slices.Max(o.Sizes)), sizes: o.Sizes, next: make([]uint64, o.Streams), to: make([]unix.RawSockaddrInet4, o.Streams)}
	at := o.Net.Masked().Addr()
	for i := range s.to {
		to := &s.to[i]
		to.Family, to.Addr = unix.AF_INET, at.As4()
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&to.Port))[:], o.Addr.Port())
		at = at.Next()
	}
	return s
}

// fill numbers and addresses the next n datagrams.
func (s *spreadSender) fill(n int) {
	for i := range n {
		flow := (s.turn + i) % len(s.next)
		seq := s.next[flow] + uint64(i/len(s.next)) // as many of the flow stand before it
		number(s.bufs[i], uint32(flow), seq)
		s.iovs[i].SetLen(s.sizes[seq%uint64(len(s.sizes))])
		s.hdrs[i].hdr.Name = (*byte)(unsafe.Pointer(&s.to[flow]))
		s.hdrs[i].hdr.Namelen = unix.SizeofSockaddrInet4
	}
}

// took notes that the kernel took the first n.
func (s *spreadSender) took(n int) {
	for i := range n {
		s.next[(s.turn+i)%len(s.next)]++
	}
	s.turn = (s.turn + n) % len(s.next)
}

// sendSpread sends as fast as it can, or at a rate what is due each tick.
func sendSpread(o *order, l *line) (r report, err error) {
	s := newSpreadSender(o)
	fd, err := udpSocket(netip.AddrPortFrom(netip.IPv4Unspecified(), 0), netip.AddrPort{})
	if err != nil {
		return r, err
	}
	defer unix.Close(fd)
	l.ready(0)
	l.wait()
	tick := unix.NsecToTimespec(spreadTick.Nanoseconds())
	start := time.Now()
	for {
		if r.Elapsed = time.Since(start); r.Elapsed >= o.Duration {
			return r, nil
		}
		n := due(o.Rate, r.Elapsed, r.Count+r.Refused)
		if n == 0 {
			_ = unix.Nanosleep(&tick, nil) // time.Sleep takes a millisecond at least
			continue
		}
		s.fill(n)
		sent, err := s.send(fd, n)
		switch {
		case err == nil:
			r.Count += int64(sent)
			s.took(sent)
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.EAGAIN):
			r.Refused++
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNREFUSED):
		default:
			return r, fmt.Errorf("send: %w", err)
		}
	}
}

// due is how many packets the next call sends of rate a second, of which done left in the time elapsed: what a sender that
// was held up has missed is not made up for in one burst. Without a rate it is a whole batch.
func due(rate int, elapsed time.Duration, done int64) int {
	if rate == 0 {
		return batch
	}
	return int(min(max(int64(float64(rate)*elapsed.Seconds())-done, 0), batch))
}
