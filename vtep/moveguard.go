package vtep

import (
	"sync"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// A MAC that moves more than maxMoves times within guardWindow is held where it
// is for the rest of that time (conformance S06): what RFC 7432 section 15.1 has
// EVPN do, with its values of N and M.
const (
	maxMoves              = 5
	guardWindow  fdb.Tick = 180 // seconds
	guardEntries          = 128
)

// moveGuard counts the moves of MACs. Moves are rare and take the lock, a FDB
// shard's being held; packets look at held and, while that is not 0, at the MACs.
type moveGuard struct {
	held atomic.Int32
	macs [guardEntries]atomic.Uint64 // those that are held, 0 for none; by place in seen

	mu   sync.Mutex // after a FDB shard's lock
	seen [guardEntries]mover
}

// mover is a MAC that moved since a time.
type mover struct {
	mac   encap.MAC
	since fdb.Tick
	moves int  // 0: none
	told  bool // that it is held
}

// guardKey is m as a number that is not 0.
func guardKey(m encap.MAC) uint64 {
	return 1<<48 | uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 | uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5])
}

// holds reports whether m is held where it is.
func (g *moveGuard) holds(m encap.MAC) bool {
	if g.held.Load() == 0 {
		return false
	}
	k := guardKey(m)
	for i := range g.macs {
		if g.macs[i].Load() == k {
			return true
		}
	}
	return false
}

// note counts a move of m.
func (g *moveGuard) note(m encap.MAC, now fdb.Tick) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.place(m)
	if at < 0 {
		return
	}
	e := &g.seen[at]
	if e.mac != m || e.moves == 0 || now-e.since >= guardWindow {
		*e = mover{mac: m, since: now}
	}
	if e.moves++; e.moves > maxMoves && g.macs[at].Load() == 0 {
		g.macs[at].Store(guardKey(m))
		g.held.Add(1)
	}
}

// place is where m is counted. Where as many MACs move as there are places, the
// one that began first and is not held gives way; -1: all are held.
func (g *moveGuard) place(m encap.MAC) int {
	best := -1
	for i := range g.seen {
		e := &g.seen[i]
		if e.moves > 0 && e.mac == m {
			return i
		}
		if g.macs[i].Load() == 0 && (best < 0 || g.seen[best].moves > 0 && (e.moves == 0 || e.since < g.seen[best].since)) {
			best = i
		}
	}
	return best
}

// expire lets go of the MACs whose time is over, all of them with all. It returns
// those that have been held since the last call, and those that are free again.
func (g *moveGuard) expire(now fdb.Tick, all bool) (held, freed []encap.MAC) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.seen {
		e := &g.seen[i]
		if g.macs[i].Load() != 0 && !e.told {
			e.told = true
			held = append(held, e.mac)
		}
		if e.moves == 0 || !all && now-e.since < guardWindow {
			continue
		}
		if g.macs[i].Swap(0) != 0 {
			g.held.Add(-1)
			freed = append(freed, e.mac)
		}
		*e = mover{}
	}
	return held, freed
}

// guardMoves lets go of MACs, and logs and tells which are held, once a second.
func (l *Link) guardMoves(now fdb.Tick) {
	held, freed := l.guard.expire(now, l.cfg.NoMoveGuard)
	if n := len(held); n > 0 {
		l.log.Warn("MAC addresses moved too often and are held where they are", "held", n, "one", held[0].String(),
			"moves", maxMoves, "seconds", int(guardWindow))
	}
	l.tellGuard(EntryHeld, held)
	l.tellGuard(EntryReleased, freed)
}
