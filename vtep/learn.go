package vtep

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// learn binds src to the peer that the frame came from; false: src is pinned
// to another remote (conformance L04-L06).
func (l *Link) learn(c *counters, src encap.MAC, from encap.Addr, p *peer, now fdb.Tick) bool {
	var r *remote
	if p != nil {
		r = p.learned.Load()
	}
	if r == nil {
		if r = l.firstLearned(from); r == nil {
			c.notLearned.Add(1)
			return true
		}
	}
	return l.bind(c, src, r, now)
}

// bind binds src to r; false: src is pinned to another remote.
func (l *Link) bind(c *counters, src encap.MAC, r *remote, now fdb.Tick) bool {
	switch l.fdb.Learn(src, r.id, now).Outcome {
	case fdb.LearnRefusedStatic:
		return false
	case fdb.LearnFull:
		c.notLearned.Add(1)
	case fdb.LearnMoved:
		c.moves.Add(1)
	case fdb.LearnRefreshed, fdb.LearnNew, fdb.LearnRefusedInvalid:
	}
	return true
}
