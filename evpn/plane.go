package evpn

import (
	"time"

	"github.com/uvtep/uvtep/bgp"
)

// BeginList says that the data plane can be reached, and that what HandleLink, HandleMAC and
// HandleAddr get until EndList is what it has.
func (a *Agent) BeginList() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.epoch++
	a.listing = true
}

// EndList says that the list is whole: what it did not have is gone. The data plane gets all that
// it should have, whatever it got before: it may be a new one.
func (a *Agent) EndList() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.redo(a.changes)
	a.redo(a.failed)
	a.changes, a.failed = nil, nil
	for name, l := range a.links {
		if l.epoch != a.epoch {
			a.dropLink(name)
			continue
		}
		a.dropUnlisted(l)
		l.doubt()
		l.touchAll()
	}
	for _, name := range a.missing("") {
		a.log.Warn("a link of the agent's file takes no part: "+notThere, "link", name)
	}
	a.listing, a.listed, a.swept = false, true, false
	a.away = time.Time{}
	a.poke()
}

// doubt has all that was put into the link in doubt: whether it is there is not known.
func (l *link) doubt() {
	for e := range l.macs.all() {
		if e.installed() != (remote{}) {
			e.install(unknownRemote())
		}
	}
	for _, e := range l.addrs.of {
		if e.installed != (neighbour{}) {
			e.installed = unknownNeighbour()
		}
	}
	for _, e := range l.vteps {
		if e.installed != noPeer {
			e.installed = unknownPeer
		}
	}
}

// dropUnlisted drops what is local and was not in the list.
func (a *Agent) dropUnlisted(l *link) {
	for e := range l.macs.all() {
		m := e.mac
		if e.local == nil {
			continue
		}
		if e.local.epoch != a.epoch {
			a.dropLocal(l, m, e)
			continue
		}
		for ip := range e.local.addrs {
			if l.addr(ip).local[m].epoch != a.epoch {
				a.dropLocalAddr(l, m, ip)
				delete(e.local.addrs, ip)
			}
		}
	}
}

// Lost says that the data plane cannot be heard any more. What is behind its links stays
// announced for the stale time.
func (a *Agent) Lost() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.listed || a.listing {
		a.away = time.Now()
	}
	a.listed, a.listing = false, false
	a.poke()
}

// dropAll takes the data plane for gone, with all links.
func (a *Agent) dropAll() {
	for name := range a.links {
		a.dropLink(name)
	}
}

// HandleEvent takes a change of a neighbour's session: the Agent is a bgp.Handler.
func (a *Agent) HandleEvent(e bgp.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.peer(e.Neighbour)
	a.event(Event{Object: ObjectNeighbour, Neighbour: e.Neighbour, What: string(e.Kind), Reason: e.Reason})
	switch e.Kind {
	case bgp.NeighbourUp:
		p.up, p.whole, p.marks, p.since = true, false, e.Restart, now()
		if a.firstUp.IsZero() {
			a.firstUp = now()
		}
	case bgp.NeighbourDown:
		p.up, p.whole = false, false
		p.session++
	case bgp.EndOfRIB:
		p.whole = true
	case bgp.StaleBegin, bgp.StaleEnd:
		p.stale = e.Kind == bgp.StaleBegin
		a.rechoose(p)
	case bgp.LimitReached:
	}
	a.poke()
}

// rechoose looks again at all routes of a neighbour, whose routes have become stale or are no
// more.
func (a *Agent) rechoose(p *peer) {
	for rt := range a.rib.all() {
		before := rt.best()
		if before.peer != p && len(rt.said.rest) == 0 {
			continue
		}
		rt.choose()
		a.changed(rt, before)
	}
}
