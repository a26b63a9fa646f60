package forward

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// A MAC that moves more than maxMoves times within guardWindow is held, for the rest
// of that time, behind the remote that had it when the window began (conformance
// S06): what RFC 7432 section 15.1 has EVPN do, with its values of N and M. Who
// speaks last wins nothing: a remote that claims a MAC which is another's gets it
// maxMoves times for a moment, and then not.
const (
	MaxMoves              = 5
	GuardWindow  fdb.Tick = 180 // seconds
	guardEntries          = 1024
	guardWays             = 8 // places that a MAC may have
)

// Of more MACs than there are places the moves are counted by the pair of remotes
// that they are between. Beyond maxPairMoves within guardWindow no MAC moves between
// those for the rest of it. A host with 3,000 guests can be emptied to another at
// once.
const (
	guardPairs   = 64
	MaxPairMoves = 2048
)

// moveGuard counts the moves of MACs. Moves are rare and take the lock, a FDB
// shard's being held; packets look at held and, while that is not 0, at a few words
// of the table. The zero value is ready.
type moveGuard struct {
	held  atomic.Int32               // MACs and pairs that are
	table atomic.Pointer[guardTable] // nil while nothing moves

	mu sync.Mutex // after a FDB shard's lock
}

// guardTable takes 60 KiB.
type guardTable struct {
	seed  maphash.Seed // MACs and addresses are an attacker's choice
	macs  [guardEntries]heldMAC
	seen  [guardEntries]mover // by place in macs; guarded by moveGuard.mu
	pairs [guardPairs]pairMoves
}

// heldMAC is what packets look at: who is held, 0 for none, and where.
type heldMAC struct {
	key  atomic.Uint64
	home [2]atomic.Uint64
}

// mover is a MAC that moved since a time.
type mover struct {
	mac   encap.MAC
	home  encap.Addr // where it was then
	since fdb.Tick
	moves uint8 // 0: none
	told  bool  // that it is held
	freed bool  // by a user, who is not told yet
}

// pairMoves are the moves between two remotes, or of pairs that share the place.
type pairMoves struct {
	held  atomic.Bool
	moves int // since a time; guarded by moveGuard.mu, as the rest
	since fdb.Tick
	told  bool
}

// guardKey is m as a number that is not 0.
func guardKey(m encap.MAC) uint64 {
	return 1<<48 | uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 | uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5])
}

// words are a as two numbers, and addrOf what they are of.
func words(a *encap.Addr) (high, low uint64) {
	return binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
}

func addrOf(high, low uint64) (a encap.Addr) {
	binary.BigEndian.PutUint64(a[:8], high)
	binary.BigEndian.PutUint64(a[8:], low)
	return a
}

// ways are the places that m may have, the first of guardWays.
func (t *guardTable) ways(m encap.MAC) int {
	return int(maphash.Bytes(t.seed, m[:])%(guardEntries/guardWays)) * guardWays
}

// pair is where moves between two remotes are counted.
func (t *guardTable) pair(a, b *encap.Addr) *pairMoves {
	return &t.pairs[(maphash.Bytes(t.seed, a[:])+maphash.Bytes(t.seed, b[:]))%guardPairs]
}

// holds reports whether m is held, and behind whom.
func (g *moveGuard) holds(m encap.MAC) (home encap.Addr, held bool) {
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
		home = addrOf(h.home[0].Load(), h.home[1].Load())
		if h.key.Load() == key { // else it was let go, and the place is another's
			return home, true
		}
	}
	return home, false
}

// parts reports whether no MAC moves between two remotes now.
func (g *moveGuard) parts(a, b *encap.Addr) bool {
	if g.held.Load() == 0 {
		return false
	}
	t := g.table.Load()
	return t != nil && t.pair(a, b).held.Load()
}

// note counts a move of m from one remote to another.
func (g *moveGuard) note(m encap.MAC, from, to encap.Addr, now fdb.Tick) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.table.Load()
	if t == nil {
		t = &guardTable{seed: maphash.MakeSeed()}
		g.table.Store(t)
	}
	at := t.place(m, now)
	if at < 0 {
		g.notePair(t.pair(&from, &to), now)
		return
	}
	e, h := &t.seen[at], &t.macs[at]
	if h.key.Load() != 0 {
		return // it goes home
	}
	if e.mac != m || e.moves == 0 || now-e.since >= GuardWindow {
		*e = mover{mac: m, home: from, since: now}
	}
	if e.moves++; e.moves > MaxMoves {
		high, low := words(&e.home)
		h.home[0].Store(high)
		h.home[1].Store(low)
		h.key.Store(guardKey(m))
		g.held.Add(1)
	}
}

// notePair counts a move between remotes of a MAC that has no place.
func (g *moveGuard) notePair(p *pairMoves, now fdb.Tick) {
	if p.held.Load() {
		return
	}
	if p.moves == 0 || now-p.since >= GuardWindow {
		p.moves, p.since = 0, now
	}
	if p.moves++; p.moves > MaxPairMoves {
		p.held.Store(true)
		p.told = false
		g.held.Add(1)
	}
}

// place is where m is counted; -1: there is none. Nobody gives way: who makes many
// MACs move would have the others' moves forgotten.
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

// release forgets m, whose entry a user gave: it is where the user says.
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
		*e = mover{mac: m, freed: freed && e.told}
	}
}

// GuardNews is what became of MACs and of pairs since it was asked for before.
type GuardNews struct {
	Held, Freed []encap.MAC
	Homes       []encap.Addr // of held
	Pairs       int          // that are held
}

// expire lets go of the MACs whose time is over, all of them with all, and tells what
// is new. Where nothing has moved of late the table goes.
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
		if h.key.Load() != 0 && !e.told {
			e.told = true
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

// expirePair is expire of a pair; false: it is not in use.
func (g *moveGuard) expirePair(p *pairMoves, now fdb.Tick, all bool, news *GuardNews) bool {
	if p.held.Load() && !p.told {
		p.told = true
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

// GoHome has a MAC that is held be behind the remote that had it before, if it is
// known and that remote still is.
func (l *Link) GoHome(mac encap.MAC, home encap.Addr, now fdb.Tick) {
	if _, _, known := l.FDB.Peek(mac); !known {
		return
	}
	if p := l.Remotes.peers.lookup(home); p != nil {
		if r := p.learned.Load(); r != nil {
			l.FDB.Learn(mac, r.ID, now)
		}
	}
}
