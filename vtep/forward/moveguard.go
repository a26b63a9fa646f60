package forward

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// A MAC that moves more than MaxMoves times within GuardWindow is held, for the rest of
// that time, behind the remote that had it when the window began (S06 in
// docs/conformance.md). RFC 7432 section 15.1 has EVPN do so, with the same values of N
// and M. A remote that claims another's MAC again and again has it MaxMoves times for a
// moment, and then no more.
const (
	MaxMoves              = 5
	GuardWindow  fdb.Tick = 180 // seconds
	guardEntries          = 1024
	guardWays             = 8 // entries that a MAC may be in
)

// The moves of MACs that find no entry are counted by the pair of remotes that they are
// between. After MaxPairMoves within GuardWindow no MAC moves between the two for the rest
// of it. So 3,000 guests of one host can move to another host at once.
const (
	guardPairs   = 64
	MaxPairMoves = 2048
)

// moveGuard counts the moves of MACs. A move is rare and takes the lock, inside the lock of
// an FDB shard. A packet reads held and, while held is not 0, a few words of the table. The
// zero value is ready.
type moveGuard struct {
	held  atomic.Int32               // number of MACs and pairs that are held
	table atomic.Pointer[guardTable] // nil while nothing moves

	mu sync.Mutex // after a FDB shard's lock
}

// guardTable takes 60 KiB.
type guardTable struct {
	seed  maphash.Seed // an attacker chooses MACs and addresses
	macs  [guardEntries]heldMAC
	seen  [guardEntries]mover // by the index in macs; guarded by moveGuard.mu
	pairs [guardPairs]pairMoves
}

// heldMAC is what packets read of a MAC that is held.
type heldMAC struct {
	key  atomic.Uint64    // of the MAC; 0: none is held
	home [2]atomic.Uint64 // Home.Addr of who it is held behind
	zone atomic.Uint32    // and Home.Zone
}

// Home is who has a MAC: an outer address, and for a link-local one the device that it is
// behind, as Peer has them.
type Home struct {
	Addr encap.Addr
	Zone uint32
}

// home is who is at r.
func (r *Remote) home() Home { return Home{r.Addr, r.peer.Zone} }

// mover is a MAC that moved, with its moves since a time.
type mover struct {
	mac      encap.MAC
	home     Home // who had the MAC at since
	since    fdb.Tick
	moves    uint8 // 0: the entry is free
	reported bool  // that the MAC is held, by expire
	freed    bool  // by a user, which expire has not reported yet
}

// pairMoves are the moves between two remotes, or between several pairs with one hash.
type pairMoves struct {
	held atomic.Bool

	// The rest is guarded by moveGuard.mu.
	moves    int // since a time
	since    fdb.Tick
	reported bool // that the pair is held, by expire
}

// guardKey is m as a number that is not 0.
func guardKey(m encap.MAC) uint64 {
	return 1<<48 | uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 | uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5])
}

// words are a as two numbers; addrOf makes the address of them.
func words(a *encap.Addr) (high, low uint64) {
	return binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
}

func addrOf(high, low uint64) (a encap.Addr) {
	binary.BigEndian.PutUint64(a[:8], high)
	binary.BigEndian.PutUint64(a[8:], low)
	return a
}

// ways is the first of the guardWays entries that m may be in.
func (t *guardTable) ways(m encap.MAC) int {
	return int(maphash.Bytes(t.seed, m[:])%(guardEntries/guardWays)) * guardWays
}

// pair is the entry of the moves between two remotes.
func (t *guardTable) pair(a, b Home) *pairMoves {
	return &t.pairs[(maphash.Comparable(t.seed, a)+maphash.Comparable(t.seed, b))%guardPairs]
}

// holds reports whether m is held, and behind whom.
func (g *moveGuard) holds(m encap.MAC) (home Home, held bool) {
	if g.held.Load() == 0 {
		return home, false
	}
	t := g.table.Load()
	if t == nil {
		return home, false
	}
	key, first := guardKey(m), t.ways(m)
	for i := range t.macs[first : first+guardWays] {
		h := &t.macs[first+i]
		if h.key.Load() != key {
			continue
		}
		home = Home{addrOf(h.home[0].Load(), h.home[1].Load()), h.zone.Load()}
		if h.key.Load() == key { // else m was released, and home may be of another MAC
			return home, true
		}
	}
	return home, false
}

// parts reports whether no MAC may move between two remotes now.
func (g *moveGuard) parts(a, b Home) bool {
	if g.held.Load() == 0 {
		return false
	}
	t := g.table.Load()
	return t != nil && t.pair(a, b).held.Load()
}

