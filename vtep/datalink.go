package vtep

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// dataLink is what frames need of a link: one VNI, with a port and a FDB.
type dataLink struct {
	plane   *plane
	fdb     *fdb.Table
	remotes *remotes
	state   atomic.Pointer[linkState]
	// shards are the counters: one for each port worker, then one for each
	// worker of an endpoint.
	shards []counters
	queues int // of the port
	// OnChange is told each change of the FDB, under a shard's lock. It is set before
	// frames flow.
	OnChange func(fdb.Event)

	neighbours atomic.Pointer[neighbours] // nil but for a proxy
	bindings   atomic.Pointer[bindings]   // nil but for one that learns
	guard      moveGuard
	loops      loopGuard
	flood      pace
	answers    floodLimit // of frames that are too big
	strangers  pace       // of what comes from those who are no peers

	evicted    atomic.Uint64 // FDB entries that made room for new addresses
	giver      atomic.Uint32 // the remote that the last of them was of
	cameBack   atomic.Bool   // an own packet, since it was last looked
	lastPolicy atomic.Uint32 // id of the last packet that carried one
}

// linkTables says how large a link's tables may get, and who is told of what is in them.
type linkTables struct {
	maxAddresses int         // of the FDB; 0: any number
	addresses    *fdb.Budget // of all links' FDBs
	remotes      *fdb.Budget // made by learning, of all links
	peers        peerWatch
}

// newDataLink is a link without a port: see setQueues.
func newDataLink(p *plane, c linkTables) *dataLink {
	l := &dataLink{plane: p, remotes: newRemotes(c.remotes, c.peers), OnChange: func(fdb.Event) {}}
	l.fdb = fdb.New(fdb.Config{MaxAddresses: c.maxAddresses, Budget: c.addresses, OnChange: l.changed, SameAddr: l.remotes.sameAddr})
	return l
}

// setQueues makes the counters for a port of so many queues, before frames flow.
func (l *dataLink) setQueues(n int) {
	l.queues = n
	l.shards = make([]counters, n+len(l.plane.counters))
}

// changed follows a change of the FDB. It runs under a shard's lock.
func (l *dataLink) changed(e fdb.Event) {
	l.remotes.follow(e)
	if e.Reason == fdb.ReasonEvicted {
		l.evicted.Add(1)
		l.giver.Store(uint32(e.Remote))
	}
	if e.Kind == fdb.Moved {
		if s := l.state.Load(); s != nil && s.moveGuard {
			if from, to := l.remotes.at(e.Old), l.remotes.at(e.Remote); from != nil && to != nil {
				l.guard.note(e.MAC, from.addr, to.addr, e.Updated)
			}
		}
	}
	if e.Reason == fdb.ReasonUser {
		l.guard.release(e.MAC)
	}
	l.OnChange(e)
}

// age forgets what was learned longer ago than ageing, 0 for nothing, and gives up
// remotes that nothing refers to.
func (l *dataLink) age(now, ageing fdb.Tick) {
	l.fdb.Age(now, ageing)
	l.bindings.Load().age(now, ageing)
	l.remotes.sweep()
}

// forget removes what is neither static nor permanent, a controller's
// entries included, as the kernel does when the link goes down (vxlan_stop in
// drivers/net/vxlan/vxlan_core.c; conformance L15).
func (l *dataLink) forget() {
	l.fdb.Flush(func(e *fdb.Entry) bool { return e.State == fdb.Dynamic })
	l.bindings.Load().clear()
}

// close gives up what the link was let keep, once it is gone.
func (l *dataLink) close() {
	l.fdb.Close()
	l.bindings.Load().close()
	l.remotes.close()
}

// Learned is how many addresses a proxy learned.
func (l *dataLink) Learned() int { return l.bindings.Load().len() }

// SetNeighbours gives a proxy the addresses that it answers for; nil: it is none.
func (l *dataLink) SetNeighbours(n neighbours) {
	if n == nil {
		l.neighbours.Store(nil)
		return
	}
	l.neighbours.Store(&n)
}

// ExpireMoves lets go of the MACs that were held long enough, of all of them where
// moveguard is off, and tells what is new.
func (l *dataLink) ExpireMoves(now fdb.Tick, all bool) guardNews { return l.guard.expire(now, all) }

// Evicted is how many FDB entries made room for new addresses, and the remote that the last
// of them was of, nil where it is gone.
func (l *dataLink) Evicted() (n uint64, giver *remote) {
	n = l.evicted.Load()
	if n > 0 {
		giver = l.remotes.at(fdb.RemoteID(l.giver.Load()))
	}
	return n, giver
}

// LastPolicy is the id of the last packet that carried one.
func (l *dataLink) LastPolicy() uint32 { return l.lastPolicy.Load() }

// CameBack reports whether an own packet came back since ForgetCameBack.
func (l *dataLink) CameBack() bool { return l.cameBack.Load() }

// ForgetCameBack has CameBack report what comes from now on.
func (l *dataLink) ForgetCameBack() { l.cameBack.Store(false) }

// netCounters is the shard of endpoint worker n.
func (l *dataLink) netCounters(n int) *counters { return &l.shards[l.queues+n] }

// learnNeighbours gives a proxy its table of addresses that remote hosts said are theirs,
// or takes it away.
func (l *dataLink) learnNeighbours(on bool, all *fdb.Budget) {
	switch has := l.bindings.Load() != nil; {
	case has && !on:
		l.bindings.Swap(nil).close()
	case !has && on:
		l.bindings.Store(newBindings(all))
	}
}

// fromPort is how many frames of the link's port were read, but for those of superframes.
func (l *dataLink) fromPort() (n uint64) {
	for i := range l.shards[:l.queues] {
		c := &l.shards[i]
		n += c.txPackets.Load() + c.answered.Load()
		for r := range c.drops[:RxSocketOverflow] { // those of the way from a port
			n += c.drops[r].Load()
		}
	}
	return n
}

// looped notes that an own packet came back, so that routes are looked at within
// a second.
func (l *dataLink) looped() {
	if !l.cameBack.Load() {
		l.cameBack.Store(true)
	}
}

// tellL2Miss tells that a frame for a unicast MAC address has no entry and no
// default one (`l2miss`, vxlan_fdb_miss in drivers/net/vxlan/vxlan_core.c).
func (l *dataLink) tellL2Miss(s *linkState, mac encap.MAC) {
	if s.l2miss && !mac.IsMulticast() {
		l.plane.onL2Miss(s.name, mac)
	}
}

// tellL3Miss tells that an IP address without a neighbour was asked for
// (`l3miss`, vxlan_ip_miss in drivers/net/vxlan/vxlan_core.c).
func (l *dataLink) tellL3Miss(s *linkState, ip encap.Addr) {
	if s.l3miss {
		l.plane.onL3Miss(s.name, ip)
	}
}
