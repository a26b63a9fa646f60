package bgp

import (
	"slices"
	"time"
)

// received is what a neighbour announced: the keys alone, each with the mark of when it
// came. The routes themselves are the Handler's. Its methods are called by one goroutine
// at a time.
type received struct {
	routes keySet
	mark   uint8
	limit  int
	action LimitAction
	// own says who announced a route that came back: this speaker's AS and router id.
	ownAS, ownID uint32
	// staleUntil is when routes of an earlier mark go, zero where there are none.
	staleUntil time.Time
	// over says that the limit was reached and told, refused that routes were refused.
	over, refused bool
	drops         map[DropReason]uint64
}

// errLimit ends a session whose limit has the action LimitReset (RFC 4486 section 4).
func errLimit() error { return &Notification{Code: codeCease, Subcode: subMaxPrefixes} }

// take notes what u changes and leaves in it what the Handler is to know.
func (r *received) take(u *Update) error {
	kept := u.Withdrawn[:0]
	for i := range u.Withdrawn {
		if k := u.Withdrawn[i].Key(); r.routes.remove(&k) {
			kept = append(kept, u.Withdrawn[i])
		}
	}
	u.Withdrawn = kept
	if len(u.Announced) == 0 {
		return nil
	}
	if r.isOwn(u.Attributes) { // in place of an earlier one that was not (RFC 4271 section 9.1.2)
		r.drops[DropLoop] += uint64(len(u.Announced))
		for i := range u.Announced {
			if k := u.Announced[i].Key(); r.routes.remove(&k) {
				u.Withdrawn = append(u.Withdrawn, u.Announced[i])
			}
		}
		u.Announced = u.Announced[:0]
		return nil
	}
	taken := u.Announced[:0]
	for i := range u.Announced {
		k := u.Announced[i].Key()
		if r.routes.len() >= r.limit && !r.routes.has(&k) {
			r.over = true
			switch r.action {
			case LimitReset:
				r.drops[DropLimit]++
				u.Announced = taken
				return errLimit()
			case LimitWarn:
			default:
				r.refused = true
				r.drops[DropLimit]++
				continue
			}
		}
		r.routes.put(&k, r.mark)
		taken = append(taken, u.Announced[i])
	}
	u.Announced = taken
	return nil
}

// isOwn reports whether a route came back to where it was announced (RFC 4271 section
// 9.1.2, RFC 4456 section 8).
func (r *received) isOwn(a *Attributes) bool {
	if a.OriginatorID == r.ownID {
		return true
	}
	return slices.Contains(a.ASPath, r.ownAS)
}

// keep marks all routes as stale. Those that come again until then stay.
func (r *received) keep(until time.Time) {
	r.mark++
	r.staleUntil = until
}

// maxSwept is how many routes an update of withdraws has.
const maxSwept = 1000

// sweep withdraws the routes that have not come again since keep, or all of them.
func (r *received) sweep(all bool, withdraw func(*Update)) {
	var u Update
	flush := func() {
		if len(u.Withdrawn) > 0 {
			withdraw(&u)
			u.Withdrawn = u.Withdrawn[:0]
		}
	}
	r.routes.removeIf(func(mark uint8) bool { return all || mark != r.mark }, func(k Key) {
		if u.Withdrawn = append(u.Withdrawn, k.Route()); len(u.Withdrawn) == maxSwept {
			flush()
		}
	})
	flush()
	r.staleUntil = time.Time{}
}

// roomAgain reports, once, that routes were refused and that there is room for some again.
func (r *received) roomAgain() bool {
	room := r.routes.len() < r.limit-r.limit/10
	if room {
		r.over = false
	}
	if !room || !r.refused {
		return false
	}
	r.refused = false
	return true
}
