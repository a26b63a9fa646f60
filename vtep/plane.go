package vtep

import (
	"sync/atomic"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/internal/lend"
)

// plane is what the frames of all links share.
type plane struct {
	start time.Time
	tick  atomic.Uint32
	// counters are for packets that belong to no link, by endpoint worker.
	counters []counters
	scratch  lend.List[portScratch] // of port workers

	ownSent atomic.Pointer[ownPackets]
	// strangeSource: a packet came out of a port that may be an own one, from an
	// address that this host did not have.
	strangeSource atomic.Bool

	arrivals atomic.Pointer[arrivals] // never nil
	unmet    atomic.Uint32            // index of a device that nothing is known of; 0: none
	woken    chan struct{}            // the data path noted something for the control plane

	// onL2Miss and onL3Miss are told of what links with l2miss and l3miss miss. They must
	// neither wait nor allocate.
	onL2Miss func(link string, mac encap.MAC)
	onL3Miss func(link string, ip encap.Addr)
}

// newPlane is for so many workers an endpoint. Its clock begins now.
func newPlane(workers int) *plane {
	p := &plane{
		start:    time.Now(), //nolint:forbidigo // once, to count ticks from
		counters: make([]counters, workers),
		woken:    make(chan struct{}, 1),
		onL2Miss: func(string, encap.MAC) {},
		onL3Miss: func(string, encap.Addr) {},
	}
	p.arrivals.Store(&arrivals{})
	p.ownSent.Store(new(ownPackets))
	return p
}

// Woken has an element where the data path noted something for the control plane: devices
// that nothing is known of (Unmet), or endpoints with datagrams that could not be decided.
func (p *plane) Woken() <-chan struct{} { return p.woken }

// Unmet is the index of a device that datagrams arrived by and that nothing is known of; 0:
// there is none.
func (p *plane) Unmet() uint32 { return p.unmet.Load() }

// Arrivals is what the data path knows of where datagrams come from.
func (p *plane) Arrivals() *arrivals { return p.arrivals.Load() }

// SetArrivals gives the data path what it is to know of where datagrams come from.
func (p *plane) SetArrivals(a *arrivals) { p.arrivals.Store(a) }

// Met says that SetArrivals has told of the unmet device.
func (p *plane) Met() { p.unmet.Store(0) }

// OwnPackets is what the data path knows own packets by.
func (p *plane) OwnPackets() *ownPackets { return p.ownSent.Load() }

// SetOwnPackets gives the data path what it is to know own packets by.
func (p *plane) SetOwnPackets(o *ownPackets) { p.ownSent.Store(o) }

// TakeStrangeSource reports whether a packet that may be an own one, from an address that
// OwnPackets has not, came out of a port since the call before.
func (p *plane) TakeStrangeSource() bool { return p.strangeSource.Swap(false) }

// now is the coarse clock: seconds since the plane was made, as advance last saw.
func (p *plane) now() fdb.Tick { return fdb.Tick(p.tick.Load()) }

// advance sets the coarse clock, which nobody else does.
func (p *plane) advance() { p.tick.Store(uint32(p.elapsed() / time.Second)) }

// elapsed is the clock of limits: the time since the plane was made. Workers read it
// once a batch, and only where a limit asks for it.
func (p *plane) elapsed() time.Duration { return time.Since(p.start) }

// wake has the control plane look at once at what the data path noted. It never waits.
func (p *plane) wake() {
	select {
	case p.woken <- struct{}{}:
	default: // it was told and has not looked yet
	}
}

// meet notes a device that nothing is known of, for the control plane to ask about.
func (p *plane) meet(device uint32) {
	if device != 0 && p.unmet.Load() != device {
		p.unmet.Store(device)
		p.wake()
	}
}