// note counts a move of m from one remote to another.
func (g *moveGuard) note(m encap.MAC, from, to Home, now fdb.Tick) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.table.Load()
	if t == nil {
		t = &guardTable{seed: maphash.MakeSeed()}
		g.table.Store(t)
	}
	at := t.place(m, now)
	if at < 0 {
		g.notePair(t.pair(from, to), now)
		return
	}
	e, h := &t.seen[at], &t.macs[at]
	if h.key.Load() != 0 {
		return // the MAC is held, and goes back home
	}
	if e.mac != m || e.moves == 0 || now-e.since >= GuardWindow {
		*e = mover{mac: m, home: from, since: now}
	}
	if e.moves++; e.moves > MaxMoves {
		high, low := words(&e.home.Addr)
		h.home[0].Store(high)
		h.home[1].Store(low)
		h.zone.Store(e.home.Zone)
		h.key.Store(guardKey(m))
		g.held.Add(1)
	}
}

// notePair counts a move between two remotes, of a MAC that found no entry.
func (g *moveGuard) notePair(p *pairMoves, now fdb.Tick) {
	if p.held.Load() {
		return
	}
	if p.moves == 0 || now-p.since >= GuardWindow {
		p.moves, p.since = 0, now
	}
	if p.moves++; p.moves > MaxPairMoves {
		p.held.Store(true)
		p.reported = false
		g.held.Add(1)
	}
}

// place is the index of m's entry; -1: all entries that m may be in are taken. No entry gives
// way to another: whoever makes many MACs move could have the others' moves forgotten.
func (t *guardTable) place(m encap.MAC, now fdb.Tick) int {
	free, first := -1, t.ways(m)
	for i := first; i < first+guardWays; i++ {
		e := &t.seen[i]
		if e.mac == m && (e.moves > 0 || e.freed) {
			return i
		}
		if free < 0 && t.macs[i].key.Load() == 0 && !e.freed && (e.moves == 0 || now-e.since >= GuardWindow) {
			free = i
		}
	}
	return free
}

// release forgets the moves of m after a user changed its FDB entry: m is where the user
// says.
func (g *moveGuard) release(m encap.MAC) {
	t := g.table.Load()
	if t == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	first := t.ways(m)
	for i := first; i < first+guardWays; i++ {
		e := &t.seen[i]
		if e.mac != m || e.moves == 0 {
			continue
		}
		freed := t.macs[i].key.Swap(0) != 0
		if freed {
			g.held.Add(-1)
		}
		*e = mover{mac: m, freed: freed && e.reported}
	}
}

// GuardNews are the MACs and pairs that were held or freed since the call before.
type GuardNews struct {
	Held, Freed []encap.MAC
	Homes       []Home // of Held
	Pairs       int    // pairs that were held
}

// expire releases the MACs and pairs whose time is over, or all of them, and returns what
// changed since the call before. It frees the table where nothing moved of late.
func (g *moveGuard) expire(now fdb.Tick, all bool) (news GuardNews) {
	t := g.table.Load()
	if t == nil {
		return news
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	used := false
	for i := range t.seen {
		e, h := &t.seen[i], &t.macs[i]
		if h.key.Load() != 0 && !e.reported {
			e.reported = true
			news.Held, news.Homes = append(news.Held, e.mac), append(news.Homes, e.home)
		}
		switch {
		case e.freed:
			news.Freed = append(news.Freed, e.mac)
			*e = mover{}
		case e.moves == 0:
		case !all && now-e.since < GuardWindow:
			used = true
		default:
			if h.key.Swap(0) != 0 {
				g.held.Add(-1)
				news.Freed = append(news.Freed, e.mac)
			}
			*e = mover{}
		}
	}
	for i := range t.pairs {
		used = g.expirePair(&t.pairs[i], now, all, &news) || used
	}
	if !used {
		g.table.Store(nil)
	}
	return news
}

// expirePair is expire of a pair. It reports whether the pair has moves.
func (g *moveGuard) expirePair(p *pairMoves, now fdb.Tick, all bool, news *GuardNews) bool {
	if p.held.Load() && !p.reported {
		p.reported = true
		news.Pairs++
	}
	if p.moves == 0 || !all && now-p.since < GuardWindow {
		return p.moves != 0
	}
	if p.held.Swap(false) {
		g.held.Add(-1)
	}
	p.moves = 0
	return false
}

// GoHome moves a MAC that is held back behind the remote that had it before, where the FDB
// has the MAC and the remote still exists.
func (l *Link) GoHome(mac encap.MAC, home Home, now fdb.Tick) {
	if _, _, known := l.FDB.Peek(mac); !known {
		return
	}
	if p := l.Remotes.peers.lookup(home.Addr, home.Zone); p != nil {
		if r := p.learned.Load(); r != nil {
			l.FDB.Learn(mac, r.ID, now)
		}
	}
}
