package forward

import (
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// bindings are the addresses that remote hosts said are theirs (`proxy learn`;
// the learning of RFC 9161 section 3.2, for a VTEP that has no EVPN beside it).
//
// VXLAN has no authentication, nor has ARP: who may send into a VNI can say that
// an address is its own, to a proxy as to every host. What a proxy must not do is
// to make that worse, so that
//   - a frame may only speak for the MAC that it came from, and that MAC must be
//     behind the very VTEP that sent it, as the FDB has it (accept, pinned entries
//     and moveguard have had their say by then);
//   - what the netdev's neighbour table says stands, whatever is heard;
//   - an address that changes hands more than 5 times in 180 s is answered for by
//     nobody but its hosts (RFC 9161 section 3.7, with its numbers);
//   - only questions to everybody are answered. One that goes to a host alone asks
//     whether it is still there (RFC 4861 section 7.3, RFC 1122 section 2.3.2.1),
//     which nobody else can tell, and saves no flood;
//   - there are no more of them than `maxaddress` lets the FDB have, and who fills
//     the table loses its own: see makeRoom.
//
// Nothing is learned of this side: who is here answers by itself. But who claims
// an address here has it taken from a remote host.
//
// A table takes its shard's lock for an ARP packet or neighbour message, and is
// not looked at for other frames. All methods but learn and find may be called
// without a table.
type bindings struct {
	seed   maphash.Seed // addresses are an attacker's choice
	n      atomic.Int64
	all    *fdb.Budget   // of all links
	shares fdb.Shares    // of the addresses, by remote
	closed atomic.Bool   // none is taken any more
	hand   atomic.Uint32 // the shard of the next search
	shards [bindingShards]bindingShard
}

const bindingShards = 16

type bindingShard struct {
	mu sync.Mutex // after VTEP.mu; no other lock is taken under it
	of map[encap.Addr]binding
	// most is how many there were since the map was made: one does not shrink.
	most int
}

// binding is where an address is.
type binding struct {
	mac    encap.MAC
	from   fdb.RemoteID // the remote that said so last, whose share it is of
	router bool
	here   bool // on this side
	// asked: its new MAC is known of a solicitation alone, which does not say
	// whether it is a router: wrongly told that it is none, hosts would give up
	// their route (RFC 4861 section 7.2.5).
	asked bool
	moves uint8 // since began
	began fdb.Tick
	heard fdb.Tick
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

// learn takes in c, which was heard from a remote, or from fdb.Nobody: on this
// side. limit is how many addresses there may be, 0 for any number.
func (t *bindings) learn(c *encap.Claim, from fdb.RemoteID, limit int, now fdb.Tick) {
	for range bindingTries {
		if t.learnOnce(c, from, limit, now) || !t.makeRoom(from, now) {
			return
		}
	}
}

// learnOnce is learn where there is room, else false.
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

// find is the binding of ip, and whether it may be told to who asks; false:
// there is none.
func (t *bindings) find(ip encap.Addr, now fdb.Tick) (b binding, tell, ok bool) {
	s := t.shard(&ip)
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok = s.of[ip]
	contested := b.moves > MaxMoves && now-b.began < GuardWindow
	return b, !b.here && !b.asked && !contested, ok
}

// age forgets what was not heard of for so many ticks, 0 for nothing.
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

// close is clear for good: a worker may have the table yet.
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

// cloned is a copy of m with room for what is in it: a map that was larger keeps the
// memory, and so does one that maps.Clone made of it.
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

// hears learns what f, from the VTEP at from, says of who sent it.
func (l *Link) hears(s *State, frame []byte, in *encap.Inner, from encap.Addr, now fdb.Tick) {
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

// says notes what f, of this side, says of who sent it.
func (l *Link) says(f *encap.Frame, in *encap.Inner, now fdb.Tick) {
	if c, ok := encap.ParseClaim(f.Data, in); ok {
		if t := l.bindings.Load(); t != nil {
			t.learn(&c, fdb.Nobody, 0, now)
		}
	}
}

// learnedNeighbour is the MAC of ip, and whether it is a router, for the question
// f. tell is false where the question must reach its host all the same.
func (l *Link) learnedNeighbour(ip encap.Addr, f *encap.Frame, now fdb.Tick) (mac encap.MAC, router, tell, ok bool) {
	t := l.bindings.Load()
	if t == nil {
		return mac, false, false, false
	}
	b, tell, ok := t.find(ip, now)
	if ok && tell {
		_, _, reachable := l.FDB.Peek(b.mac) // of whom the FDB has lost sight may be gone
		tell = reachable && encap.EthDst(f.Data).IsMulticast() && encap.EthSrc(f.Data) != b.mac
	}
	return b.mac, b.router, tell, ok
}
