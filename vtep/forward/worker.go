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

// NewPortWorker makes the worker of a queue of l's own port.
func NewPortWorker(l *Link, queue int) *PortWorker {
	return &PortWorker{portWorker{plane: l.plane, queue: queue}, l}
}

// portWorker forwards the frames of one queue of a port, of whichever links they are.
type portWorker struct {
	plane *Plane
	queue int
	now   fdb.Tick // of the read under way, as the next two fields
	clock clock
	talk  talk // with the remote of the packet before
	*portScratch
}

// source is a link whose frames are forwarded, with its state and counters.
type source struct {
	link *Link
	s    *State
	c    *Counters
	here *locals // with learnlocal; else nil

	noted encap.MAC // source of the frame before, where here has it
}

// source is l as the source of frames from the worker's queue.
func (w *portWorker) source(l *Link, s *State) source {
	return source{link: l, s: s, c: &l.Shards[w.queue], here: l.locals.Load()}
}

// portScratch is the memory that a portWorker borrows while it forwards a batch. A worker
// that waits holds none: most of thousands of links are idle.
type portScratch struct {
	sending   [Batch]outFrame
	out       [4]outBatch  // by transmitter
	lanes     [2]*outBatch // of the link whose frames are forwarded; nil: not looked up yet
	handed    handBatch
	reply     [encap.MaxFragNeededLen]byte
	toPort    [1]encap.Frame // of reply
	answered  [Batch]*byte   // starts of this batch's frames that tooBig has answered
	nAnswered int
}

// outFrame is a frame from a port and where it goes.
type outFrame struct {
	packet encap.Packet // but for the remote
	lane   int
	one    *Remote        // nil: the frame goes to all of many
	many   []fdb.RemoteID // an immutable list, not empty where one is nil
}

// floodRun is how many of out, from the first on, go to the same list of remotes.
func floodRun(out []outFrame) int {
	for i := range out {
		if o := &out[i]; o.one != nil || &o.many[0] != &out[0].many[0] || len(o.many) != len(out[0].many) {
			return i
		}
	}
	return len(out)
}

// arrival is where the datagram before came from.
type arrival struct {
	known  bool
	device uint32
	src    encap.Addr
	origin encap.Origin
}

// NetWorker forwards what comes out of one socket of an endpoint.
type NetWorker struct {
	ep      *Endpoint
	n       int             // the worker's number, which selects its counters
	c       *Counters       // of packets that belong to no link
	unknown *encap.VNICount // of those of VNIs that no link has
	ports   joinBatches

	// What the packet before left: the next one is mostly alike.
	to   target
	tail tail
	talk talk
}

// netBatch is what holds for one read of a socket.
type netBatch struct {
	now      fdb.Tick
	clock    clock
	arrivals *Arrivals
	from     arrival // of the datagram before
}

// target is the link and port of the packets of a VNI.
type target struct {
	vni    encap.VNI
	link   *Link // nil: there is no target yet
	s      *State
	port   *joinBatch
	src    encap.Addr // who sent the packet before
	device uint32     // that it came by
	peer   *Peer      // the peer with that address; nil: there is none yet
}

// tail describes the packet before where the next segment of its flow may be joined to it
// after a look at the headers alone: admit counted and refused nothing about it.
type tail struct {
	open   bool
	header [encap.HeaderLen]byte
	src    encap.Addr
	tos    uint8
	ttl    uint8
	device uint32
}

// NewNetWorker makes worker n of ep.
func NewNetWorker(ep *Endpoint, n int) *NetWorker {
	i := n % len(ep.plane.Counters)
	return &NetWorker{ep: ep, n: n, c: &ep.plane.Counters[i], unknown: &ep.plane.Unknown[i]}
}
