package vtep

import (
	"sync"

	"github.com/uvtep/uvtep/fdb"
)

// moveLog collects the moves of learned entries (conformance L05), so that Run
// logs one line a second however many there are: a flapping loop moves
// thousands.
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

// onFDB follows a change of the FDB. It runs under a shard's lock.
func (l *Link) onFDB(e fdb.Event) {
	l.remotes.follow(e)
	l.tellFDB(&e)
	if e.Reason == fdb.ReasonEvicted {
		l.evicted.Add(1)
		l.giver.Store(uint32(e.Remote))
	}
	if e.Kind == fdb.Moved {
		l.moves.note(e)
		if s := l.state.Load(); s != nil && s.moveGuard {
			if from, to := l.remotes.at(e.Old), l.remotes.at(e.Remote); from != nil && to != nil {
				l.guard.note(e.MAC, from.addr, to.addr, e.Updated)
			}
		}
	}
	if e.Reason == fdb.ReasonUser {
		l.guard.release(e.MAC)
	}
}

// logMoves tells what moved since the last call.
func (l *Link) logMoves() {
	n, last := l.moves.take()
	if n == 0 {
		return
	}
	from, to := l.remotes.at(last.Old), l.remotes.at(last.Remote)
	if from == nil || to == nil {
		return
	}
	l.log.Warn("MAC addresses moved to another remote", "moves", n, "last", last.MAC.String(), "from", from.addr.String(), "to", to.addr.String())
}
