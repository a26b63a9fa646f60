package evpn

import (
	"net/netip"
	"time"

	"github.com/uvtep/uvtep/bgp"
)

// A neighbour's routes are waited for until it says that all have come (RFC 4724 section 2). One that does not
// support graceful restart does not say it: then for endOfRIBTime, and until it is quiet for quietTime, since a busy
// reflector takes longer for 100,000 of them. FRR sends the first ones after a second and 50 ms for each of its
// neighbours, 10 s at most (bgpd/bgp_updgrp.h). One that will say it, and does not, is waited for as long as
// markTime. In a fabric that is never quiet the stale time ends it.
const (
	endOfRIBTime = 15 * time.Second
	markTime     = time.Minute
	quietTime    = 3 * time.Second
)

func now() time.Time { return time.Now() }

func (a *Agent) peer(n netip.Addr) *peer {
	p := a.peers[n]
	if p == nil {
		p = &peer{addr: n, session: 1}
		a.peers[n] = p
	}
	return p
}

// complete reports whether all routes of the neighbour have come.
func (a *Agent) complete(p *peer, t time.Time) bool {
	return p.up && (p.whole || !t.Before(a.completeAt(p)))
}

// completeAt is when all of them have come where the neighbour does not say so, nor any more of them.
func (a *Agent) completeAt(p *peer) time.Time {
	wait := endOfRIBTime
	if p.marks {
		wait = markTime
	}
	at, quiet, last := p.since.Add(wait), p.heard.Add(quietTime), p.since.Add(max(a.conf.StaleTime, endOfRIBTime))
	if quiet.After(at) {
		at = quiet
	}
	if at.After(last) {
		at = last
	}
	return at
}

// look notices what time has brought, and returns how long it takes until it may bring more.
func (a *Agent) look(t time.Time) time.Duration {
	next := time.Hour
	due := func(at time.Time) bool {
		if d := at.Sub(t); d > 0 {
			next = min(next, d)
			return false
		}
		return true
	}
	if !a.wait.IsZero() && due(a.wait) {
		a.wait = time.Time{}
	}
	if !a.retry.IsZero() && due(a.retry) {
		a.retry = time.Time{}
		a.redo(a.failed)
		a.failed = nil
	}
	if !a.away.IsZero() && due(a.away.Add(a.conf.StaleTime)) {
		a.away = time.Time{}
		a.dropAll()
	}
	a.lingerers(due)
	for _, p := range a.peers {
		if p.up && !p.whole {
			due(a.completeAt(p))
		}
	}
	if !a.ready && a.heardOne(t) {
		a.ready = true
		a.touchLocals()
	}
	if !a.sweepable && (a.heardAll(t) || due(a.began.Add(a.conf.StaleTime))) {
		a.sweepable = true
	}
	return next
}

// heardOne reports whether a neighbour has sent all of its routes, and all others that are
// up as well. Before that T2 are not announced: what is listed here may be elsewhere by now, and
// a T2 for it would draw its frames.
func (a *Agent) heardOne(t time.Time) bool {
	one := false
	for _, p := range a.peers {
		if p.up && !a.complete(p, t) {
			return false
		}
		one = one || p.up
	}
	return one
}

// heardAll reports whether all neighbours have sent all of their routes.
func (a *Agent) heardAll(t time.Time) bool {
	for _, n := range a.conf.Neighbours {
		if p := a.peers[n]; p == nil || !a.complete(p, t) {
			return false
		}
	}
	return len(a.conf.Neighbours) > 0
}

func (a *Agent) touchLocals() {
	for _, l := range a.links {
		for e := range l.macs.all() {
			if e.local != nil {
				l.touchMAC(e.mac)
			}
		}
	}
}

// waitFor has nothing asked of the data plane for a while.
func (a *Agent) waitFor(d time.Duration) { a.wait = now().Add(d) }

var _ bgp.Handler = (*Agent)(nil)
