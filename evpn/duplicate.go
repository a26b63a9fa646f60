package evpn

import (
	"fmt"
	"time"

	"github.com/uvtep/uvtep/bgp"
)

// moves are the latest moves of a MAC address to this VTEP and away from it.
type moves struct {
	at   []time.Time
	held time.Time // since when it is held as a duplicate; zero: it is not
	from vtep      // the other VTEP
}

// maxFollowed is how many MAC addresses of a link are followed. A tenant who moves many of them
// takes no more memory than this; moves of further ones are not counted.
const maxFollowed = 4096

// noteMove counts a move. The fifth within 180 s makes the address a duplicate (RFC 7432 section
// 15.1): from then on this VTEP claims it no more from another one, until somebody who has
// looked at the hosts says so (ClearDuplicates). What others announce of it is followed.
func (a *Agent) noteMove(l *link, m bgp.MAC, other vtep) (held bool) {
	if a.conf.DuplicateMoves < 0 {
		return false
	}
	now := time.Now()
	mv := l.moves[m]
	if mv == nil {
		if len(l.moves) >= maxFollowed && !l.forgetMoves(now.Add(-a.conf.DuplicateTime)) {
			return false
		}
		mv = &moves{}
		l.moves[m] = mv
	}
	if mv.from = other; !mv.held.IsZero() {
		return true
	}
	mv.at = append(mv.at, now)
	for len(mv.at) > 0 && now.Sub(mv.at[0]) > a.conf.DuplicateTime {
		mv.at = mv.at[1:]
	}
	if len(mv.at) < a.conf.DuplicateMoves {
		return false
	}
	mv.held, mv.at = now, nil
	a.counts.Duplicates++
	a.event(Event{Object: ObjectDuplicate, Link: l.Name, MAC: m.String(), VTEP: other.Value()})
	a.log.Warn("a MAC address is behind two VTEPs: it is announced from here no more; look for the hosts that share it, then uvtep evpn clear duplicate",
		"link", l.Name, "mac", m.String(), "other", other.Value().String())
	return true
}

// forgetMoves makes room, and reports whether there is some.
func (l *link) forgetMoves(before time.Time) bool {
	for m, mv := range l.moves {
		if mv.held.IsZero() && (len(mv.at) == 0 || mv.at[len(mv.at)-1].Before(before)) {
			delete(l.moves, m)
		}
	}
	return len(l.moves) < maxFollowed
}

// held reports whether a MAC address is held as a duplicate.
func (l *link) held(m bgp.MAC) bool {
	mv := l.moves[m]
	return mv != nil && !mv.held.IsZero()
}

// ClearDuplicates releases a MAC address of a link, or all of it where mac is nil, and returns how
// many it released.
func (a *Agent) ClearDuplicates(name string, mac *bgp.MAC) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.links[name]
	if l == nil {
		return 0, fmt.Errorf("evpn: no link is called %q", name)
	}
	n := 0
	for m, mv := range l.moves {
		if mac != nil && m != *mac {
			continue
		}
		if !mv.held.IsZero() {
			n++
			if e := l.macs.get(&m); e != nil && e.local != nil {
				e.local.fresh = true // it may have been seen while it was held
				l.touchMAC(m)
			}
		}
		delete(l.moves, m)
	}
	a.poke()
	return n, nil
}
