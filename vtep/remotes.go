package vtep

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// remoteKey is what makes two remotes the same.
type remoteKey struct {
	addr encap.Addr
	port uint16
	vni  encap.VNI
	zone uint32 // outgoing interface index; 0: the route's
	via  string // its name as given
}

// remote is one destination of a link. But for its bypass it does not change
// once it is made.
type remote struct {
	remoteKey
	id     fdb.RemoteID
	header [encap.HeaderLen]byte
	group  bool // a multicast address
	peer   *peer
	bypass atomic.Pointer[bypass] // nil: it is reached through the network
	loops  atomic.Bool            // its route leads through this VTEP

	own      bool // made by learning, counted in remotes.learns; guarded by remotes.mu
	pooled   bool // or in remotes.pool; guarded by remotes.mu
	kept     bool // a bypass names it: never given up; guarded by remotes.mu
	refs     int  // FDB references; guarded by remotes.mu
	idle     bool // no reference at the last sweep; guarded by remotes.mu
	detached bool // no longer found by key or peer; guarded by remotes.mu
}

// remotes numbers a link's destinations, so that a FDB entry holds 24 bits
// instead of an address, and knows which outer addresses are configured.
//
// The data path reads at and peers without a lock. FDB events keep the
// reference counts. A number is given up by sweep in two steps some seconds
// apart, so that no frame in flight can find another remote behind it.
type remotes struct {
	peers *peerTable
	byID  atomic.Pointer[[]atomic.Pointer[remote]]

	pool *fdb.Budget // of remotes that learning made, of all links

	mu      sync.Mutex // after link.mu and the FDB's shard locks
	watch   peerWatch
	byKey   map[remoteKey]*remote
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

// peerWatch is told who becomes a peer, and who is none any more, while the remotes' lock
// is held: before the FDB has the entry that makes one.
type peerWatch interface {
	Came(encap.Addr)
	Left(encap.Addr)
}

func newRemotes(pool *fdb.Budget, watch peerWatch) *remotes {
	r := &remotes{watch: watch, peers: newPeerTable(), byKey: make(map[remoteKey]*remote), pool: pool}
	ids := make([]atomic.Pointer[remote], minRemotes)
	r.byID.Store(&ids)
	return r
}

// at is the remote behind a FDB entry's number, nil if it was given up.
func (r *remotes) at(id fdb.RemoteID) *remote {
	ids := *r.byID.Load()
	if int(id) >= len(ids) {
		return nil
	}
	return ids[id].Load()
}

// sameAddr serves fdb.Config.SameAddr.
func (r *remotes) sameAddr(a, b fdb.RemoteID) bool {
	ra, rb := r.at(a), r.at(b)
	return ra != nil && rb != nil && ra.addr == rb.addr
}

// intern finds or makes the remote for key.
func (r *remotes) intern(key remoteKey) *remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.internLocked(key)
}

func (r *remotes) internLocked(key remoteKey) *remote {
	if rem := r.byKey[key]; rem != nil {
		rem.idle = false
		return rem
	}
	p := r.peers.lookup(key.addr)
	if p == nil {
		p = &peer{addr: key.addr}
		r.peers.insert(p)
	}
	p.remotes++
	rem := &remote{
		remoteKey: key,
		id:        r.takeID(),
		header:    encap.HeaderFor(key.vni),
		group:     key.addr.Netip().IsMulticast(),
		peer:      p,
	}
	ids := *r.byID.Load()
	ids[rem.id].Store(rem)
	r.byKey[key] = rem
	r.most = max(r.most, len(r.byKey))
	r.live++
	return rem
}

// keep finds or makes the remote for key, which is then never given up.
func (r *remotes) keep(key remoteKey) *remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	rem := r.internLocked(key)
	rem.kept = true
	return rem
}

// each calls fn for every remote. fn may take the lock.
func (r *remotes) each(fn func(*remote)) {
	ids := *r.byID.Load()
	for i := range ids {
		if rem := ids[i].Load(); rem != nil {
			fn(rem)
		}
	}
}

// eachPeer calls fn for every address that a remote has. fn may take the lock.
func (r *remotes) eachPeer(fn func(*peer)) { r.peers.each(fn) }

// peer is what is known of an address, nil if nothing is.
func (r *remotes) peer(a encap.Addr) *peer { return r.peers.lookup(a) }

// find is the remote for key, nil if there is none.
func (r *remotes) find(key remoteKey) *remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byKey[key]
}

// learned is the remote that a MAC seen behind addr gets, nil where limit
// remotes exist already, or where all links together have made as many as they may.
func (r *remotes) learned(key remoteKey, limit int) *remote {
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

// forgetLearned makes every peer choose its learned remote anew, after the
// link's port changed.
func (r *remotes) forgetLearned() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peers.each(func(p *peer) { p.learned.Store(nil) })
}

func (r *remotes) takeID() fdb.RemoteID {
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
func (r *remotes) follow(e fdb.Event) {
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
func (r *remotes) count(id fdb.RemoteID, refs int, users int32) {
	rem := r.at(id)
	if rem == nil {
		return
	}
	rem.refs += refs
	rem.idle = false
	switch now := rem.peer.configured.Add(users); {
	case users > 0 && now == users:
		r.watch.Came(rem.addr)
	case users < 0 && now == 0:
		r.watch.Left(rem.addr)
	}
}

// sweep gives up remotes that nothing has referred to for two sweeps: one to
// detach them from look-ups, one to free the number.
func (r *remotes) sweep() {
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
			delete(r.byKey, rem.remoteKey)
			rem.peer.learned.CompareAndSwap(rem, nil)
		default:
			ids[i].Store(nil)
			r.giveUp(rem)
		}
	}
	r.shrink()
}

// giveUp forgets a remote whose number has none any more. The lock is held.
func (r *remotes) giveUp(rem *remote) {
	r.free = append(r.free, rem.id)
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
func (r *remotes) shrink() {
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
func (r *remotes) resizeIDs(size int) {
	old := *r.byID.Load()
	ids := make([]atomic.Pointer[remote], size)
	for i := range min(size, len(old)) {
		ids[i].Store(old[i].Load())
	}
	r.byID.Store(&ids)
}

// close gives back what is counted in pool, for good.
func (r *remotes) close() {
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
