package vtep

import (
	"sync"

	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// moveLog counts the moves of learned entries (L05 in docs/conformance.md), so that Run logs
// one line a second, however many there are: a loop moves thousands.
type moveLog struct {
	mu    sync.Mutex
	count int
	last  fdb.Event
}

func (m *moveLog) note(e fdb.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	m.last = e
}

func (m *moveLog) take() (count int, last fdb.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	count, last = m.count, m.last
	m.count = 0
	return count, last
}

// onFDB tells subscribers of a change of the FDB, and counts moves. It runs under a shard's
// lock.
func (l *link) onFDB(e fdb.Event) {
	l.tellFDB(&e)
	if e.Kind == fdb.Moved {
		l.moves.note(e)
	}
}

// logMoves logs the moves since the call before.
func (l *link) logMoves() {
	n, last := l.moves.take()
	if n == 0 {
		return
	}
	from, to := l.Remotes.At(last.Old), l.Remotes.At(last.Remote)
	if from == nil || to == nil {
		return
	}
	l.log.Warn("MAC addresses moved to another remote", "moves", n, "last", last.MAC.String(), "from", from.Addr.String(), "to", to.Addr.String())
}

// guardMoves releases MACs whose time is over, moves those that are newly held back home, and
// logs and tells which they are. It is called once a second.
func (l *link) guardMoves(now fdb.Tick) {
	news := l.ExpireMoves(now, l.cfg.NoMoveGuard)
	for i, mac := range news.Held {
		l.GoHome(mac, news.Homes[i], now)
	}
	if n := len(news.Held); n > 0 {
		l.log.Warn("MAC addresses moved too often and are held where they were before: look for a loop, or for two hosts with one MAC", "held", n, "one", news.Held[0].String(),
			"moves", forward.MaxMoves, "seconds", int(forward.GuardWindow))
	}
	if news.Pairs > 0 {
		l.log.Warn("too many MAC addresses move between two remotes, further ones stay where they are", "pairs", news.Pairs,
			"moves", forward.MaxPairMoves, "seconds", int(forward.GuardWindow))
	}
	l.tellGuard(EntryHeld, news.Held)
	l.tellGuard(EntryReleased, news.Freed)
}
