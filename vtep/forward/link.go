package forward

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/fdb"
)

// Link is what frames need of a link: one VNI, with a port and a FDB.
type Link struct {
	plane   *Plane
	FDB     *fdb.Table
	Remotes *Remotes
	State   atomic.Pointer[State]
	// Shards are the counters: one for each port worker, then one for each
	// worker of an endpoint.
	Shards []Counters
	queues int // of the port
	// OnChange is told each change of the FDB, under a shard's lock. It is set before
	// frames flow.
	OnChange func(fdb.Event)

	neighbours atomic.Pointer[Neighbours] // nil but for a proxy
	bindings   atomic.Pointer[bindings]   // nil but for one that learns
	guard      moveGuard
	loops      loopGuard
	flood      pace
	answers    floodLimit // of frames that are too big
	strangers  pace       // of what comes from those who are no peers

	evicted atomic.Uint64 // FDB entries that made room for new addresses
	giver   atomic.Uint32 // the remote that the last of them was of

	// What the control plane looks at.
	CameBack   atomic.Bool   // an own packet came back to the link; the control plane clears it
	LastPolicy atomic.Uint32 // group policy id of the last packet that carried one
}

// Tables says how large a link's tables may get, and who is told of what is in them.
type Tables struct {
	MaxAddresses int         // of the FDB; 0: any number
	Addresses    *fdb.Budget // of all links' FDBs
	Remotes      *fdb.Budget // made by learning, of all links
	Peers        PeerWatch
}

// NewLink is a link without a port: see setQueues.
func NewLink(p *Plane, c Tables) *Link {
	l := &Link{plane: p, Remotes: newRemotes(c.Remotes, c.Peers), OnChange: func(fdb.Event) {}}
	l.FDB = fdb.New(fdb.Config{MaxAddresses: c.MaxAddresses, Budget: c.Addresses, OnChange: l.changed, SameAddr: l.Remotes.sameAddr})
	return l
}

// SetQueues makes the counters for a port of so many queues, before frames flow.
func (l *Link) SetQueues(n int) {
	l.queues = n
	l.Shards = make([]Counters, n+len(l.plane.Counters))
}

// changed follows a change of the FDB. It runs under a shard's lock.
func (l *Link) changed(e fdb.Event) {
	l.Remotes.follow(e)
	if e.Reason == fdb.ReasonEvicted {
		l.evicted.Add(1)
		l.giver.Store(uint32(e.Remote))
	}
	if e.Kind == fdb.Moved {
		if s := l.State.Load(); s != nil && s.MoveGuard {
			if from, to := l.Remotes.At(e.Old), l.Remotes.At(e.Remote); from != nil && to != nil {
				l.guard.note(e.MAC, from.Addr, to.Addr, e.Updated)
			}
		}
	}
	if e.Reason == fdb.ReasonUser {
		l.guard.release(e.MAC)
	}
	l.OnChange(e)
}

// Age forgets what was learned longer ago than ageing, 0 for nothing, and gives up
// remotes that nothing refers to.
func (l *Link) Age(now, ageing fdb.Tick) {
	l.FDB.Age(now, ageing)
	l.bindings.Load().age(now, ageing)
	l.Remotes.sweep()
}

// Forget removes what is neither static nor permanent, a controller's
// entries included, as the kernel does when the link goes down (vxlan_stop in
// drivers/net/vxlan/vxlan_core.c; conformance L15).
func (l *Link) Forget() {
	l.FDB.Flush(func(e *fdb.Entry) bool { return e.State == fdb.Dynamic })
	l.bindings.Load().clear()
}

// Close gives up what the link was let keep, once it is gone.
func (l *Link) Close() {
	l.FDB.Close()
	l.bindings.Load().close()
	l.Remotes.close()
}

// Learned is how many addresses a proxy learned.
func (l *Link) Learned() int { return l.bindings.Load().len() }

// SetNeighbours gives a proxy the addresses that it answers for; nil: it is none.
func (l *Link) SetNeighbours(n Neighbours) {
	if n == nil {
		l.neighbours.Store(nil)
		return
	}
	l.neighbours.Store(&n)
}

// ExpireMoves lets go of the MACs that were held long enough, of all of them where
// moveguard is off, and tells what is new.
func (l *Link) ExpireMoves(now fdb.Tick, all bool) GuardNews { return l.guard.expire(now, all) }

// Evicted is how many FDB entries made room for new addresses, and the remote that the last
// of them was of, nil where it is gone.
func (l *Link) Evicted() (n uint64, giver *Remote) {
	n = l.evicted.Load()
	if n > 0 {
		giver = l.Remotes.At(fdb.RemoteID(l.giver.Load()))
	}
	return n, giver
}

// netCounters is the shard of endpoint worker n.
func (l *Link) netCounters(n int) *Counters { return &l.Shards[l.queues+n] }

// LearnNeighbours gives a proxy its table of addresses that remote hosts said are theirs,
// or takes it away.
func (l *Link) LearnNeighbours(on bool, all *fdb.Budget) {
	switch has := l.bindings.Load() != nil; {
	case has && !on:
		l.bindings.Swap(nil).close()
	case !has && on:
		l.bindings.Store(newBindings(all))
	}
}

// FromPort is how many frames of the link's port were read, but for those of superframes.
func (l *Link) FromPort() (n uint64) {
	for i := range l.Shards[:l.queues] {
		c := &l.Shards[i]
		n += c.txPackets.Load() + c.answered.Load()
		for r := range c.drops[:RxSocketOverflow] { // those of the way from a port
			n += c.drops[r].Load()
		}
	}
	return n
}

// looped notes that an own packet came back, so that routes are looked at within
// a second.
func (l *Link) looped() {
	if !l.CameBack.Load() {
		l.CameBack.Store(true)
	}
}
