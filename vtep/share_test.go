package vtep

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// nobodyWatches is told of peers and does nothing.
type nobodyWatches struct{}

func (nobodyWatches) Came(encap.Addr) {}
func (nobodyWatches) Left(encap.Addr) {}

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
	l := newSinkLink(t)
	if err := l.vtep.UpdateLink("vxlan0", func(c *LinkConfig) error {
		c.MaxAddresses, c.Proxy, c.ProxyLearn = UnlimitedAddresses, true, true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	mac := func(i int) encap.MAC { return encap.MAC{2, 1, 0, 0, byte(i >> 8), byte(i)} }
	configured := func() {
		for i := range n {
			if err := l.vtep.FDBAdd(FDBEntry{Link: "vxlan0", MAC: mac(i), Remote: Remote{Addr: nth(i)}, State: fdb.Static}); err != nil {
				t.Fatal(err)
			}
		}
	}
	gone := func() {
		for i := range n {
			if err := l.vtep.FDBDel("vxlan0", mac(i), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	learned := func() {
		for i := range n {
			from := encap.AddrFrom(nth(i))
			l.learn(&l.shards[0], mac(i), &arrived{src: from, peer: l.remotes.peers.lookup(from)}, 1)
			c := encap.Claim{IP: encap.AddrFrom(nth(i)), MAC: mac(i)}
			l.bindings.Load().learn(&c, l.remotes.peers.lookup(from).learned.Load().id, 0, 1)
		}
	}
	sweeps := func() {
		for now := fdb.Tick(1000); now < 1004; now++ {
			l.sweep(now)
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
		if left > budget || l.fdb.Len() != 0 || l.remotes.live != 0 {
			t.Errorf("%s: %d bytes, %d remotes and %d entries are left", name, left, l.remotes.live, l.fdb.Len())
		}
	}
}

// TestRemoteNumbersComeBack: where some remotes stay, the least numbers are given out
// again first, so that the tables can shrink, and each number has the right remote.
func TestRemoteNumbersComeBack(t *testing.T) {
	r := newRemotes(nil, nobodyWatches{})
	key := func(i int) remoteKey { return remoteKey{addr: encap.AddrFrom(nth(i)), port: 4789} }
	for i := range 1000 {
		r.intern(key(i))
	}
	r.keep(key(700))
	for range 3 {
		r.sweep()
	}
	if r.live != 1 || r.at(700) != r.find(key(700)) || len(*r.byID.Load()) != 1024 {
		t.Fatalf("%d remotes are left, %d places", r.live, len(*r.byID.Load()))
	}
	for i := range 100 {
		if rem := r.intern(key(2000 + i)); rem.id != fdb.RemoteID(i) || r.at(rem.id) != rem || r.peers.lookup(rem.addr) != rem.peer {
			t.Fatalf("remote %d has the number %d", i, rem.id)
		}
	}
	r.find(key(700)).kept = false
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
	l := newLimits(8000) // 1,000 remotes
	a, b := newRemotes(l.remotes, nobodyWatches{}), newRemotes(l.remotes, nobodyWatches{})
	made := func(r *remotes) (n int) {
		for i := range 5000 {
			if r.learned(remoteKey{addr: encap.AddrFrom(nth(i))}, 0) != nil {
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
	if n := l.remotes.Used(); n != 0 || made(a) != 1000+ownRemotes || made(b) != 1000+ownRemotes {
		t.Errorf("%d are counted of a link that is gone, it has %d, another made %d", n, made(a), made(b))
	}
}

// TestTotalAddresses: 200 links that one peer fills hold no more than the VTEP may,
// and a deleted link's part is the others'.
func TestTotalAddresses(t *testing.T) {
	const links, limit = 50, 10_000
	l := newSinkLink(t)
	v := l.vtep
	v.SetMaxAddresses(limit)
	all := []*dataLink{l.dataLink}
	for range links - 1 {
		o := newDataLink(v.plane, linkTables{
			maxAddresses: DefaultMaxAddresses, addresses: v.limits.addresses, remotes: v.limits.remotes,
			peers: nobodyWatches{},
		})
		o.state.Store(l.state.Load())
		o.setQueues(1)
		all = append(all, o)
	}
	from := encap.AddrFrom(nth(1))
	for n := range 1000 {
		for i, o := range all {
			mac := encap.MAC{2, 1, byte(i), 0, byte(n >> 8), byte(n)}
			o.learn(&o.shards[0], mac, &arrived{src: from, peer: o.remotes.peers.lookup(from)}, 1)
		}
	}
	held, most := v.Addresses()
	if held != limit || most != limit {
		t.Errorf("%d addresses are held of %d", held, most)
	}
	for i, o := range all {
		if n := o.fdb.Len(); n < limit/links*8/10 || n > limit/links*12/10 {
			t.Errorf("link %d holds %d", i, n)
		}
	}
	for _, o := range all[1:] {
		o.close()
	}
	if held, _ := v.Addresses(); held != l.fdb.Len() {
		t.Errorf("%d addresses are held, %d by the link that is left", held, l.fdb.Len())
	}
	v.SetMaxAddresses(0)
	if _, most := v.Addresses(); most != DefaultTotalAddresses {
		t.Errorf("the default is %d", most)
	}
	v.SetMaxAddresses(UnlimitedAddresses)
	if _, most := v.Addresses(); most != 0 {
		t.Errorf("unlimited is %d", most)
	}
}
