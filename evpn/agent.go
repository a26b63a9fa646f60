package evpn

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/uvtep/uvtep/bgp"
)

// Agent is the EVPN state of one data plane. Its methods are safe for concurrent use.
type Agent struct {
	conf Config
	log  *slog.Logger
	wake chan struct{} // has an element where there may be something to do

	mu    sync.Mutex
	rib   index[bgp.Key, *route]
	paths table[pathKey, *path]
	peers map[netip.Addr]*peer
	links map[string]*link
	// targets are who imports what. unjoined says that links came, changed or went since it was decided which take
	// part: of a list of thousands that is decided once, at its end.
	targets  targets
	unjoined bool

	// Of the data plane.
	epoch     uint32    // of its lists
	listing   bool      // it tells what it has
	listed    bool      // it has told, and tells what changes
	away      time.Time // since when it is away; zero: it is not
	changes   []pending
	failed    []pending // refused, to be tried again
	swept     bool      // what earlier agents put in is gone
	sweepable bool      // all routes have come that will

	statements []statement // for the speaker
	ready      bool        // T2 are announced
	began      time.Time
	firstUp    time.Time // when the first session came up; zero: none did
	retry      time.Time // when what was refused is tried again; zero: nothing was
	wait       time.Time // before which nothing is tried again
	counts     Counts
}

// Counts count what happened since the agent began.
type Counts struct {
	MovesHere, MovesAway uint64
	Duplicates           uint64 // addresses that became duplicates
	Withheld             uint64 // times that a duplicate was not claimed
	Pinned               uint64 // times that an address was not claimed that another VTEP has for good
	Changes              uint64 // of the data plane, made
	Refused              uint64 // of the data plane, refused by it
	Unasked              uint64 // times that the data plane could not be asked
	Unsaid               uint64 // routes that the speaker refused
	Sweeps               uint64
}

// New makes an Agent.
func New(c Config) (*Agent, error) {
	c.fill()
	switch {
	case c.AS == 0:
		return nil, errors.New("evpn: an agent needs an AS number")
	case !c.RouterID.Is4() || c.RouterID.IsUnspecified():
		return nil, errors.New("evpn: an agent needs a router id, an IPv4 address")
	}
	return &Agent{
		conf: c, log: c.Log, wake: make(chan struct{}, 1),
		peers: map[netip.Addr]*peer{}, links: map[string]*link{},
	}, nil
}

// poke has Run look.
func (a *Agent) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// maxBatch is how much is decided with the lock held at a time, and asked of the data plane in one request.
const maxBatch = 2_000

// How long to wait before the data plane is asked again that could not be, and before what it
// refused is tried again.
const (
	askAgain = time.Second
	tryAgain = 30 * time.Second
)

// Run decides, and tells speaker and data plane what follows, until ctx ends. What it told them
// stays: a data plane goes on without its agent.
func (a *Agent) Run(ctx context.Context) error {
	a.mu.Lock()
	a.began = time.Now()
	a.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		more, next := a.step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if more {
			continue
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return nil
		case <-a.wake:
		case <-timer.C:
		}
	}
}

// step does what there is to do, at most a batch of it. It reports whether there is more, else
// how long it takes until there may be.
func (a *Agent) step(ctx context.Context) (more bool, next time.Duration) {
	a.mu.Lock()
	next = a.look(time.Now())
	if a.unjoined && !a.listing {
		a.joinAll()
	}
	more = a.decide()
	said := a.statements
	a.statements = nil
	var batch []pending
	if a.listed && !time.Now().Before(a.wait) {
		batch, a.changes = a.changes, nil
	}
	sweep := !more && len(batch) == 0 && len(a.changes) == 0 && a.listed && a.sweepable && !a.swept && !time.Now().Before(a.wait)
	epoch := a.epoch
	a.mu.Unlock()

	a.tell(said)
	for len(batch) > 0 && ctx.Err() == nil {
		n := min(len(batch), maxBatch)
		if !a.apply(ctx, batch[:n], batch, epoch) {
			return false, askAgain
		}
		batch = batch[n:]
		more = true // what was refused, and what changed meanwhile
	}
	if sweep && ctx.Err() == nil {
		a.sweep(ctx, epoch)
	}
	return more, next
}

// decide looks again at what changed, at most a batch of it, and reports whether there is more.
func (a *Agent) decide() (more bool) {
	left := maxBatch
	for _, l := range a.links {
		if l.out != "" {
			continue
		}
		a.exportLink(l)
		for left > 0 && len(l.dirtyVTEPs) > 0 {
			v := l.dirtyVTEPs[0]
			l.dirtyVTEPs = l.dirtyVTEPs[1:]
			a.decideVTEP(l, v)
			left--
		}
		for left > 0 && len(l.dirtyMACs) > 0 {
			m := l.dirtyMACs[0]
			l.dirtyMACs = l.dirtyMACs[1:]
			a.decideMAC(l, m)
			left--
		}
		for left > 0 && len(l.dirtyAddrs) > 0 {
			ip := l.dirtyAddrs[0]
			l.dirtyAddrs = l.dirtyAddrs[1:]
			a.decideAddr(l, ip)
			left--
		}
		if left == 0 {
			return true
		}
		l.dirtyMACs, l.dirtyAddrs, l.dirtyVTEPs = nil, nil, nil // and their memory
	}
	return false
}

// tell tells the speaker.
func (a *Agent) tell(said []statement) {
	for i := range said {
		s := &said[i]
		if s.attrs == nil {
			a.conf.Speaker.Withdraw(s.route.Key())
			continue
		}
		if err := a.conf.Speaker.Announce(s.route, s.attrs); err != nil {
			a.mu.Lock()
			a.counts.Unsaid++
			a.mu.Unlock()
			a.log.Error("a route cannot be announced", "route", s.route.String(), "err", err)
		}
	}
}

// Counts returns what happened so far.
func (a *Agent) Counts() Counts {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.counts
}
