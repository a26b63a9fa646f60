package forward

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// learn binds src to who the frame came from. The frame is refused where src is held or
// pinned behind another remote (conformance L04-L06, S06).
func (l *Link) learn(c *Counters, src encap.MAC, a *arrived, now fdb.Tick) (DropReason, verdict) {
	r := a.back
	if r == nil && a.peer != nil {
		r = a.peer.learned.Load()
	}
	if r == nil {
		if r = l.firstLearned(a.src); r == nil {
			c.notLearned.Add(1)
			return 0, unlearned
		}
	}
	if l.held(src, r) {
		return RxMoveGuard, refused
	}
	switch l.FDB.Learn(src, r.ID, now).Outcome {
	case fdb.LearnRefusedStatic:
		return RxStaticMAC, refused
	case fdb.LearnFull:
		c.notLearned.Add(1)
		return 0, unlearned
	case fdb.LearnMoved:
		c.moves.Add(1)
		if home, held := l.guard.holds(src); held && home != r.Addr { // this was the move too many
			l.GoHome(src, home, now)
			return RxMoveGuard, refused
		}
	case fdb.LearnRefreshed, fdb.LearnNew, fdb.LearnRefusedInvalid:
	}
	return 0, admitted
}

// held reports whether moveguard keeps src from being behind r.
func (l *Link) held(src encap.MAC, r *Remote) bool {
	if l.guard.held.Load() == 0 {
		return false
	}
	if home, held := l.guard.holds(src); held {
		return home != r.Addr
	}
	id, _, known := l.FDB.Peek(src)
	if !known || id == r.ID {
		return false
	}
	at := l.Remotes.At(id)
	return at != nil && at.Addr != r.Addr && l.guard.parts(&at.Addr, &r.Addr)
}

// firstLearned makes the remote for the first MAC learned from an address.
func (l *Link) firstLearned(from encap.Addr) *Remote {
	s := l.State.Load()
	key := s.Learned
	key.Addr = from
	if key.Zone != 0 && !from.Netip().IsLinkLocalUnicast() {
		key.Zone = 0
	}
	return l.Remotes.learned(key, s.Limit)
}
