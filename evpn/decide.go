package evpn

import (
	"net/netip"

	"github.com/uvtep/uvtep/bgp"
)

// decideMAC looks at a MAC address again: who has it, what the data plane is told, what others
// are.
func (a *Agent) decideMAC(l *link, m bgp.MAC) {
	e := l.macs.get(&m)
	if e == nil {
		return
	}
	e.dirty = false
	c := l.choose(&e.routes)
	if e.local != nil {
		a.contend(l, m, e.local, &c)
	}
	want, had := remote{}, e.installed()
	if c.route != nil && (e.local == nil || !e.local.claimed) {
		want = remote{vtep: c.vtep, sticky: c.sticky}
	}
	if want != (remote{}) || e.local != nil || had == (remote{}) || had == unknownRemote() {
		l.leavingMACs.forget(m)
		l.lingeringMACs.forget(m)
	} else if l.lingeringMACs.has(m) || l.leavingMACs.keep(m, min(a.conf.Linger, leaveTime)) {
		want = had
		a.poke() // for its time
	}
	if want != had {
		kind := SetMAC
		if want == (remote{}) {
			kind = DelMAC
		}
		a.install(l, Change{Kind: kind, MAC: m, VTEP: valueOf(want.vtep), Sticky: want.sticky})
		e.install(want)
	}
	a.exportMAC(l, m, e.local)
	a.tellMAC(l, e, &c)
	for rt := range e.routes.all() {
		if r := rt.key.Route(); r.IP.IsValid() {
			l.touchAddr(r.IP)
		}
	}
	if e.local != nil {
		for ip := range e.local.addrs {
			l.touchAddr(ip)
		}
	} else if e.routes.isEmpty() && want == (remote{}) {
		l.macs.del(&m)
	}
}

// contend lets what is seen here contend with what others announce, and tells what came of it.
func (a *Agent) contend(l *link, m bgp.MAC, loc *localMAC, c *choice) {
	a.raiseForAddrs(l, m, loc)
	before := *loc
	switch l.contend(m, loc, c, a.ready) {
	case movedHere:
		if a.noteMove(l, m, c.vtep) {
			loc.claimed, loc.seq = false, before.seq
			a.counts.Withheld++
			return
		}
		a.counts.MovesHere++
	case movedAway:
		a.counts.MovesAway++
		a.noteMove(l, m, c.vtep)
	case pinned:
		a.counts.Pinned++
		a.log.Warn("a MAC address that another VTEP has for good is seen here too: it is not announced; find the host that has it",
			"link", l.Name, "mac", m.String(), "other", c.vtep.Value().String())
	case topped:
		a.counts.Pinned++
		a.log.Warn("a MAC address is seen here whose sequence number another VTEP has raised to its end: it is not announced; have that VTEP withdraw it",
			"link", l.Name, "mac", m.String(), "other", c.vtep.Value().String())
	case withheld:
		a.counts.Withheld++
	case stays:
	}
}

// raiseForAddrs gives a MAC address the sequence number that its IP addresses need: one that came
// from another MAC address has that one's number plus one (RFC 9721 section 6).
func (a *Agent) raiseForAddrs(l *link, m bgp.MAC, loc *localMAC) {
	for ip := range loc.addrs {
		e := l.addrs.get(ip)
		la := e.local[m]
		if la == nil || !la.fresh {
			continue
		}
		la.fresh = false
		if c := l.choose(&e.routes); c.route != nil && c.route.key.Route().MAC != m && c.seq >= loc.seq && c.seq+1 != 0 {
			loc.seq = c.seq + 1
		}
	}
}

// decideAddr looks at an IP address again.
func (a *Agent) decideAddr(l *link, ip netip.Addr) {
	e := l.addrs.get(ip)
	if e == nil {
		return
	}
	e.dirty = false
	c := l.choose(&e.routes)
	owner, ours := l.owner(e, &c)
	want := neighbour{}
	if c.route != nil && !ours && l.elsewhere(c.route.key.Route().MAC) {
		f := c.route.best().flags
		want = neighbour{mac: c.route.key.Route().MAC, there: true, router: f.Router, override: f.Override}
	}
	if want != e.installed {
		kind := SetAddr
		if !want.there {
			kind = DelAddr
		}
		a.install(l, Change{Kind: kind, Addr: ip, MAC: want.mac, Router: want.router, Override: want.override})
		e.installed = want
	}
	for m, la := range e.local {
		a.exportAddr(l, m, ip, la, ours && m == owner)
	}
	if e.routes.isEmpty() && len(e.local) == 0 && e.installed == (neighbour{}) {
		l.addrs.del(ip)
	}
}

// owner is the local MAC address that has an IP address, of several the one with the highest
// sequence number, then the lowest; and whether it is this VTEP's and not of the choice c.
func (l *link) owner(e *addrEntry, c *choice) (owner bgp.MAC, ours bool) {
	var best *localMAC
	for m := range e.local {
		loc := l.mac(m).local
		if loc == nil || !loc.claimed {
			continue
		}
		if best == nil || loc.seq > best.seq || loc.seq == best.seq && string(m[:]) < string(owner[:]) {
			best, owner = loc, m
		}
	}
	if best == nil {
		return owner, false
	}
	return owner, c.route == nil || c.route.key.Route().MAC == owner || l.beats(best, c)
}

// elsewhere reports whether a MAC address is behind another VTEP: what an answer names has to be
// there.
func (l *link) elsewhere(m bgp.MAC) bool {
	e := l.macs.get(&m)
	return e != nil && (e.local == nil || !e.local.claimed)
}

// decideVTEP looks at a VTEP again: whether frames are flooded to it.
func (a *Agent) decideVTEP(l *link, v vtep) {
	e := l.vteps[v]
	if e == nil {
		return
	}
	e.dirty = false
	want := noPeer
	for rt := range e.routes.all() {
		want = max(want, peerOnly)
		if floods(rt.best().PMSI) && !l.conf.NoFlood {
			want = peerFlood
		}
	}
	if want != noPeer || e.installed == noPeer || e.installed == unknownPeer {
		l.lingeringVTEPs.forget(v)
	} else if l.lingeringVTEPs.keep(v, a.conf.Linger) {
		want = e.installed
		a.poke() // for its time
	}
	if want != e.installed {
		a.installVTEP(l, v, e, want)
	}
	if want == noPeer {
		delete(l.vteps, v)
	}
}

func (a *Agent) installVTEP(l *link, v vtep, e *vtepEntry, want peerState) {
	kind := SetVTEP
	if want == noPeer {
		kind = DelVTEP
	}
	a.install(l, Change{Kind: kind, VTEP: v.Value(), Flood: want == peerFlood})
	if e.installed != unknownPeer {
		a.event(Event{Object: ObjectVTEP, Link: l.Name, VTEP: v.Value(), Flood: want == peerFlood, Gone: want == noPeer})
	}
	e.installed = want
}

func valueOf(v vtep) netip.Addr {
	if v == (vtep{}) {
		return netip.Addr{}
	}
	return v.Value()
}
