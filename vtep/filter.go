package vtep

import (
	"sync"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep/forward"
)

// peerFilter keeps the kernel's filter in step with whom a link takes packets from. It forgets nobody whom the link
// accepts: a peer is in the filter before its FDB entry is, and is taken out some time after. The link's own look at each
// packet (forward.State.accepts) stays the one that counts: what the filter does not hold, it lets pass.
type peerFilter struct {
	remotes *forward.Remotes

	mu    sync.Mutex     // after remotes.mu
	rule  *underlay.Rule // nil: there is none
	peers bool           // the link accepts peers alone, and the rule knows them
	up    bool
	own   encap.Addr   // passes too: its packets are an echo's, and counted as such
	full  bool         // the rule does not hold them all
	gone  []encap.Addr // were configured; some may be again
}

var _ forward.PeerWatch = (*peerFilter)(nil)

// set has the rule be what s says, while peers come and go.
func (f *peerFilter) set(s *forward.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rule == nil {
		return
	}
	wasOwn := f.own
	f.up, f.own = s.Up, s.Own
	switch peers := s.PeersOnly; {
	case peers && (!f.peers || f.own != wasOwn):
		f.peers = true
		f.fill()
	case !peers && f.peers:
		f.apply(false)
		f.remotes.EachPeer(func(p *forward.Peer) { f.rule.Forbid(p.Addr) })
		f.peers, f.full, f.gone = false, false, nil
	}
	if wasOwn != f.own && wasOwn != (encap.Addr{}) {
		f.gone = append(f.gone, wasOwn)
	}
	f.apply(f.peers && f.up && !f.full)
}

// fill gives the rule all peers that there are; f.mu is held. Who becomes one meanwhile comes after.
func (f *peerFilter) fill() {
	f.full = f.own != encap.Addr{} && f.rule.Allow(f.own) != nil
	f.remotes.EachPeer(func(p *forward.Peer) {
		if !f.full && p.IsPeer() {
			f.full = f.rule.Allow(p.Addr) != nil
		}
	})
}

// apply has strangers be dropped or not. Where that fails they are not.
func (f *peerFilter) apply(on bool) {
	if f.rule.Filters() != on {
		_ = f.rule.Peers(on)
	}
}

// Came lets a peer's packets pass.
func (f *peerFilter) Came(peer encap.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.peers && !f.full && f.rule.Allow(peer) != nil {
		f.full = true
		f.apply(false)
	}
}

// Left is told who is no peer any more.
func (f *peerFilter) Left(peer encap.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.peers {
		f.gone = append(f.gone, peer)
	}
}

// prune takes out who is no peer any more, and looks for room where there was none.
func (f *peerFilter) prune() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.gone {
		if a != f.own && !f.remotes.Peer(a).IsPeer() {
			f.rule.Forbid(a)
		}
	}
	f.gone = nil
	if f.full && f.peers {
		f.fill()
		f.apply(f.up && !f.full)
	}
}

// end forgets the rule: the link is gone.
func (f *peerFilter) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rule.Close()
	f.rule, f.peers, f.gone = nil, false, nil
}

// setAside has the link's packets go to the socket for such, or to the others again.
func (f *peerFilter) setAside(on bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rule.Aside(on)
}

// filtered says whether the kernel drops what is of no peer, and if not, why. The caller holds VTEP.mu.
func (l *Link) filtered() Filtering {
	f := &l.filter
	f.mu.Lock()
	defer f.mu.Unlock()
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
	takeNew(&l.notPeers, l.filter.rule.NotPeer(), &l.Shards[0], forward.RxNotPeer)
}

// takeFiltered adds what the kernel has dropped that belongs to no link; the caller holds v.mu.
func (v *VTEP) takeFiltered() {
	now, before := v.filter.Refused(), &v.refused
	takeNew(&before.ShortHeader, now.ShortHeader, &v.plane.Counters[0], forward.RxShortHeader)
	takeNew(&before.NoVNIFlag, now.NoVNIFlag, &v.plane.Counters[0], forward.RxNoVNIFlag)
	takeNew(&before.UnknownVNI, now.UnknownVNI, &v.plane.Counters[0], forward.RxUnknownVNI)
}

// takeNew counts what came to a counter of the kernel's since it was taken before.
func takeNew(taken *uint64, now uint64, c *forward.Counters, r forward.DropReason) {
	if now > *taken { // else it is gone
		c.Count(r, now-*taken)
		*taken = now
	}
}
