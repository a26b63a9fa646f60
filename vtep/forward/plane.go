package forward

import (
	"sync/atomic"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/internal/lend"
)

// Plane is what the frames of all links share.
type Plane struct {
	start time.Time
	tick  atomic.Uint32
	// Counters are for packets that belong to no link, by endpoint worker.
	Counters []Counters
	scratch  lend.List[portScratch] // of port workers

	ownSent atomic.Pointer[OwnPackets]
	// strangeSource: a packet came out of a port that may be an own one, from an
	// address that this host did not have.
	strangeSource atomic.Bool

	arrivals atomic.Pointer[Arrivals] // never nil
	unmet    atomic.Uint32            // index of a device that nothing is known of; 0: none
	woken    chan struct{}            // the data path noted something for the control plane

	// OnL2Miss and OnL3Miss are told of what links with l2miss and l3miss miss. They must
	// neither wait nor allocate.
	OnL2Miss func(link string, mac encap.MAC)
	OnL3Miss func(link string, ip encap.Addr)
}

// NewPlane is for so many workers an endpoint. Its clock begins now.
func NewPlane(workers int) *Plane {
	p := &Plane{
		start:    time.Now(), //nolint:forbidigo // once, to count ticks from
		Counters: make([]Counters, workers),
		woken:    make(chan struct{}, 1),
		OnL2Miss: func(string, encap.MAC) {},
		OnL3Miss: func(string, encap.Addr) {},
	}
	p.arrivals.Store(&Arrivals{Of: func(uint32, encap.Addr) Origin { return OriginUnknown }})
	p.ownSent.Store(new(OwnPackets))
	return p
}

// Woken has an element where the data path noted something for the control plane: devices
// that nothing is known of (Unmet), or endpoints with datagrams that could not be decided.
func (p *Plane) Woken() <-chan struct{} { return p.woken }

// Unmet is the index of a device that datagrams arrived by and that nothing is known of; 0:
// there is none.
func (p *Plane) Unmet() uint32 { return p.unmet.Load() }

// Arrivals is what the data path knows of where datagrams come from.
func (p *Plane) Arrivals() *Arrivals { return p.arrivals.Load() }

// SetArrivals gives the data path what it is to know of where datagrams come from.
func (p *Plane) SetArrivals(a *Arrivals) { p.arrivals.Store(a) }

// Met says that SetArrivals has told of the unmet device.
func (p *Plane) Met() { p.unmet.Store(0) }

// OwnPackets is what the data path knows own packets by.
func (p *Plane) OwnPackets() *OwnPackets { return p.ownSent.Load() }

// SetOwnPackets gives the data path what it is to know own packets by.
func (p *Plane) SetOwnPackets(o *OwnPackets) { p.ownSent.Store(o) }

// TakeStrangeSource reports whether a packet that may be an own one, from an address that
// OwnPackets has not, came out of a port since the call before.
func (p *Plane) TakeStrangeSource() bool { return p.strangeSource.Swap(false) }

// Now is the coarse clock: seconds since the plane was made, as advance last saw.
func (p *Plane) Now() fdb.Tick { return fdb.Tick(p.tick.Load()) }

// Advance sets the coarse clock, which nobody else does.
func (p *Plane) Advance() { p.tick.Store(uint32(p.elapsed() / time.Second)) }

// elapsed is the clock of limits: the time since the plane was made. Workers read it
// once a batch, and only where a limit asks for it.
func (p *Plane) elapsed() time.Duration { return time.Since(p.start) }

// wake has the control plane look at once at what the data path noted. It never waits.
func (p *Plane) wake() {
	select {
	case p.woken <- struct{}{}:
	default: // it was told and has not looked yet
	}
}

// meet notes a device that nothing is known of, for the control plane to ask about.
func (p *Plane) meet(device uint32) {
	if device != 0 && p.unmet.Load() != device {
		p.unmet.Store(device)
		p.wake()
	}
}
