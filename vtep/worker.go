package vtep

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
)

// batch is how many frames, datagrams or packets one system call or write
// handles at most. Workers take what is there and never wait for more.
const batch = 64

// portWorker reads one queue of a link's port. It owns all it points to but
// the link.
type portWorker struct {
	link   *Link
	queue  int
	c      *counters
	out    [2]outBatch // by lane
	reply  [encap.MaxFragNeededLen]byte
	toPort [1]encap.Frame // of reply
	told   *byte          // start of the frame of this batch that the last reply was about
}

// outBatch is packets on their way to one transmitter.
type outBatch struct {
	packets [batch]encap.Packet
	n       int
}

// run forwards until the port is closed or gone.
func (w *portWorker) run() {
	frames := make([]encap.Frame, batch)
	for {
		n, err := w.link.port.ReadBatch(w.queue, frames)
		if n > 0 {
			w.fromPort(frames[:n], w.link.vtep.now())
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrClosed), errors.Is(err, tap.ErrGone):
			return
		default:
			// A reader that ends would cut the link off for good.
			w.link.log.Error("reading the port failed, trying again", "queue", w.queue, "err", err)
			if !w.link.vtep.pause(time.Second) {
				return
			}
		}
	}
}

// netWorker reads one socket of an endpoint.
type netWorker struct {
	ep *endpoint
	n  int       // socket, and counter shard
	c  *counters // for what belongs to no link

	link    *Link      // of the pending frames
	s       *linkState // its state when the first was taken
	frames  [batch]encap.Frame
	pending int
}

// run forwards until the receiver is closed.
func (w *netWorker) run() {
	datagrams := make([]encap.Datagram, batch)
	for {
		n, err := w.ep.receiver.ReadBatch(w.n, datagrams)
		if n > 0 {
			w.link = nil // its state may have changed while we waited
			w.fromUnderlay(datagrams[:n], w.ep.vtep.now())
		}
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrClosed):
			return
		default:
			w.ep.vtep.log.Error("reading the underlay failed, trying again", "port", w.ep.key.port, "err", err)
			if !w.ep.vtep.pause(time.Second) {
				return
			}
		}
	}
}
