package forward

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// Batch is how many frames, datagrams or packets one system call or write
// handles at most. Workers take what is there and never wait for more.
const Batch = 256

// portWorker forwards what comes out of one queue of a link's port.
type portWorker struct {
	plane *Plane
	link  *Link
	queue int
	c     *Counters
	now   fdb.Tick // of the batch under way
	clock clock
	*portScratch
}

// NewPortWorker forwards what comes out of queue of l's own port.
func NewPortWorker(l *Link, queue int) *portWorker {
	return &portWorker{plane: l.plane, link: l, queue: queue, c: &l.Shards[queue]}
}

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
	origin Origin
}

// NetWorker forwards what comes out of one socket of an endpoint.
type NetWorker struct {
	ep *Endpoint
	n  int       // counter shard
	c  *Counters // for what belongs to no link

	// Of the packet before, which the next mostly resembles.
	link     *Link
	s        *State
	vni      encap.VNI
	src      encap.Addr
	peer     *Peer     // of src; nil: none yet
	arrivals *Arrivals // of the batch
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

// NewNetWorker is worker n of ep.
func NewNetWorker(ep *Endpoint, n int) *NetWorker {
	return &NetWorker{ep: ep, n: n, c: &ep.plane.Counters[n%len(ep.plane.Counters)]}
}
