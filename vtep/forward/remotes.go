package forward

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// RemoteKey is what makes two remotes the same.
type RemoteKey struct {
	Addr encap.Addr
	Port uint16
	VNI  encap.VNI
	Zone uint32 // index of the outgoing interface; 0: the route chooses
	Via  string // name of that interface, as given
}

// Remote is one destination of a link. Its key never changes.
type Remote struct {
	RemoteKey
	ID     fdb.RemoteID
	header [encap.HeaderLen]byte
	group  bool // a multicast address
	peer   *Peer
	Bypass atomic.Pointer[Bypass] // nil: the remote is reached through the network
	Loops  atomic.Bool            // the route to the remote leads through this VTEP

	// The rest is guarded by Remotes.mu.
	own      bool // made by learning, and counted in Remotes.learns
	pooled   bool // made by learning, and counted in Remotes.pool
	kept     bool // a bypass names the remote, so that it is never removed
	refs     int  // references from the FDB
	idle     bool // had no reference at the last sweep
	detached bool // no longer found by key or peer
}

// Remotes numbers a link's destinations, so that an FDB entry holds 24 bits
// instead of an address, and knows which outer addresses are configured.
//
// The data path calls At and looks up peers without a lock. FDB events keep the
// reference counts. A sweep frees a number in two steps some seconds apart, so
// that no frame in flight can find another remote by the number.
type Remotes struct {
	peers *peerTable
	byID  atomic.Pointer[[]atomic.Pointer[Remote]]

	pool *fdb.Budget // of the remotes that learning made for all links

	mu      sync.Mutex // after the FDB's shard locks
	watch   PeerWatch
	byKey   map[RemoteKey]*Remote
	most    int            // the most remotes that byKey has had since it was made
	free    []fdb.RemoteID // freed numbers, the least last
	used    int            // numbers below this one are in use or in free
	live    int            // remotes that exist
	learns  int            // remotes that learning made and pool does not count
	refused bool           // learning makes no more remotes
}

// ownRemotes is how many remotes learning may make for a link, however many it made for
// the other links.
const ownRemotes = 64

// minRemotes is the least size of the tables of remotes and peers.
const minRemotes = 8

// PeerWatch follows the configured peers of a link. It is called with Remotes.mu held:
// Came before the FDB has the entry that makes an address a peer, Left when the last such
// entry goes.
type PeerWatch interface {
	Came(encap.Addr)
	Left(encap.Addr)
}

func newRemotes(pool *fdb.Budget, watch PeerWatch) *Remotes {
	r := &Remotes{watch: watch, peers: newPeerTable(), byKey: make(map[RemoteKey]*Remote), pool: pool}
	ids := make([]atomic.Pointer[Remote], minRemotes)
	r.byID.Store(&ids)
	return r
}

// At is the remote of a number in an FDB entry; nil: the number was freed.
func (r *Remotes) At(id fdb.RemoteID) *Remote {
	ids := *r.byID.Load()
	if int(id) >= len(ids) {
		return nil
	}
	return ids[id].Load()
}

// sameAddr serves fdb.Config.SameAddr.
func (r *Remotes) sameAddr(a, b fdb.RemoteID) bool {
	ra, rb := r.At(a), r.At(b)
	return ra != nil && rb != nil && ra.Addr == rb.Addr && ra.peer.Zone == rb.peer.Zone
}

// Intern finds or makes the remote for key.
func (r *Remotes) Intern(key RemoteKey) *Remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.internLocked(key)
}

func (r *Remotes) internLocked(key RemoteKey) *Remote {
	if rem := r.byKey[key]; rem != nil {
		rem.idle = false
		return rem
	}
	p := r.peers.lookup(key.Addr, key.Zone)
	if p == nil {
		p = &Peer{Addr: key.Addr, Zone: zoneOf(&key.Addr, key.Zone)}
		r.peers.insert(p)
	}
	p.remotes++
	rem := &Remote{
		RemoteKey: key,
		ID:        r.takeID(),
		header:    encap.HeaderFor(key.VNI),
		group:     key.Addr.Netip().IsMulticast(),
		peer:      p,
	}
	ids := *r.byID.Load()
	ids[rem.ID].Store(rem)
	r.byKey[key] = rem
	r.most = max(r.most, len(r.byKey))
	r.live++
	return rem
}

// Keep is Intern of a remote that is never removed.
func (r *Remotes) Keep(key RemoteKey) *Remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	rem := r.internLocked(key)
	rem.kept = true
	return rem
}

// Each calls fn with each remote. fn may take the lock.
func (r *Remotes) Each(fn func(*Remote)) {
	ids := *r.byID.Load()
	for i := range ids {
		if rem := ids[i].Load(); rem != nil {
			fn(rem)
		}
	}
}

// EachPeer calls fn with each peer. fn may take the lock.
func (r *Remotes) EachPeer(fn func(*Peer)) { r.peers.each(fn) }

// Peer is the peer with an address; nil: there is none. A link-local address may be several
// peers', by device: then it is one that is configured, if any is.
func (r *Remotes) Peer(a encap.Addr) *Peer { return r.peers.anywhere(a) }

// Find is the remote for key; nil: there is none.
func (r *Remotes) Find(key RemoteKey) *Remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byKey[key]
}

