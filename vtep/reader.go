package vtep

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// readPort reads a queue of a port and calls take with the frames, until the port is closed
// or its netdev is deleted.
func (v *VTEP) readPort(n *netdev, queue int, take func([]encap.Frame, fdb.Tick)) {
	if !v.held() {
		return
	}
	frames := make([]encap.Frame, forward.Batch)
	t := v.turns.begin()
	defer v.turns.end(t)
	for {
		k, err := n.port.ReadBatch(queue, frames)
		if k > 0 {
			now := v.now()
			t.take(now)
			take(frames[:k], now)
			t.done()
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrClosed), errors.Is(err, tap.ErrGone):
			return
		default:
			// The link would be cut off for good if the reader ended.
			n.log.Error("reading the port failed, trying again", "queue", queue, "err", err)
			if !v.pause(time.Second) {
				return
			}
		}
	}
}

// readSocket reads a socket of an endpoint for worker n, until the receiver is closed. n is
// the socket's number, but for the socket of links set aside. It calls rest after each batch.
func (ep *endpoint) readSocket(socket, n int, rest func()) {
	if !ep.vtep.held() {
		return
	}
	w := forward.NewNetWorker(ep.Endpoint, n)
	datagrams := make([]encap.Datagram, forward.Batch)
	t := ep.vtep.turns.begin()
	defer ep.vtep.turns.end(t)
	for {
		k, err := ep.receiver.ReadBatch(socket, datagrams)
		if k > 0 {
			now := ep.vtep.now()
			t.take(now)
			w.Forward(datagrams[:k], now)
			t.done()
			rest()
		}
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrClosed):
			return
		default:
			ep.vtep.log.Error("reading the underlay failed, trying again", "port", ep.key.port, "err", err)
			if !ep.vtep.pause(time.Second) {
				return
			}
		}
	}
}
