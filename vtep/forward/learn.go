package forward

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// learn binds src to the remote that sent the frame. It refuses the frame where a static
// entry has src behind another remote (L04 in docs/conformance.md) or moveguard holds src
// there (S06). A full FDB learns nothing and refuses nothing (L06).
func (l *Link) learn(c *Counters, src encap.MAC, a *arrived, now fdb.Tick) (DropReason, verdict) {
	r := a.back
	if r == nil && a.peer != nil {
		r = a.peer.learned.Load()
	}
	if r == nil {
		if r = l.firstLearned(a); r == nil {
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
		if home, held := l.guard.holds(src); held && home != r.home() { // this move was one too many
			l.GoHome(src, home, now)
			return RxMoveGuard, refused
		}
	case fdb.LearnRefreshed, fdb.LearnNew, fdb.LearnRefusedInvalid:
	}
	return 0, admitted
}

// held reports whether moveguard keeps src from moving behind r.
func (l *Link) held(src encap.MAC, r *Remote) bool {
	if l.guard.held.Load() == 0 {
		return false
	}
	if home, held := l.guard.holds(src); held {
		return home != r.home()
	}
	id, _, known := l.FDB.Peek(src)
	if !known || id == r.ID {
		return false
	}
	at := l.Remotes.At(id)
	return at != nil && at.home() != r.home() && l.guard.parts(at.home(), r.home())
}

// firstLearned makes the remote for the first MAC that is learned from an address; nil:
// there may be no more remotes. A link-local one has the device that the packet came by,
// where answers leave (vxlan_snoop in drivers/net/vxlan/vxlan_core.c).
func (l *Link) firstLearned(a *arrived) *Remote {
	s := l.State.Load()
	key := s.Learned
	key.Addr, key.Zone = a.src, zoneOf(&a.src, a.device)
	return l.Remotes.learned(key, s.Limit)
}

// Relearn is learn for an address that the link had learned before this process began. It takes what admit would let
// pass: src is an outer source that the link accepts, and mac one that a frame from there may have.
func (l *Link) Relearn(mac encap.MAC, src encap.Addr, device uint32, now fdb.Tick) bool {
	s := l.State.Load()
	a := arrived{src: src, device: device, peer: l.Remotes.peers.lookup(src, device)}
	if !s.Up || !s.Learn || src == s.Own || !s.accepts(src, a.peer) || mac.IsMulticast() || mac.IsZero() || mac == s.MAC {
		return false
	}
	_, v := l.learn(&l.Shards[0], mac, &a, now)
	return v == admitted
}
