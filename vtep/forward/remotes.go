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
	Zone uint32 // outgoing interface index; 0: the route's
	Via  string // its name as given
}

// Remote is one destination of a link. But for its bypass it does not change
// once it is made.
type Remote struct {
	RemoteKey
	ID     fdb.RemoteID
	header [encap.HeaderLen]byte
	group  bool // a multicast address
	peer   *Peer
	Bypass atomic.Pointer[Bypass] // nil: it is reached through the network
	Loops  atomic.Bool            // its route leads through this VTEP

	own      bool // made by learning, counted in remotes.learns; guarded by remotes.mu
	pooled   bool // or in remotes.pool; guarded by remotes.mu
	kept     bool // a bypass names it: never given up; guarded by remotes.mu
	refs     int  // FDB references; guarded by remotes.mu
	idle     bool // no reference at the last sweep; guarded by remotes.mu
	detached bool // no longer found by key or peer; guarded by remotes.mu
}

// Remotes numbers a link's destinations, so that a FDB entry holds 24 bits
// instead of an address, and knows which outer addresses are configured.
//
// The data path reads at and peers without a lock. FDB events keep the
// reference counts. A number is given up by sweep in two steps some seconds
// apart, so that no frame in flight can find another remote behind it.
type Remotes struct {
	peers *peerTable
	byID  atomic.Pointer[[]atomic.Pointer[Remote]]

	pool *fdb.Budget // of remotes that learning made, of all links

	mu      sync.Mutex // after link.mu and the FDB's shard locks
	watch   PeerWatch
	byKey   map[RemoteKey]*Remote
	most    int            // remotes that byKey had room for when it was made, or has since
	free    []fdb.RemoteID // numbers given up, the least last
	used    int            // numbers handed out so far
	live    int            // remotes that exist
	learns  int            // those of them that learning made and pool does not count
	refused bool           // none is made by learning any more
}

// ownRemotes are those that learning may make for a link whatever the other
// links have made.
const ownRemotes = 64

// minRemotes is the least that the tables of remotes and peers have room for.
const minRemotes = 8

// PeerWatch is told who becomes a peer, and who is none any more, while the remotes' lock
// is held: before the FDB has the entry that makes one.
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

// At is the remote behind a FDB entry's number, nil if it was given up.
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
	return ra != nil && rb != nil && ra.Addr == rb.Addr
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
	p := r.peers.lookup(key.Addr)
	if p == nil {
		p = &Peer{Addr: key.Addr}
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

// Keep finds or makes the remote for key, which is then never given up.
func (r *Remotes) Keep(key RemoteKey) *Remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	rem := r.internLocked(key)
	rem.kept = true
	return rem
}

// Each calls fn for every remote. fn may take the lock.
func (r *Remotes) Each(fn func(*Remote)) {
	ids := *r.byID.Load()
	for i := range ids {
		if rem := ids[i].Load(); rem != nil {
			fn(rem)
		}
	}
}

// EachPeer calls fn for every address that a remote has. fn may take the lock.
func (r *Remotes) EachPeer(fn func(*Peer)) { r.peers.each(fn) }

// Peer is what is known of an address, nil if nothing is.
func (r *Remotes) Peer(a encap.Addr) *Peer { return r.peers.lookup(a) }

// Find is the remote for key, nil if there is none.
func (r *Remotes) Find(key RemoteKey) *Remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byKey[key]
}

// learned is the remote that a MAC seen behind addr gets, nil where limit
// remotes exist already, or where all links together have made as many as they may.
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

// ForgetLearned makes every peer choose its learned remote anew, after the
// link's port changed.
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

// follow keeps the reference counts while the FDB changes. It runs under a
// shard's lock.
func (r *Remotes) follow(e fdb.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Kind == fdb.Updated && e.Old == e.Remote && fdb.IsGroup(e.MAC) {
		return // state or flags of a group: always the user's
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
		r.count(e.Remote, 1, users) // first, since it may be the same peer
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

// count adds FDB references to id, users of them from configuration.
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

// sweep gives up remotes that nothing has referred to for two sweeps: one to
// detach them from look-ups, one to free the number.
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
			r.giveUp(rem)
		}
	}
	r.shrink()
}

// giveUp forgets a remote whose number has none any more. The lock is held.
func (r *Remotes) giveUp(rem *Remote) {
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

// shrink gives memory back after remotes have gone, and has the least numbers given
// out next, so that there is some to give back. The lock is held.
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

// resizeIDs gives byID another size. Who reads the old array finds the same remotes.
// The lock is held.
func (r *Remotes) resizeIDs(size int) {
	old := *r.byID.Load()
	ids := make([]atomic.Pointer[Remote], size)
	for i := range min(size, len(old)) {
		ids[i].Store(old[i].Load())
	}
	r.byID.Store(&ids)
}

// close gives back what is counted in pool, for good.
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
