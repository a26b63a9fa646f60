package forward

import (
	"sync/atomic"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/internal/lend"
)

// Plane is what the frames of all links share. Its exported atomics are how the control
// plane and the data path reach each other: who stores is said at each.
type Plane struct {
	start time.Time
	tick  atomic.Uint32
	// Counters are for packets that belong to no link, by endpoint worker.
	Counters []Counters
	// Unknown are the RxUnknownVNI of those workers by VNI.
	Unknown []encap.VNICount
	scratch lend.List[portScratch] // of port workers

	// The control plane stores what own packets and the origins of datagrams are known
	// by; neither is ever nil.
	OwnPackets atomic.Pointer[OwnPackets]
	Arrivals   atomic.Pointer[Arrivals]
	// And the captures of what belongs to no link; nil: there are none. They are read where
	// such a packet is dropped.
	Captures atomic.Pointer[[]*Capture]

	// The data path stores what the control plane has to look at.
	StrangeSource atomic.Bool   // a packet that may be an own one has a source address that OwnPackets has not
	Unmet         atomic.Uint32 // index of a device that datagrams arrive by and that Arrivals does not know; 0: none
	// Woken has an element while there is something to look at now: Unmet, or an
	// endpoint's Undecided.
	Woken chan struct{}
	// Busy has an element after every so many messages that the sockets of an endpoint had.
	Busy chan struct{}

	// OnL2Miss is called where a link with l2miss has no entry for a MAC, OnL3Miss where a
	// link with l3miss has no neighbour for an address. They must neither wait nor allocate.
	OnL2Miss func(link string, mac encap.MAC)
	OnL3Miss func(link string, ip encap.Addr)
}

// NewPlane makes a plane for endpoints of that many workers each. Its clock begins now.
func NewPlane(workers int) *Plane {
	p := &Plane{
		start:    time.Now(), //nolint:forbidigo // once, to count ticks from
		Counters: make([]Counters, workers),
		Unknown:  make([]encap.VNICount, workers),
		Woken:    make(chan struct{}, 1),
		Busy:     make(chan struct{}, 1),
		OnL2Miss: func(string, encap.MAC) {},
		OnL3Miss: func(string, encap.Addr) {},
	}
	p.Arrivals.Store(&Arrivals{Of: func(uint32, encap.Addr) encap.Origin { return encap.OriginUnknown }})
	p.OwnPackets.Store(new(OwnPackets))
	return p
}

// Now is the coarse clock: the seconds from NewPlane to the last Advance.
func (p *Plane) Now() fdb.Tick { return fdb.Tick(p.tick.Load()) }

// Advance sets the coarse clock.
func (p *Plane) Advance() { p.tick.Store(uint32(p.elapsed() / time.Second)) }

// Behind is how much later it is than the coarse clock says: less than two seconds while the control
// plane advances it.
func (p *Plane) Behind() time.Duration { return p.elapsed() - time.Duration(p.tick.Load())*time.Second }

// elapsed is the clock of limits: the time since NewPlane. A worker reads it once a batch,
// and only where a limit needs it.
func (p *Plane) elapsed() time.Duration { return time.Since(p.start) }

// wake makes the control plane look at once at what the data path stored. It never waits.
func (p *Plane) wake() { tell(p.Woken) }

// busy tells the control plane of many messages. It never waits.
func (p *Plane) busy() { tell(p.Busy) }

// tell puts an element into c where there is none, which would mean that the control plane has not looked since.
func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// meet stores a device that Arrivals does not know, for the control plane to ask the kernel
// about.
func (p *Plane) meet(device uint32) {
	if device != 0 && p.Unmet.Load() != device {
		p.Unmet.Store(device)
		p.wake()
	}
}
