package vteptest

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// receiver has one socket, however many were asked for.
type receiver struct {
	host   *Host
	cfg    underlay.ReceiverConfig
	in     chan encap.Datagram
	closed chan struct{}
	drain  chan struct{}
	once   sync.Once // closes closed

	overflow, unreadable atomic.Uint64
	ttl                  atomic.Bool // see ReportTTL
}

func (r *receiver) take(src netip.AddrPort, tos, ttl uint8, payload []byte) {
	if !r.ttl.Load() {
		ttl = 0
	}
	d := encap.Datagram{
		Payload: bytes.Clone(payload), Src: encap.AddrFrom(src.Addr()), SrcPort: src.Port(), TOS: tos, TTL: ttl,
		Device: r.host.device.Load(),
	}
	select {
	case r.in <- d:
	default:
		r.overflow.Add(1)
	}
}

// ReportTTL has datagrams that arrive tell their TTL.
func (r *receiver) ReportTTL(on bool) error {
	r.ttl.Store(on)
	return nil
}

func (r *receiver) Offloads() underlay.Offloads { return underlay.Offloads{Segments: 1} }

func (r *receiver) Losses() encap.Losses {
	return encap.Losses{Overflow: r.overflow.Load(), Unreadable: r.unreadable.Load()}
}

func (r *receiver) ReadBatch(_ int, d []encap.Datagram) (int, error) {
	if len(d) == 0 {
		return 0, nil
	}
	select {
	case <-r.closed:
		return 0, net.ErrClosed
	default:
	}
	select {
	case d[0] = <-r.in:
	case <-r.closed:
		return 0, net.ErrClosed
	case <-r.drain:
		select {
		case d[0] = <-r.in:
		default:
			return 0, net.ErrClosed
		}
	}
	n := 1
	for n < len(d) {
		select {
		case d[n] = <-r.in:
			n++
		default:
			return n, nil
		}
	}
	return n, nil
}

// Drain takes the receiver off the network: nothing more arrives.
func (r *receiver) Drain() error {
	if !r.leave() {
		return net.ErrClosed
	}
	close(r.drain)
	return nil
}

func (r *receiver) Close() error {
	r.leave()
	err := net.ErrClosed // again
	r.once.Do(func() {
		close(r.closed)
		err = nil
	})
	return err
}

// leave takes r off the network; false: it was off already.
func (r *receiver) leave() bool {
	n := r.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	before := len(n.receivers)
	n.receivers = slices.DeleteFunc(n.receivers, func(o *receiver) bool { return o == r })
	return len(n.receivers) < before
}
