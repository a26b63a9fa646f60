package forward

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

func heapNow() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// nth is the n-th of a set of addresses.
func nth(n int) netip.Addr {
	a := [4]byte{198, 18}
	binary.BigEndian.PutUint16(a[2:], uint16(n))
	return netip.AddrFrom4(a)
}

// TestRemotesLeaveNothing: 65,536 remotes that were configured and deleted, and as
// many that were learned and have aged, leave no memory behind.
func TestRemotesLeaveNothing(t *testing.T) {
	const n, budget = 1 << 16, 1 << 20
	l := newTestLink(NewPlane(1), Tables{})
	l.LearnNeighbours(true, fdb.NewBudget(0))
	mac := func(i int) encap.MAC { return encap.MAC{2, 1, 0, 0, byte(i >> 8), byte(i)} }
	configured := func() {
		for i := range n {
			add(t, l, mac(i), encap.AddrFrom(nth(i)), fdb.Static)
		}
	}
	gone := func() {
		for i := range n {
			if err := l.FDB.Delete(mac(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	learned := func() {
		for i := range n {
			from := encap.AddrFrom(nth(i))
			l.learn(&l.Shards[0], mac(i), &arrived{src: from, peer: l.Remotes.Peer(from)}, 1)
			c := encap.Claim{IP: encap.AddrFrom(nth(i)), MAC: mac(i)}
			l.bindings.Load().learn(&c, l.Remotes.Peer(from).learned.Load().ID, 0, 1)
		}
	}
	sweeps := func() {
		for now := fdb.Tick(1000); now < 1004; now++ {
			l.Age(now, 300)
		}
	}
	for name, fill := range map[string]func(){"configured": configured, "learned": learned} {
		before := heapNow()
		fill()
		most := heapNow() - before
		if name == "configured" {
			gone()
		}
		sweeps()
		left := heapNow() - before
		t.Logf("%s: %.1f MiB with %d, %.1f KiB without", name, float64(most)/(1<<20), n, float64(left)/(1<<10))
		if left > budget || l.FDB.Len() != 0 || l.Remotes.live != 0 {
			t.Errorf("%s: %d bytes, %d remotes and %d entries are left", name, left, l.Remotes.live, l.FDB.Len())
		}
	}
}

// TestRemoteNumbersComeBack: where some remotes stay, the least numbers are given out
// again first, so that the tables can shrink, and each number has the right remote.
func TestRemoteNumbersComeBack(t *testing.T) {
	r := newRemotes(nil, unwatched{})
	key := func(i int) RemoteKey { return RemoteKey{Addr: encap.AddrFrom(nth(i)), Port: 4789} }
	for i := range 1000 {
		r.Intern(key(i))
	}
	r.Keep(key(700))
	for range 3 {
		r.sweep()
	}
	if r.live != 1 || r.At(700) != r.Find(key(700)) || len(*r.byID.Load()) != 1024 {
		t.Fatalf("%d remotes are left, %d places", r.live, len(*r.byID.Load()))
	}
	for i := range 100 {
		if rem := r.Intern(key(2000 + i)); rem.ID != fdb.RemoteID(i) || r.At(rem.ID) != rem || r.Peer(rem.Addr) != rem.peer {
			t.Fatalf("remote %d has the number %d", i, rem.ID)
		}
	}
	r.Find(key(700)).kept = false
	for range 3 {
		r.sweep()
	}
	if n := len(*r.byID.Load()); r.live != 0 || n != minRemotes || r.peers.n != 0 || len(*r.peers.buckets.Load()) != minRemotes || len(r.free) != 0 {
		t.Errorf("%d remotes, %d places, %d peers are left", r.live, n, r.peers.n)
	}
}

// TestBindingShares: a remote that claims addresses without end loses its own, and
// those of other remotes are learned at once.
func TestBindingShares(t *testing.T) {
	const limit = 1000
	tb := newBindings(fdb.NewBudget(0))
	claim := func(n int, from fdb.RemoteID, now fdb.Tick) {
		tb.learn(&encap.Claim{IP: encap.AddrFrom(nth(n)), MAC: encap.MAC{2, byte(from)}}, from, limit, now)
	}
	known := func(n int) bool {
		_, _, ok := tb.find(encap.AddrFrom(nth(n)), 1)
		return ok
	}
	for n := range 10 {
		claim(n, 2, 1)
	}
	for n := range 20 * limit {
		claim(1000+n, 1, fdb.Tick(2+n/limit))
		if got := tb.len(); got > limit {
			t.Fatalf("%d addresses, the limit being %d", got, limit)
		}
	}
	for n := range 10 {
		claim(20+n, 3, 100)
	}
	for n := range 10 {
		if !known(n) || !known(20+n) {
			t.Errorf("address %d of another remote: known %v, a new one %v", n, known(n), known(20+n))
		}
	}
	if tb.len() != limit || tb.shares.Total() != limit {
		t.Errorf("%d addresses, %d in shares", tb.len(), tb.shares.Total())
	}
	tb.learn(&encap.Claim{IP: encap.AddrFrom(nth(0)), MAC: encap.MAC{2, 4}}, 4, limit, 100) // a move
	if giver, _, _ := tb.shares.Giver(fdb.Nobody); giver != 1 {
		t.Errorf("remote %d holds most", giver)
	}
	tb.close()
	if claim(1, 1, 101); tb.len() != 0 || tb.shares.Total() != 0 || tb.all.Used() != 0 {
		t.Errorf("closed: %d addresses, %d in shares, %d of the budget", tb.len(), tb.shares.Total(), tb.all.Used())
	}
}

// TestLearnedRemotesAreBounded: all links together make so many remotes by
// learning, and each may make a few whatever the others did.
func TestLearnedRemotesAreBounded(t *testing.T) {
	pool := fdb.NewBudget(1000)
	a, b := newRemotes(pool, unwatched{}), newRemotes(pool, unwatched{})
	made := func(r *Remotes) (n int) {
		for i := range 5000 {
			if r.learned(RemoteKey{Addr: encap.AddrFrom(nth(i))}, 0) != nil {
				n++
			}
		}
		return n
	}
	if n := made(a); n != 1000+ownRemotes {
		t.Errorf("one link made %d", n)
	}
	if n := made(b); n != ownRemotes {
		t.Errorf("another made %d after that", n)
	}
	for range 3 {
		b.sweep()
	}
	a.close()
	if n := pool.Used(); n != 0 || made(a) != 1000+ownRemotes || made(b) != 1000+ownRemotes {
		t.Errorf("%d are counted of a link that is gone, it has %d, another made %d", n, made(a), made(b))
	}
}

// TestTotalAddresses: 50 links that one peer fills hold no more than the VTEP may,
// and a deleted link's part is the others'.
func TestTotalAddresses(t *testing.T) {
	const links, limit = 50, 10_000
	p, addresses, remotes := NewPlane(1), fdb.NewBudget(limit), fdb.NewBudget(0)
	var all []*Link
	for range links {
		all = append(all, newTestLink(p, Tables{MaxAddresses: 16384, Addresses: addresses, Remotes: remotes}))
	}
	from := encap.AddrFrom(nth(1))
	for n := range 1000 {
		for i, o := range all {
			mac := encap.MAC{2, 1, byte(i), 0, byte(n >> 8), byte(n)}
			o.learn(&o.Shards[0], mac, &arrived{src: from, peer: o.Remotes.Peer(from)}, 1)
		}
	}
	if held := addresses.Used(); held != limit {
		t.Errorf("%d addresses are held of %d", held, limit)
	}
	for i, o := range all {
		if n := o.FDB.Len(); n < limit/links*8/10 || n > limit/links*12/10 {
			t.Errorf("link %d holds %d", i, n)
		}
	}
	for _, o := range all[1:] {
		o.Close()
	}
	if held := addresses.Used(); held != all[0].FDB.Len() {
		t.Errorf("%d addresses are held, %d by the link that is left", held, all[0].FDB.Len())
	}
}
