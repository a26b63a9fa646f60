package forward

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

// Peer is one outer address that a link has remotes with.
type Peer struct {
	Addr encap.Addr
	// Zone is the index of the device that a link-local address is behind, 0 for
	// others: the same address behind another device is another host's (RFC 4007
	// section 6).
	Zone uint32
	// configured counts the FDB references of users and controllers. Above zero,
	// `accept peers` accepts packets from this address (S01 in docs/conformance.md).
	configured atomic.Int32
	// learned is the remote that MACs behind this address are learned with: it has the
	// link's own port and VNI, never the packet's source port (L10 in
	// docs/conformance.md). nil: nothing was learned yet.
	learned  atomic.Pointer[Remote]
	to, from pace      // of flooded frames to and from this address
	path     knownPath // to this address
	remotes  int       // remotes with this address; guarded by Remotes.mu
	_        [64]byte  // keeps what each batch writes off the cache line of what workers read
	// What goes to the peer and comes from it.
	sent, received traffic
}

// IsPeer reports whether `accept peers` accepts packets from p, which may be nil.
func (p *Peer) IsPeer() bool { return p != nil && p.configured.Load() > 0 }

// peerTable maps addresses to peers. Readers take no lock; writers hold
// Remotes.mu. Each bucket is a list linked by atomic pointers. Growing makes
// new nodes, so that a reader of the old buckets still finds whole lists.
type peerTable struct {
	seed    maphash.Seed
	buckets atomic.Pointer[[]atomic.Pointer[peerNode]]
	n       int
}

type peerNode struct {
	peer *Peer
	next atomic.Pointer[peerNode]
}

func newPeerTable() *peerTable {
	t := &peerTable{seed: maphash.MakeSeed()}
	b := make([]atomic.Pointer[peerNode], minRemotes)
	t.buckets.Store(&b)
	return t
}

// slot is the bucket of a. The hash is seeded: with `accept any`, an attacker chooses
// outer addresses.
func (t *peerTable) slot(b []atomic.Pointer[peerNode], a *encap.Addr) *atomic.Pointer[peerNode] {
	return &b[maphash.Bytes(t.seed, a[:])&uint64(len(b)-1)]
}

// lookup is who has the address a by a device.
func (t *peerTable) lookup(a encap.Addr, device uint32) *Peer {
	zone := zoneOf(&a, device)
	for n := t.slot(*t.buckets.Load(), &a).Load(); n != nil; n = n.next.Load() {
		if n.peer.Addr == a && n.peer.Zone == zone {
			return n.peer
		}
	}
	return nil
}

// anywhere is who has the address a by whatever device: of several one that is a
// configured peer, where there is one.
func (t *peerTable) anywhere(a encap.Addr) (p *Peer) {
	for n := t.slot(*t.buckets.Load(), &a).Load(); n != nil; n = n.next.Load() {
		if n.peer.Addr == a && (p == nil || n.peer.IsPeer()) {
			p = n.peer
		}
	}
	return p
}

// zoneOf is device where a is an IPv6 link-local address (RFC 4291 section 2.5.6),
// else 0.
func zoneOf(a *encap.Addr, device uint32) uint32 {
	if a[0] == 0xfe && a[1]&0xc0 == 0x80 {
		return device
	}
	return 0
}

func (t *peerTable) insert(p *Peer) {
	b := *t.buckets.Load()
	if t.n++; t.n > len(b) {
		t.rebuild(2*len(b), p)
		return
	}
	t.push(b, p)
}

// rebuild makes new buckets, and puts in all peers and p, which may be nil.
func (t *peerTable) rebuild(buckets int, p *Peer) {
	b := make([]atomic.Pointer[peerNode], buckets)
	t.each(func(q *Peer) { t.push(b, q) })
	if p != nil {
		t.push(b, p)
	}
	t.buckets.Store(&b)
}

// shrink frees memory after removals.
func (t *peerTable) shrink() {
	buckets := len(*t.buckets.Load())
	size := buckets
	for size > minRemotes && size > 4*t.n {
		size /= 2
	}
	if size < buckets {
		t.rebuild(size, nil)
	}
}

func (t *peerTable) push(b []atomic.Pointer[peerNode], p *Peer) {
	head := t.slot(b, &p.Addr)
	n := &peerNode{peer: p}
	n.next.Store(head.Load())
	head.Store(n)
}

func (t *peerTable) remove(p *Peer) {
	link := t.slot(*t.buckets.Load(), &p.Addr)
	for n := link.Load(); n != nil; n = link.Load() {
		if n.peer == p {
			link.Store(n.next.Load())
			t.n--
			return
		}
		link = &n.next
	}
}

func (t *peerTable) each(fn func(*Peer)) {
	b := *t.buckets.Load()
	for i := range b {
		for n := b[i].Load(); n != nil; n = n.next.Load() {
			fn(n.peer)
		}
	}
}
