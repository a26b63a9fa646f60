package vtep

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// learn binds src to who the frame came from; false: it is held or pinned behind
// another remote (conformance L04-L06, S06).
func (l *dataLink) learn(c *counters, src encap.MAC, a *arrived, now fdb.Tick) (DropReason, bool) {
	r := a.back
	if r == nil && a.peer != nil {
		r = a.peer.learned.Load()
	}
	if r == nil {
		if r = l.firstLearned(a.src); r == nil {
			c.notLearned.Add(1)
			return 0, true
		}
	}
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
func (l *dataLink) held(src encap.MAC, r *remote) bool {
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

// firstLearned makes the remote for the first MAC learned from an address.
func (l *dataLink) firstLearned(from encap.Addr) *remote {
	s := l.state.Load()
	key := s.learned
	key.addr = from
	if key.zone != 0 && !from.Netip().IsLinkLocalUnicast() {
		key.zone = 0
	}
	return l.remotes.learned(key, s.limit)
}