// learned finds or makes the remote for a learned MAC; nil: the link has limit remotes
// already, or learning has made as many for all links as it may.
func (r *Remotes) learned(key RemoteKey, limit int) *Remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	rem := r.byKey[key]
	if rem == nil {
		pooled := r.learns >= ownRemotes
		if r.refused || limit > 0 && r.live >= limit || pooled && !r.pool.Take() {
			return nil
		}
		rem = r.internLocked(key)
		if rem.pooled, rem.own = pooled, !pooled; rem.own {
			r.learns++
		}
	}
	rem.idle = false
	rem.peer.learned.Store(rem)
	return rem
}

// ForgetLearned makes each peer choose its learned remote anew, after the link's port or
// VNI changed.
func (r *Remotes) ForgetLearned() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peers.each(func(p *Peer) { p.learned.Store(nil) })
}

func (r *Remotes) takeID() fdb.RemoteID {
	if n := len(r.free); n > 0 {
		id := r.free[n-1]
		r.free = r.free[:n-1]
		return id
	}
	old := *r.byID.Load()
	if r.used == len(old) {
		r.resizeIDs(2 * len(old))
	}
	r.used++
	return fdb.RemoteID(r.used - 1)
}

// follow keeps the reference counts in step with a change of the FDB. It runs under a
// shard's lock.
func (r *Remotes) follow(e fdb.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Kind == fdb.Updated && e.Old == e.Remote && fdb.IsGroup(e.MAC) {
		return // the state or flags of a group changed, which only a user gives
	}
	var users int32
	if e.Flags&fdb.FlagUser != 0 {
		users = 1
	}
	switch e.Kind {
	case fdb.Added:
		r.count(e.Remote, 1, users)
	case fdb.Removed:
		r.count(e.Remote, -1, -users)
	case fdb.Moved:
		r.count(e.Remote, 1, users) // first, since both remotes may be of one peer
		r.count(e.Old, -1, -users)
	case fdb.Updated:
		var before int32
		if e.OldFlags&fdb.FlagUser != 0 {
			before = 1
		}
		r.count(e.Remote, 1, users)
		r.count(e.Old, -1, -before)
	}
}

// count adds refs to the references to id, and users to the configured references to its
// peer.
func (r *Remotes) count(id fdb.RemoteID, refs int, users int32) {
	rem := r.At(id)
	if rem == nil {
		return
	}
	rem.refs += refs
	rem.idle = false
	switch now := rem.peer.configured.Add(users); {
	case users > 0 && now == users:
		r.watch.Came(rem.Addr)
	case users < 0 && now == 0:
		r.watch.Left(rem.Addr)
	}
}

// sweep removes remotes that had no reference at the sweep before: the next sweep detaches
// them from look-ups, the one after that frees the number.
func (r *Remotes) sweep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := *r.byID.Load()
	for i := range r.used {
		rem := ids[i].Load()
		switch {
		case rem == nil || rem.refs > 0 || rem.kept:
		case !rem.idle:
			rem.idle = true
		case !rem.detached:
			rem.detached = true
			delete(r.byKey, rem.RemoteKey)
			rem.peer.learned.CompareAndSwap(rem, nil)
		default:
			ids[i].Store(nil)
			r.freeID(rem)
		}
	}
	r.shrink()
}

// freeID frees the number of a removed remote. The lock is held.
func (r *Remotes) freeID(rem *Remote) {
	r.free = append(r.free, rem.ID)
	r.live--
	if rem.own {
		r.learns--
	}
	if rem.pooled {
		r.pool.Give(1)
	}
	if rem.peer.remotes--; rem.peer.remotes == 0 {
		r.peers.remove(rem.peer)
	}
}

// shrink frees memory after remotes were removed. The least free numbers are taken next, so
// that the table can shrink later as well. The lock is held.
func (r *Remotes) shrink() {
	ids := *r.byID.Load()
	for r.used > 0 && ids[r.used-1].Load() == nil {
		r.used--
	}
	r.free = slices.DeleteFunc(r.free, func(id fdb.RemoteID) bool { return int(id) >= r.used })
	slices.SortFunc(r.free, func(a, b fdb.RemoteID) int { return cmp.Compare(b, a) })
	if cap(r.free) > 4*len(r.free)+minRemotes {
		r.free = slices.Clone(r.free)
	}
	size := len(ids)
	for size > minRemotes && size > 4*r.used {
		size /= 2
	}
	if size < len(ids) {
		r.resizeIDs(size)
	}
	if r.most > 64 && len(r.byKey) < r.most/4 {
		r.byKey, r.most = cloned(r.byKey), len(r.byKey)
	}
	r.peers.shrink()
}

// resizeIDs changes the size of byID. A reader of the old array finds the same remotes. The
// lock is held.
func (r *Remotes) resizeIDs(size int) {
	old := *r.byID.Load()
	ids := make([]atomic.Pointer[Remote], size)
	for i := range min(size, len(old)) {
		ids[i].Store(old[i].Load())
	}
	r.byID.Store(&ids)
}

// close returns the link's share of pool. Learning makes no more remotes.
func (r *Remotes) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = true
	ids := *r.byID.Load()
	for i := range ids {
		if rem := ids[i].Load(); rem != nil && rem.pooled {
			rem.pooled = false
			r.pool.Give(1)
		}
	}
}
