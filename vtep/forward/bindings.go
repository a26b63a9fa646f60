package forward

import (
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// bindings are the IP addresses that remote hosts claim, with their MACs (`proxy learn`:
// the learning of RFC 9161 section 3.2, for a VTEP without EVPN).
//
// Neither VXLAN nor ARP has authentication: whoever may send into a VNI can claim an
// address, to a proxy as to every host. A proxy must not make that worse, so that
//   - a frame may claim addresses for its own source MAC only, and the FDB must have that
//     MAC behind the VTEP that sent the frame (accept, static entries and moveguard have
//     judged that before);
//   - the netdev's neighbour table overrides every claim;
//   - the proxy does not answer for an address that changed hands more than 5 times in
//     180 s (RFC 9161 section 3.7, with its numbers);
//   - the proxy answers questions to everybody only. A question to one host asks whether
//     that host is still there (RFC 4861 section 7.3, RFC 1122 section 2.3.2.1), which
//     no other can tell, and an answer would save no flood;
//   - the table has no more addresses than `maxaddress`, and a remote that fills it loses
//     its own addresses: see makeRoom.
//
// A claim from this side makes no binding, since the host here answers by itself. But it
// takes the address from the remote host that had it.
//
// A table takes its shard's lock for an ARP packet or neighbour message, and is not read for
// other frames. All methods but learn and find may be called with a nil table.
type bindings struct {
	seed   maphash.Seed // an attacker chooses addresses
	n      atomic.Int64
	all    *fdb.Budget   // of all links' tables
	shares fdb.Shares    // number of addresses by remote
	closed atomic.Bool   // the table takes no more addresses
	hand   atomic.Uint32 // the shard that the next search begins with
	shards [bindingShards]bindingShard
}

const bindingShards = 16

type bindingShard struct {
	mu   sync.Mutex // after VTEP.mu; no other lock is taken under it
	of   map[encap.Addr]binding
	most int // the most addresses since the map was made: a map does not shrink
}

// binding is the host that an address belongs to.
type binding struct {
	mac    encap.MAC
	from   fdb.RemoteID // the remote that claimed the address last; the binding is of its share
	router bool
	here   bool // the host is on this side
	// asked: the MAC is known from a solicitation alone, which does not say whether the
	// host is a router. Hosts that are wrongly told that it is none would give up their
	// route (RFC 4861 section 7.2.5).
	asked bool
	moves uint8 // since began
	began fdb.Tick
	heard fdb.Tick // the last claim
}

func newBindings(all *fdb.Budget) *bindings {
	t := &bindings{seed: maphash.MakeSeed(), all: all}
	for i := range t.shards {
		t.shards[i].of = make(map[encap.Addr]binding)
	}
	return t
}

func (t *bindings) shard(ip *encap.Addr) *bindingShard {
	return &t.shards[maphash.Bytes(t.seed, ip[:])%bindingShards]
}

// learn binds the address of c, a claim that came from a remote, or from this side where
// from is fdb.Nobody. limit is how many addresses the link may have, 0 for any number.
func (t *bindings) learn(c *encap.Claim, from fdb.RemoteID, limit int, now fdb.Tick) {
	for range bindingTries {
		if t.learnOnce(c, from, limit, now) || !t.makeRoom(from, now) {
			return
		}
	}
}

// learnOnce is learn, but reports false where there is no room.
func (t *bindings) learnOnce(c *encap.Claim, from fdb.RemoteID, limit int, now fdb.Tick) bool {
	here := from == fdb.Nobody
	s := t.shard(&c.IP)
	s.mu.Lock()
	defer s.mu.Unlock()
	b, known := s.of[c.IP]
	switch {
	case !known && (here || c.Asks):
		return true
	case !known:
		if !t.reserve(limit) {
			return false
		}
		t.shares.Add(from, 1)
		b.began, b.from = now, from
	case b.mac != c.MAC || b.here != here:
		if now-b.began >= GuardWindow {
			b.began, b.moves = now, 0
		}
		b.moves = min(b.moves+1, MaxMoves+1)
		b.asked = true
	}
	b.mac, b.here, b.heard = c.MAC, here, now
	if !here && b.from != from {
		t.shares.Move(b.from, from)
		b.from = from
	}
	if !c.Asks {
		b.router, b.asked = c.Router, false
	}
	s.of[c.IP] = b
	s.most = max(s.most, len(s.of))
	return true
}

// find is the binding of ip. tell reports whether the proxy may answer with it, ok whether
// there is one.
func (t *bindings) find(ip encap.Addr, now fdb.Tick) (b binding, tell, ok bool) {
	s := t.shard(&ip)
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok = s.of[ip]
	contested := b.moves > MaxMoves && now-b.began < GuardWindow
	return b, !b.here && !b.asked && !contested, ok
}

// age removes the addresses that were claimed longer ago than ageing, where that is not 0.
func (t *bindings) age(now, ageing fdb.Tick) {
	if t == nil || ageing == 0 {
		return
	}
	t.forget(func(b *binding) bool { return now-b.heard >= ageing })
}

func (t *bindings) clear() {
	if t != nil {
		t.forget(func(*binding) bool { return true })
	}
}

// close empties the table for good: a worker may still use it.
func (t *bindings) close() {
	if t != nil {
		t.closed.Store(true)
		t.clear()
	}
}

func (t *bindings) forget(old func(*binding) bool) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for ip, b := range s.of {
			if old(&b) {
				delete(s.of, ip)
				t.release(b.from)
			}
		}
		if s.most > 16 && len(s.of) < s.most/4 {
			s.of, s.most = cloned(s.of), len(s.of)
		}
		s.mu.Unlock()
	}
	t.shares.Trim()
}

