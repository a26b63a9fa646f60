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
	if l.guard.holds(src) {
		if id, _, ok := l.fdb.Peek(src); ok && id != r.id && !l.remotes.sameAddr(id, r.id) {
			return RxMoveGuard, false
		}
	}
	switch l.fdb.Learn(src, r.id, now).Outcome {
	case fdb.LearnRefusedStatic:
		return RxStaticMAC, false
	case fdb.LearnFull:
		c.notLearned.Add(1)
	case fdb.LearnMoved:
		c.moves.Add(1)
	case fdb.LearnRefreshed, fdb.LearnNew, fdb.LearnRefusedInvalid:
	}
	return 0, true
}
