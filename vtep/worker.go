package vtep

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/underlay"
)

// batch is how many frames, datagrams or packets one system call or write
// handles at most. Workers take what is there and never wait for more.
const batch = 256

// portWorker reads one queue of a link's port.
type portWorker struct {
	link  *Link
	queue int
	c     *counters
	now   fdb.Tick // of the batch under way
	clock clock
	*portScratch
}

// portScratch is the memory that a portWorker needs while it forwards a batch.
// A waiting one holds none: of thousands of links most are idle.
type portScratch struct {
	sending [batch]outFrame
	out     [4]outBatch  // by transmitter
	lanes   [2]*outBatch // of the link under way, where known
	handed  handBatch
	reply   [encap.MaxFragNeededLen]byte
	toPort  [1]encap.Frame // of reply
	told    [batch]*byte   // starts of the frames of this batch that a reply was about
	nTold   int
}

// outFrame is a frame from a port and where it goes.
type outFrame struct {
	packet encap.Packet // but for the remote
	lane   int
	one    *remote        // nil: to all of many
	many   []fdb.RemoteID // an immutable list, never empty where one is nil
}

// floodRun is how many of out, from the first on, go to the same list of
// remotes.
func floodRun(out []outFrame) int {
	for i := range out {
		if o := &out[i]; o.one != nil || &o.many[0] != &out[0].many[0] || len(o.many) != len(out[0].many) {
			return i
		}
	}
	return len(out)
}

// scratchList lends portScratches.
type scratchList struct {
	mu   sync.Mutex
	idle []*portScratch
}

// maxIdleScratch bounds what a burst on many links leaves behind.
const maxIdleScratch = 16

func (l *scratchList) take() *portScratch {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.idle)
	if n == 0 {
		return new(portScratch)
	}
	s := l.idle[n-1]
	l.idle = l.idle[:n-1]
	return s
}

func (l *scratchList) give(s *portScratch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.idle) < maxIdleScratch {
		l.idle = append(l.idle, s)
	}
}

// run forwards until the port is closed or gone.
func (w *portWorker) run() { w.read(w.link.vtep, w.link.netdev.port, w.link.log, w.fromPort) }

// read hands what a queue of a port gives to forward, until the port is closed
// or gone. While forward runs, w has its scratch memory.
func (w *portWorker) read(v *VTEP, port Port, log *slog.Logger, forward func([]encap.Frame, fdb.Tick)) {
	frames := make([]encap.Frame, batch)
	for {
		n, err := port.ReadBatch(w.queue, frames)
		if n > 0 {
			w.portScratch = v.scratch.take()
			forward(frames[:n], v.now())
			v.scratch.give(w.portScratch)
			w.portScratch = nil
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrClosed), errors.Is(err, tap.ErrGone):
			return
		default:
			// A reader that ends would cut the link off for good.
			log.Error("reading the port failed, trying again", "queue", w.queue, "err", err)
			if !v.pause(time.Second) {
				return
			}
		}
	}
}

// arrival is where a datagram came from, as far as is known.
type arrival struct {
	known  bool
	device uint32
	src    encap.Addr
	origin underlay.Origin
}

// netWorker reads one socket of an endpoint.
type netWorker struct {
	ep *endpoint
	n  int // counter shard
	// socket is of the receiver; as n, but for the one of links set aside.
	socket int
	c      *counters // for what belongs to no link

	// Of the packet before, which the next mostly resembles.
	link     *Link
	s        *linkState
	vni      encap.VNI
	src      encap.Addr
	peer     *peer     // of src; nil: none yet
	arrivals *arrivals // of the batch
	from     arrival
	// usual: it is the end of the superframe that join's Extend would go on with,
	// and nothing about it was counted or learned, so that the next segment of its
	// flow needs no look but at its headers.
	usual  bool
	header [encap.HeaderLen]byte // valid where usual is set, as are the next two
	tos    uint8
	device uint32

	clock clock

	ports joinBatches
	to    *joinBatch // of link's port
}

// run forwards until the receiver is closed.
func (w *netWorker) run() {
	datagrams := make([]encap.Datagram, batch)
	for {
		n, err := w.ep.receiver.ReadBatch(w.socket, datagrams)
		if n > 0 {
			w.ep.messages.Add(uint64(n))
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
