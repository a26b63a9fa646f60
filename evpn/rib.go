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

// path is what a neighbour says in a session of all routes that have the same attributes and are behind the same
// Ethernet segment. 100,000 routes have some thousand.
type path struct {
	pathKey
	alone     said // of a route of which no other neighbour says anything
	refs      int  // routes that have it
	nextHop   vtep
	seq       uint32 // RFC 7432 section 7.7; without the community 0
	sticky    bool
	flags     bgp.NeighbourFlags
	single    bool    // RFC 7432 section 7.5: of the segment's VTEPs only one forwards
	importers []*link // links whose route targets match
}

// pathKey is what tells paths apart.
type pathKey struct {
	*bgp.Attributes
	peer    *peer
	session uint32                 // of the peer
	esi     unique.Handle[bgp.ESI] // of T2 behind an Ethernet segment
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

// isStale reports whether the path is one of an earlier session, which is kept while the
// neighbour is away.
func (p *path) isStale() bool { return p.peer.stale && p.session != p.peer.session }

// route is a route with what neighbours say of it. 100,000 of them are nothing unusual: mind its
// size, which is 48 bytes.
type route struct {
	key  bgp.Key
	said *said // nil: nothing
}

func (r *route) id() *bgp.Key { return &r.key }

// said is what neighbours say of a route: a path's own, which routes share, where one neighbour alone does.
type said struct {
	best *path
	rest []*path // of further neighbours, which usually are further reflectors
}

// best is the best of what neighbours say; nil: they say nothing.
func (r *route) best() *path {
	if r.said == nil {
		return nil
	}
	return r.said.best
}

// compare orders what neighbours say of one route: the better one first. Routes of a session that
// is up are better than stale ones, then RFC 4271 section 9.1.2 as far as a leaf has what it
// compares.
func (p *path) compare(q *path) int {
	return cmp.Or(
		compareBool(q.isStale(), p.isStale()),
		cmp.Compare(q.LocalPref, p.LocalPref),
		cmp.Compare(len(p.ASPath), len(q.ASPath)),
		cmp.Compare(p.Origin, q.Origin),
		cmp.Compare(p.MED, q.MED),
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

// set puts in what a neighbour says, and returns what the same neighbour said before; nil: nothing.
func (r *route) set(p *path) (old *path) {
	old = r.unset(p.peer)
	switch {
	case r.said == nil:
		r.said = &p.alone
		return old
	case len(r.said.rest) == 0: // it is the path's own
		r.said = &said{best: r.said.best}
	}
	r.said.rest = append(r.said.rest, p)
	r.choose()
	return old
}

// unset takes out what a neighbour said, and returns it; nil: nothing.
func (r *route) unset(p *peer) (old *path) {
	if r.said == nil {
		return nil
	}
	rest := r.said.rest
	if old = r.said.best; old.peer != p {
		i := slices.IndexFunc(rest, func(q *path) bool { return q.peer == p })
		if i < 0 {
			return nil
		}
		old = rest[i]
		rest = slices.Delete(rest, i, i+1)
	} else if n := len(rest); n > 0 {
		r.said.best, rest[n-1] = rest[n-1], nil
		rest = rest[:n-1]
	} else {
		r.said = nil
		return old
	}
	if len(rest) == 0 {
		r.said = &r.said.best.alone
		return old
	}
	r.said.rest = rest
	r.choose()
	return old
}

// choose makes the best path the best again.
func (r *route) choose() {
	best, rest := &r.said.best, r.said.rest
	for i := range rest {
		if rest[i].compare(*best) < 0 {
			*best, rest[i] = rest[i], *best
		}
	}
}

// path is the path of a key, shared by all routes that have it.
func (a *Agent) path(key pathKey) *path {
	if p := a.paths.get(key); p != nil {
		return p
	}
	p := &path{pathKey: key, nextHop: unique.Make(key.NextHop.Unmap())}
	p.alone.best = p
	for _, c := range key.ExtCommunities {
		if seq, sticky, ok := c.MACMobility(); ok {
			p.seq, p.sticky = seq, sticky
		}
		if f, ok := c.NeighbourFlags(); ok {
			p.flags = f
		}
		if single, ok := c.ESILabel(); ok {
			p.single = single
		}
	}
	p.importers = a.targets.importers(key.ExtCommunities)
	a.paths.put(key, p)
	return p
}

// release gives a path back.
func (a *Agent) release(p *path) {
	if p == nil {
		return
	}
	if p.refs--; p.refs == 0 {
		a.paths.del(p.pathKey)
	}
}

// HandleUpdate takes what a neighbour announces and withdraws: the Agent is a bgp.Handler.
func (a *Agent) HandleUpdate(neighbour netip.Addr, u *bgp.Update) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.peer(neighbour)
	for i := range u.Withdrawn {
		a.withdraw(p, u.Withdrawn[i].Key())
	}
	if len(u.Announced) == 0 {
		a.poke()
		return
	}
	p.heard = now()
	key := pathKey{Attributes: u.Attributes, peer: p, session: p.session}
	plain := a.path(key)
	plain.refs++ // held over the loop, in which a route may give it back
	for i := range u.Announced {
		r, n := &u.Announced[i], plain
		if r.Type == bgp.MACIP && hasSegment(r.ESI) {
			key.esi = unique.Make(r.ESI)
			n = a.path(key)
		}
		a.announce(r.Key(), n)
	}
	a.release(plain)
	a.poke()
}

func (a *Agent) announce(key bgp.Key, n *path) {
	rt := a.rib.get(&key)
	if rt == nil {
		rt = &route{key: key}
		a.rib.put(rt)
	}
	n.refs++
	before := rt.best()
	old := rt.set(n)
	if old == nil {
		n.peer.routes++
	}
	a.changed(rt, before)
	a.release(old)
	if why := a.judge(rt, n); why != Used {
		n.peer.refused[why]++
	}
}

func (a *Agent) withdraw(p *peer, key bgp.Key) {
	rt := a.rib.get(&key)
	if rt == nil {
		return
	}
	before := rt.best()
	old := rt.unset(p)
	if old == nil {
		return
	}
	p.routes--
	if rt.said == nil {
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
