package forward

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/fdb"
)

// Link is what frames need of a link: one VNI, with a port and an FDB.
type Link struct {
	plane   *Plane
	FDB     *fdb.Table
	Remotes *Remotes
	State   atomic.Pointer[State]
	// Shards are the counters: one for each port worker, then one for each
	// worker of an endpoint.
	Shards []Counters
	queues int // of the port
	// OnChange is called with each change of the FDB, under a shard's lock. It is set
	// before frames flow.
	OnChange func(fdb.Event)

	neighbours atomic.Pointer[Neighbours] // of a proxy; else nil
	Told       ToldNeighbours             // of a proxy, from controllers
	bindings   atomic.Pointer[bindings]   // of a proxy that learns; else nil
	locals     atomic.Pointer[locals]     // with learnlocal; else nil
	guard      moveGuard
	loops      loopGuard
	flood      pace
	answers    floodLimit // of answers to frames that are too big
	strangers  pace       // of flooded frames from senders that are no peers

	evicted atomic.Uint64 // FDB entries that made room for new addresses
	giver   atomic.Uint32 // the remote that the last of them was of

	// What the control plane looks at.
	CameBack   atomic.Bool   // an own packet came back to the link; the control plane clears it
	LastPolicy atomic.Uint32 // group policy id of the last packet that carried one
}

// Tables says how large a link's tables may get, and who watches the peers in them.
type Tables struct {
	MaxAddresses int         // of the FDB; 0: any number
	Addresses    *fdb.Budget // of all links' FDBs
	Remotes      *fdb.Budget // made by learning, of all links
	Peers        PeerWatch
}

// NewLink makes a link without a port. SetQueues has to follow.
func NewLink(p *Plane, c Tables) *Link {
	l := &Link{plane: p, Remotes: newRemotes(c.Remotes, c.Peers), OnChange: func(fdb.Event) {}}
	l.FDB = fdb.New(fdb.Config{MaxAddresses: c.MaxAddresses, Budget: c.Addresses, OnChange: l.changed, SameAddr: l.Remotes.sameAddr})
	return l
}

// SetQueues makes the counters for a port of n queues, before frames flow.
func (l *Link) SetQueues(n int) {
	l.queues = n
	l.Shards = make([]Counters, n+len(l.plane.Counters))
}

// changed keeps the remotes and the guard in step with a change of the FDB. It runs under a
// shard's lock.
func (l *Link) changed(e fdb.Event) {
	l.Remotes.follow(e)
	l.locals.Load().follow(&e)
	if e.Reason == fdb.ReasonEvicted {
		l.evicted.Add(1)
		l.giver.Store(uint32(e.Remote))
	}
	if e.Kind == fdb.Moved {
		if s := l.State.Load(); s != nil && s.MoveGuard {
			if from, to := l.Remotes.At(e.Old), l.Remotes.At(e.Remote); from != nil && to != nil {
				l.guard.note(e.MAC, from.home(), to.home(), e.Updated)
			}
		}
	}
	if e.Reason == fdb.ReasonUser {
		l.guard.release(e.MAC)
	}
	l.OnChange(e)
}

// Age removes what was learned longer ago than ageing, where that is not 0, and remotes
// that nothing refers to.
func (l *Link) Age(now, ageing fdb.Tick) {
	l.FDB.Age(now, ageing)
	l.bindings.Load().age(now, ageing)
	l.locals.Load().age(now, ageing)
	l.Remotes.sweep()
}

// Forget removes all entries that are neither static nor permanent, a controller's
// included, as the kernel does when the link goes down (vxlan_stop in
// drivers/net/vxlan/vxlan_core.c; L15 in docs/conformance.md).
func (l *Link) Forget() {
	l.FDB.Flush(func(e *fdb.Entry) bool { return e.State == fdb.Dynamic })
	l.bindings.Load().clear()
	l.locals.Load().clear()
}

// Close releases the link's tables and their share of the budgets. It comes last.
func (l *Link) Close() {
	l.FDB.Close()
	l.bindings.Load().close()
	l.locals.Load().close()
	l.Remotes.close()
}

// Learned is the number of addresses that a proxy learned.
func (l *Link) Learned() int { return l.bindings.Load().len() }

// SetNeighbours sets the addresses that a proxy answers for; nil: the link is no proxy.
func (l *Link) SetNeighbours(n Neighbours) {
	if n == nil {
		l.neighbours.Store(nil)
		return
	}
	l.neighbours.Store(&n)
}

// ExpireMoves releases the MACs that were held long enough, or all of them, and returns
// what changed since the call before.
func (l *Link) ExpireMoves(now fdb.Tick, all bool) GuardNews { return l.guard.expire(now, all) }

// Evicted is how many FDB entries made room for new addresses, and the remote of the last
// one; nil: the remote is gone.
func (l *Link) Evicted() (n uint64, giver *Remote) {
	n = l.evicted.Load()
	if n > 0 {
		giver = l.Remotes.At(fdb.RemoteID(l.giver.Load()))
	}
	return n, giver
}

// netCounters is the shard of endpoint worker n.
func (l *Link) netCounters(n int) *Counters { return &l.Shards[l.queues+n] }

// LearnNeighbours makes or removes a proxy's table of the addresses that remote hosts
// claim.
func (l *Link) LearnNeighbours(on bool, all *fdb.Budget) {
	switch has := l.bindings.Load() != nil; {
	case has && !on:
		l.bindings.Swap(nil).close()
	case !has && on:
		l.bindings.Store(newBindings(all))
	}
}

// FromPort is how many frames of the link's port were read; those of superframes are left
// out.
func (l *Link) FromPort() (n uint64) {
	for i := range l.Shards[:l.queues] {
		c := &l.Shards[i]
		n += c.txPackets.Load() + c.answered.Load()
		for r := range c.drops[:RxSocketOverflow] { // the reasons of frames from a port
			n += c.drops[r].Load()
		}
	}
	return n
}

// looped notes that an own packet came back. The control plane looks at the routes within
// a second.
func (l *Link) looped() {
	if !l.CameBack.Load() {
		l.CameBack.Store(true)
	}
}
