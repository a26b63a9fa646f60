package vtep

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// batch is how many frames, datagrams or packets one system call or write
// handles at most. Workers take what is there and never wait for more.
const batch = 256

// portWorker forwards what comes out of one queue of a link's port.
type portWorker struct {
	plane *plane
	link  *dataLink
	queue int
	c     *counters
	now   fdb.Tick // of the batch under way
	clock clock
	*portScratch
}

// newPortWorker forwards what comes out of queue of l's own port.
func newPortWorker(l *dataLink, queue int) *portWorker {
	return &portWorker{plane: l.plane, link: l, queue: queue, c: &l.shards[queue]}
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

// arrival is where a datagram came from, as far as is known.
type arrival struct {
	known  bool
	device uint32
	src    encap.Addr
	origin origin
}

// netWorker forwards what comes out of one socket of an endpoint.
type netWorker struct {
	ep *dataEndpoint
	n  int       // counter shard
	c  *counters // for what belongs to no link

	// Of the packet before, which the next mostly resembles.
	link     *dataLink
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

// newNetWorker is worker n of ep.
func newNetWorker(ep *dataEndpoint, n int) *netWorker {
	return &netWorker{ep: ep, n: n, c: &ep.plane.counters[n%len(ep.plane.counters)]}
}