// cloned is a copy of m of the least size. A map never frees memory, and maps.Clone copies a
// map with all the memory that it has.
func cloned[K comparable, V any](m map[K]V) map[K]V {
	c := make(map[K]V, len(m))
	maps.Copy(c, m)
	return c
}

func (t *bindings) len() int {
	if t == nil {
		return 0
	}
	return int(t.n.Load())
}

// learnFromRemote binds the address that a frame from the VTEP at from claims.
func (l *Link) learnFromRemote(s *State, frame []byte, in *encap.Inner, from encap.Addr, now fdb.Tick) {
	c, ok := encap.ParseClaim(frame, in)
	t := l.bindings.Load()
	if !ok || t == nil {
		return
	}
	if known := l.neighbours.Load(); known != nil {
		if _, ok := (*known)[c.IP]; ok {
			return
		}
	}
	if id, _, ok := l.FDB.Peek(c.MAC); ok {
		if r := l.Remotes.At(id); r != nil && r.Addr == from {
			t.learn(&c, id, s.MaxBindings, now)
		}
	}
}

// noteLocal notes the address that f, from this side, claims.
func (l *Link) noteLocal(f *encap.Frame, in *encap.Inner, now fdb.Tick) {
	if c, ok := encap.ParseClaim(f.Data, in); ok {
		if t := l.bindings.Load(); t != nil {
			t.learn(&c, fdb.Nobody, 0, now)
		}
	}
}

// learnedNeighbour is the MAC of ip, and whether the host is a router, for the question f.
// tell is false where the host itself has to answer.
func (l *Link) learnedNeighbour(ip encap.Addr, f *encap.Frame, now fdb.Tick) (mac encap.MAC, router, tell, ok bool) {
	t := l.bindings.Load()
	if t == nil {
		return mac, false, false, false
	}
	b, tell, ok := t.find(ip, now)
	if ok && tell {
		_, _, reachable := l.FDB.Peek(b.mac) // a host that the FDB has forgotten may be gone
		tell = reachable && encap.EthDst(f.Data).IsMulticast() && encap.EthSrc(f.Data) != b.mac
	}
	return b.mac, b.router, tell, ok
}
