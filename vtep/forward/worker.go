package forward

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// Batch is how many frames, datagrams or packets one system call or write
// handles at most. Workers take what is there and never wait for more.
const Batch = 256

// PortWorker forwards what comes out of one queue of a link's own port.
type PortWorker struct {
	portWorker
	link *Link
}

// NewPortWorker forwards what comes out of queue of l's own port.
func NewPortWorker(l *Link, queue int) *PortWorker {
	return &PortWorker{portWorker{plane: l.plane, queue: queue}, l}
}

// portWorker forwards frames of links that one queue of a port has.
type portWorker struct {
	plane *Plane
	queue int
	now   fdb.Tick // of the batch under way, as the next two
	clock clock
	*portScratch
}

// source is a link whose frames are forwarded.
type source struct {
	link *Link
	s    *State
	c    *Counters
}

// source is l for frames of the worker's queue.
func (w *portWorker) source(l *Link, s *State) source { return source{l, s, &l.Shards[w.queue]} }

// portScratch is the memory that a portWorker needs while it forwards a batch.
// A waiting one holds none: of thousands of links most are idle.
type portScratch struct {
	sending [Batch]outFrame
	out     [4]outBatch  // by transmitter
	lanes   [2]*outBatch // of the link under way, where known
	handed  handBatch
	reply   [encap.MaxFragNeededLen]byte
	toPort  [1]encap.Frame // of reply
	told    [Batch]*byte   // starts of the frames of this batch that a reply was about
	nTold   int
}

// outFrame is a frame from a port and where it goes.
type outFrame struct {
	packet encap.Packet // but for the remote
	lane   int
	one    *Remote        // nil: to all of many
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

// arrival is where a datagram came from, as far as is known.
type arrival struct {
	known  bool
	device uint32
	src    encap.Addr
	origin encap.Origin
}

// NetWorker forwards what comes out of one socket of an endpoint.
type NetWorker struct {
	ep    *Endpoint
	n     int       // counter shard
	c     *Counters // for what belongs to no link
	ports joinBatches

	// Of the packet before, which the next mostly resembles.
	to   target
	tail tail
}

// netBatch is what holds for one read of a socket.
type netBatch struct {
	now      fdb.Tick
	clock    clock
	arrivals *Arrivals
	from     arrival // of the datagram before
}

// target is where the packets of a VNI go.
type target struct {
	vni  encap.VNI
	link *Link // nil: none yet
	s    *State
	port *joinBatch
	src  encap.Addr // who sent the last one
	peer *Peer      // of src; nil: none yet
}

// tail is the end of a superframe that the next segment of its flow continues without a
// look but at its headers: nothing about the packet was counted or learned.
type tail struct {
	open   bool
	header [encap.HeaderLen]byte
	src    encap.Addr
	tos    uint8
	device uint32
}

// NewNetWorker is worker n of ep.
func NewNetWorker(ep *Endpoint, n int) *NetWorker {
	return &NetWorker{ep: ep, n: n, c: &ep.plane.Counters[n%len(ep.plane.Counters)]}
}
