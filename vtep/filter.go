package vtep

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// peerFilter keeps the kernel's filter in step with whom a link takes packets from. It forgets nobody whom the link
// accepts: a peer is in the filter before its FDB entry is, and is taken out some time after. The link's own look at each
// packet (linkState.accepts) stays the one that counts: what the filter does not hold, it lets pass.
//
// remotes.mu guards it.
type peerFilter struct {
	rule  *underlay.Rule // nil: there is none
	peers bool           // the link accepts peers alone, and the rule knows them
	up    bool
	own   encap.Addr // passes too: its packets are an echo's, and counted as such
	full  bool       // the rule does not hold them all
	gone  []*peer    // were configured; some may be again
}

// set has the rule be what s says, while r's peers come and go.
func (r *remotes) setFilter(s *linkState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := &r.filter
	if f.rule == nil {
		return
	}
	wasOwn := f.own
	f.up, f.own = s.up, s.own
	switch peers := s.accept == AcceptPeers; {
	case peers && (!f.peers || f.own != wasOwn):
		f.peers = true
		r.fillFilter()
	case !peers && f.peers:
		f.apply(false)
		r.peers.each(func(p *peer) { f.rule.Forbid(p.addr) })
		f.peers, f.full, f.gone = false, false, nil
	}
	if wasOwn != f.own && wasOwn != (encap.Addr{}) {
		f.gone = append(f.gone, &peer{addr: wasOwn})
	}
	f.apply(f.peers && f.up && !f.full)
}

// fillFilter gives the rule all peers that there are; the caller holds r.mu.
func (r *remotes) fillFilter() {
	f := &r.filter
	f.full = f.own != encap.Addr{} && f.rule.Allow(f.own) != nil
	r.peers.each(func(p *peer) {
		if !f.full && p.configured.Load() > 0 {
			f.full = f.rule.Allow(p.addr) != nil
		}
	})
}

// apply has strangers be dropped or not. Where that fails they are not.
func (f *peerFilter) apply(on bool) {
	if f.rule.Filters() != on {
		_ = f.rule.Peers(on)
	}
}

// came lets a peer's packets pass; the caller holds remotes.mu.
func (f *peerFilter) came(p *peer) {
	if f.peers && !f.full && f.rule.Allow(p.addr) != nil {
		f.full = true
		f.apply(false)
	}
}

// left is told that p is no peer any more.
func (f *peerFilter) left(p *peer) {
	if f.peers {
		f.gone = append(f.gone, p)
	}
}

// pruneFilter takes out who is no peer any more, and looks for room where there was none.
func (r *remotes) pruneFilter() {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := &r.filter
	for _, p := range f.gone {
		is := r.peers.lookup(p.addr)
		if p.addr != f.own && (is == nil || is.configured.Load() == 0) {
			f.rule.Forbid(p.addr)
		}
	}
	f.gone = nil
	if f.full && f.peers {
		r.fillFilter()
		f.apply(f.up && !f.full)
	}
}

// endFilter forgets the rule: the link is gone.
func (r *remotes) endFilter() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.filter.rule.Close()
	r.filter = peerFilter{}
}

// filtered says whether the kernel drops what is of no peer, and if not, why. The caller holds VTEP.mu.
func (l *Link) filtered() Filtering {
	l.remotes.mu.Lock()
	defer l.remotes.mu.Unlock()
	f := &l.remotes.filter
	switch v := l.vtep; {
	case v.off.Filter:
		return Filtering{Reason: "switched off"}
	case v.filterErr != nil:
		return Filtering{Reason: v.filterErr.Error()}
	case v.filter == nil:
		return Filtering{Reason: "the host has none"}
	case f.rule == nil:
		return Filtering{Reason: "more links than the filter holds"}
	case f.full:
		return Filtering{Reason: "more peers than the filter holds"}
	}
	return Filtering{On: f.peers}
}

// openFilter makes the filter, where the host has one.
func (v *VTEP) openFilter() {
	h, ok := v.host.(FilterHost)
	switch {
	case v.off.Filter:
	case ok:
		v.filter, v.filterErr = h.NewFilter()
	}
}

// takeFiltered adds what the kernel has dropped for the link to its counters; the caller holds VTEP.mu.
func (l *Link) takeFiltered() {
	takeNew(&l.notPeers, l.remotes.filter.rule.NotPeer(), &l.shards[0], RxNotPeer)
}

// takeFiltered adds what the kernel has dropped that belongs to no link; the caller holds v.mu.
func (v *VTEP) takeFiltered() {
	now, before := v.filter.Refused(), &v.refused
	takeNew(&before.ShortHeader, now.ShortHeader, &v.counters[0], RxShortHeader)
	takeNew(&before.NoVNIFlag, now.NoVNIFlag, &v.counters[0], RxNoVNIFlag)
	takeNew(&before.UnknownVNI, now.UnknownVNI, &v.counters[0], RxUnknownVNI)
}

// takeNew counts what came to a counter of the kernel's since it was taken before.
func takeNew(taken *uint64, now uint64, c *counters, r DropReason) {
	if now > *taken { // else it is gone
		c.drops[r].Add(now - *taken)
		*taken = now
	}
}
