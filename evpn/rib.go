package evpn

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
	"unique"

	"github.com/uvtep/uvtep/bgp"
)

// vtep is the address of a VTEP in eight bytes; the zero value is none.
type vtep = unique.Handle[netip.Addr]

// attrs is what the import rules need of the attributes that routes share.
type attrs struct {
	*bgp.Attributes
	refs      int // paths that have it
	nextHop   vtep
	seq       uint32 // RFC 7432 section 7.7; without the community 0
	sticky    bool
	flags     bgp.NeighbourFlags
	single    bool    // RFC 7432 section 7.5: of the segment's VTEPs only one forwards
	importers []*link // links whose route targets match
}

// peer is a neighbour whose routes there are.
type peer struct {
	addr    netip.Addr
	up      bool
	whole   bool   // all routes of this session have come
	marks   bool   // it will say when all have come
	stale   bool   // routes of an earlier session are kept
	session uint32 // counts them
	routes  int
	since   time.Time // when the session came up
	heard   time.Time // when it announced something last
	refused [numReasons]uint64
}

// path is what one neighbour says of a route.
type path struct {
	attrs   *attrs // nil: nothing
	peer    *peer
	esi     unique.Handle[bgp.ESI] // of a T2 behind an Ethernet segment
	label   uint32
	session uint32 // of the peer, in which it came last
}

// isStale reports whether the path is one of an earlier session, which is kept while the
// neighbour is away.
func (p *path) isStale() bool { return p.peer.stale && p.session != p.peer.session }

// route is a route with what neighbours say of it. 100,000 of them are nothing unusual: mind its
// size.
type route struct {
	key  bgp.Key
	best path
	more *[]path // of further neighbours, which usually are further reflectors; nil: of none
}

// compare orders what neighbours say of one route: the better one first. Routes of a session that
// is up are better than stale ones, then RFC 4271 section 9.1.2 as far as a leaf has what it
// compares.
func (p *path) compare(q *path) int {
	return cmp.Or(
		compareBool(q.isStale(), p.isStale()),
		cmp.Compare(q.attrs.LocalPref, p.attrs.LocalPref),
		cmp.Compare(len(p.attrs.ASPath), len(q.attrs.ASPath)),
		cmp.Compare(p.attrs.Origin, q.attrs.Origin),
		cmp.Compare(p.attrs.MED, q.attrs.MED),
		p.peer.addr.Compare(q.peer.addr),
	)
}

// compareBool puts true first.
func compareBool(p, q bool) int {
	switch {
	case p == q:
		return 0
	case p:
		return -1
	}
	return 1
}

// rest is what neighbours other than the best one's say.
func (r *route) rest() []path {
	if r.more == nil {
		return nil
	}
	return *r.more
}

func (r *route) setRest(rest []path) {
	if r.more = nil; len(rest) > 0 {
		r.more = &rest
	}
}

// set puts in what a neighbour says, and returns what the same neighbour said before.
func (r *route) set(p path) path {
	old := r.unset(p.peer)
	if r.best.attrs == nil {
		r.best = p
		return old
	}
	r.setRest(append(r.rest(), p))
	r.choose()
	return old
}

// unset takes out what a neighbour said, and returns it.
func (r *route) unset(p *peer) path {
	rest := r.rest()
	if r.best.attrs != nil && r.best.peer == p {
		old := r.best
		r.best = path{}
		if n := len(rest); n > 0 {
			r.best = rest[n-1]
			r.setRest(rest[:n-1])
			r.choose()
		}
		return old
	}
	i := slices.IndexFunc(rest, func(q path) bool { return q.peer == p })
	if i < 0 {
		return path{}
	}
	old := rest[i]
	r.setRest(slices.Delete(rest, i, i+1))
	return old
}

// choose makes the best path the best again.
func (r *route) choose() {
	rest := r.rest()
	for i := range rest {
		if rest[i].compare(&r.best) < 0 {
			r.best, rest[i] = rest[i], r.best
		}
	}
}

// attrsOf is what the rules need of a, shared by all paths that have the same a.
func (a *Agent) attrsOf(b *bgp.Attributes) *attrs {
	if at := a.attrs.get(b); at != nil {
		return at
	}
	at := &attrs{Attributes: b, nextHop: unique.Make(b.NextHop.Unmap())}
	for _, c := range b.ExtCommunities {
		if seq, sticky, ok := c.MACMobility(); ok {
			at.seq, at.sticky = seq, sticky
		}
		if f, ok := c.NeighbourFlags(); ok {
			at.flags = f
		}
		if single, ok := c.ESILabel(); ok {
			at.single = single
		}
	}
	at.importers = a.targets.importers(b.ExtCommunities)
	a.attrs.put(b, at)
	return at
}

// release gives a path's attributes back.
func (a *Agent) release(p path) {
	if p.attrs == nil {
		return
	}
	if p.attrs.refs--; p.attrs.refs == 0 {
		a.attrs.del(p.attrs.Attributes)
	}
}

// HandleUpdate takes what a neighbour announces and withdraws: the Agent is a bgp.Handler.
func (a *Agent) HandleUpdate(neighbour netip.Addr, u *bgp.Update) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.peer(neighbour)
	for i := range u.Withdrawn {
		a.withdraw(p, &u.Withdrawn[i])
	}
	if len(u.Announced) == 0 {
		a.poke()
		return
	}
	p.heard = now()
	at := a.attrsOf(u.Attributes)
	at.refs++ // held over the loop, in which a path may give it back
	for i := range u.Announced {
		a.announce(p, &u.Announced[i], at)
	}
	a.release(path{attrs: at})
	a.poke()
}

func (a *Agent) announce(p *peer, r *bgp.Route, at *attrs) {
	key := r.Key()
	rt := a.rib.get(&key)
	if rt == nil {
		rt = &route{key: key}
		a.rib.put(rt)
	}
	n := path{attrs: at, peer: p, label: r.Label, session: p.session}
	if r.Type == bgp.MACIP && hasSegment(r.ESI) {
		n.esi = unique.Make(r.ESI)
	}
	at.refs++
	before := rt.best
	old := rt.set(n)
	if old.attrs == nil {
		p.routes++
	}
	a.changed(rt, before)
	a.release(old)
	if why := a.judge(rt, &n); why != Used {
		p.refused[why]++
	}
}

func (a *Agent) withdraw(p *peer, r *bgp.Route) {
	key := r.Key()
	rt := a.rib.get(&key)
	if rt == nil {
		return
	}
	before := rt.best
	old := rt.unset(p)
	if old.attrs == nil {
		return
	}
	p.routes--
	if rt.best.attrs == nil {
		a.rib.del(&key)
	}
	a.changed(rt, before)
	a.release(old)
}

// hasSegment reports whether an ESI names an Ethernet segment: the zero ESI and MAX-ESI do not
// (RFC 7432 sections 5 and 9.2.2).
func hasSegment(e bgp.ESI) bool { return !e.IsZero() && e != maxESI() }

func maxESI() bgp.ESI {
	return bgp.ESI{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
}
