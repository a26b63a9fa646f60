package evpn

import (
	"cmp"
	"math"
	"unique"

	"github.com/uvtep/uvtep/bgp"
)

// choice is the route that counts for an address among those of other VTEPs.
type choice struct {
	route  *route // nil: none
	vtep   vtep
	seq    uint32
	sticky bool
	stale  bool
}

// choose returns the route that counts for a MAC address (RFC 7432 section 15, 15.2): of a
// session that is up before a stale one, sticky before others, the highest sequence
// number, the lowest VTEP.
func (l *link) choose(routes *routeList) choice {
	var best choice
	for rt := range routes.all() {
		p := rt.best()
		v, ok := l.behind(rt.key.Route().MAC, p)
		if !ok {
			continue
		}
		c := choice{route: rt, vtep: v, seq: p.seq, sticky: p.sticky, stale: p.isStale()}
		if best.route == nil || c.compare(&best) < 0 {
			best = c
		}
	}
	return best
}

func (c *choice) compare(d *choice) int {
	return cmp.Or(
		compareBool(d.stale, c.stale),
		compareBool(c.sticky, d.sticky),
		cmp.Compare(d.seq, c.seq),
		compareVTEP(c.vtep, d.vtep),
	)
}

func compareVTEP(v, w vtep) int {
	if v == w {
		return 0
	}
	return v.Value().Compare(w.Value())
}

// beats reports whether what this VTEP announces counts before the choice of what others do: all
// VTEPs compare alike, so that the loser withdraws.
func (l *link) beats(loc *localMAC, c *choice) bool {
	own := choice{vtep: unique.Make(l.Local), seq: loc.seq, sticky: loc.sticky}
	return own.compare(c) < 0
}

// outcome is what contend made of a MAC address that is seen here.
type outcome uint8

const (
	stays     outcome = iota
	movedHere         // it was another VTEP's
	movedAway         // it is another VTEP's now
	pinned            // it is seen here, and a sticky address of another VTEP
	topped            // it is seen here, and its sequence number cannot be raised
	withheld          // it is seen here, and held as a duplicate
)

// contend decides whether a MAC address that is seen here is announced, against the choice of
// what others announce. ready says that what they announce has come.
func (l *link) contend(m bgp.MAC, loc *localMAC, c *choice, ready bool) outcome {
	fresh, had := loc.fresh, loc.claimed
	loc.fresh = false
	switch {
	case c.route == nil:
		loc.claimed = had || fresh || ready
		return stays
	case had && l.beats(loc, c): // the other will withdraw
		return stays
	case loc.sticky && !c.sticky: // RFC 7432 section 15.2: a sticky address does not move
		loc.claimed = true
		return stays
	case !fresh: // what was seen earlier, or before this agent began
		loc.claimed = false
	case c.sticky && !loc.sticky:
		loc.claimed = false
		return pinned
	case c.seq == math.MaxUint32:
		loc.claimed = false
		return topped
	case l.held(m):
		loc.claimed = false
		return withheld
	default:
		loc.seq, loc.claimed = max(loc.seq, c.seq+1), true
		return movedHere
	}
	if had {
		return movedAway
	}
	return stays
}
