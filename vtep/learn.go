package vtep

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// learn binds src to the peer that the frame came from; false: it is held or
// pinned behind another remote (conformance L04-L06, S06).
func (l *Link) learn(c *counters, src encap.MAC, from encap.Addr, p *peer, now fdb.Tick) (DropReason, bool) {
	var r *remote
	if p != nil {
		r = p.learned.Load()
	}
	if r == nil {
		if r = l.firstLearned(from); r == nil {
			c.notLearned.Add(1)
			return 0, true
		}
	}
	return l.bind(c, src, r, now)
}

// bind is learn for a remote.
func (l *Link) bind(c *counters, src encap.MAC, r *remote, now fdb.Tick) (DropReason, bool) {
	if l.held(src, r) {
		return RxMoveGuard, false
	}
	switch l.fdb.Learn(src, r.id, now).Outcome {
	case fdb.LearnRefusedStatic:
		return RxStaticMAC, false
	case fdb.LearnFull:
		c.notLearned.Add(1)
	case fdb.LearnMoved:
		c.moves.Add(1)
		if home, held := l.guard.holds(src); held && home != r.addr { // this was the move too many
			l.goHome(src, home, now)
			return RxMoveGuard, false
		}
	case fdb.LearnRefreshed, fdb.LearnNew, fdb.LearnRefusedInvalid:
	}
	return 0, true
}

// held reports whether moveguard keeps src from being behind r.
func (l *Link) held(src encap.MAC, r *remote) bool {
	if l.guard.held.Load() == 0 {
		return false
	}
	if home, held := l.guard.holds(src); held {
		return home != r.addr
	}
	id, _, known := l.fdb.Peek(src)
	if !known || id == r.id {
		return false
	}
	at := l.remotes.at(id)
	return at != nil && at.addr != r.addr && l.guard.parts(&at.addr, &r.addr)
}
