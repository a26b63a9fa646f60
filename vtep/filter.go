package vtep

import (
	"sync"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep/forward"
)

// peerFilter keeps a link's rule in the kernel's filter in step with the peers that the link accepts. The rule drops no
// packet that the link accepts: a peer is in the rule before its FDB entry exists, and is taken out some time after. The
// link itself judges each packet as well (forward.State.accepts), since a rule that is full lets all packets pass.
type peerFilter struct {
	remotes *forward.Remotes

	mu    sync.Mutex     // after remotes.mu
	rule  *underlay.Rule // nil: there is none
	peers bool           // the link accepts peers alone, and the rule knows them
	up    bool
	own   encap.Addr   // the link's own address, allowed so that the link counts its echo
	full  bool         // the rule has no room for all peers
	shown bool         // strangers' packets pass, for a capture of what is dropped
	gone  []encap.Addr // addresses that were peers; some may be peers again
}

var _ forward.PeerWatch = (*peerFilter)(nil)

// set brings the rule in line with s.
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
	ttl := s.MinTTL
	if !s.Up { // then each packet counts as one to a link that is down
		ttl = 0
	}
	_ = f.rule.MinTTL(ttl) // where it is refused the link judges alone
}

// fill allows all peers that there are; f.mu is held. Came follows for those that come meanwhile.
func (f *peerFilter) fill() {
	f.full = f.own != encap.Addr{} && f.rule.Allow(f.own) != nil
	f.remotes.EachPeer(func(p *forward.Peer) {
		if !f.full && p.IsPeer() {
			f.full = f.rule.Allow(p.Addr) != nil
		}
	})
}

// apply makes the kernel drop packets of strangers or not. On an error it does not drop them.
func (f *peerFilter) apply(on bool) {
	if on = on && !f.shown; f.rule.Filters() != on {
		_ = f.rule.Peers(on)
	}
}

// show lets the packets of strangers pass, so that the link itself drops them and a capture
// gets them, or no longer.
func (f *peerFilter) show(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shown != on {
		f.shown = on
		f.apply(f.peers && f.up && !f.full)
	}
}

// Came allows the packets of a new peer.
func (f *peerFilter) Came(peer encap.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.peers && !f.full && f.rule.Allow(peer) != nil {
		f.full = true
		f.apply(false)
	}
}

// Left notes that an address is no peer any more.
func (f *peerFilter) Left(peer encap.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.peers {
		f.gone = append(f.gone, peer)
	}
}

// prune takes addresses that are no peers any more out of the rule, and fills a rule that was full again.
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

// end closes the rule of a link that is gone.
func (f *peerFilter) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rule.Close()
	f.rule, f.peers, f.gone = nil, false, nil
}

// setAside directs the link's packets to the socket for links set aside, or back to the others.
func (f *peerFilter) setAside(on bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rule.Aside(on)
}

// filtered says whether the kernel drops packets from no peer of the link, and if not, why. The caller holds VTEP.mu.
func (l *link) filtered() Filtering {
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

// takeFiltered adds the kernel's drops for the link to the link's counters; the caller holds VTEP.mu.
func (l *link) takeFiltered() {
	takeNew(&l.notPeers, l.filter.rule.NotPeer(), &l.Shards[0], forward.RxNotPeer)
	takeNew(&l.lowTTLs, l.filter.rule.LowTTL(), &l.Shards[0], forward.RxLowTTL)
}

// takeFiltered adds the kernel's drops that belong to no link to the counters; the caller holds v.mu.
func (v *VTEP) takeFiltered() {
	now, before := v.filter.Refused(), &v.refused
	takeNew(&before.ShortHeader, now.ShortHeader, &v.plane.Counters[0], forward.RxShortHeader)
	takeNew(&before.NoVNIFlag, now.NoVNIFlag, &v.plane.Counters[0], forward.RxNoVNIFlag)
	takeNew(&before.UnknownVNI, now.UnknownVNI, &v.plane.Counters[0], forward.RxUnknownVNI)
}

// takeNew counts how much a counter of the kernel has grown since the call before.
func takeNew(taken *uint64, now uint64, c *forward.Counters, r forward.DropReason) {
	if now > *taken { // else the kernel's counter is gone
		c.Count(r, now-*taken)
		*taken = now
	}
}
