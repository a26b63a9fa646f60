package vtep

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// lookAgain is how long after a look at routes, since packets came back, there is
// another: whoever forges such packets must not make the control plane busy.
const lookAgain fdb.Tick = 10

// loopChanges are the remotes of all links whose routes began or ended to lead
// through the tunnel, for one line of the log each.
type loopChanges struct{ began, ended []loopChange }

type loopChange struct {
	link string
	addr encap.Addr
}

// checkLoops looks whether the routes to remotes of l lead through this VTEP's
// links: to those of its flood list and those that did before; all, so that an
// FDB entry's is found whose packets came back, to others too. At most mostRoutes
// of each.
func (v *VTEP) checkLoops(l *Link, routes *routes, all bool, changes *loopChanges) {
	look := l.floodRemotes()
	v.mu.Lock()
	vrf := l.vrf
	for r := range l.looping {
		if l.Remotes.At(r.ID) != r { // it was deleted
			delete(l.looping, r)
			l.setTrouble(troubleKey{addr: r.Addr, kind: RouteLoops}, false)
			continue
		}
		look = append(look, r)
	}
	v.mu.Unlock()
	if all {
		n := 0
		l.Remotes.Each(func(r *forward.Remote) {
			if n++; n <= mostRoutes {
				look = append(look, r)
			}
		})
	}
	loops := make([]bool, len(look))
	for i, r := range look {
		if r.Addr != (encap.Addr{}) && r.Bypass.Load() == nil {
			device := r.Via
			if device == "" {
				device = vrf
			}
			loops[i] = routes.to(r.Addr.Netip(), device).loops
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, r := range look {
		if r.Loops.Load() != loops[i] && !l.gone {
			l.setLoops(r, loops[i], changes)
		}
	}
}

// setLoops has frames to r dropped, or sent again. The caller holds VTEP.mu.
func (l *Link) setLoops(r *forward.Remote, loops bool, changes *loopChanges) {
	r.Loops.Store(loops)
	l.setTrouble(troubleKey{addr: r.Addr, kind: RouteLoops}, loops)
	change := loopChange{l.device.Name, r.Addr}
	if loops {
		if l.looping == nil {
			l.looping = make(map[*forward.Remote]struct{})
		}
		l.looping[r] = struct{}{}
		changes.began = append(changes.began, change)
		return
	}
	delete(l.looping, r)
	changes.ended = append(changes.ended, change)
}

// log tells what has changed, in a line for all links.
func (c *loopChanges) log(v *VTEP) {
	if n := len(c.began); n > 0 {
		v.log.Warn("the route to a remote leads through the tunnel, frames to it are dropped: give it a route out of another device",
			"remote", c.began[0].addr.String(), "link", c.began[0].link, "count", n)
	}
	if n := len(c.ended); n > 0 {
		v.log.Info("the route to a remote leads no longer through the tunnel", "remote", c.ended[0].addr.String(), "link", c.ended[0].link, "count", n)
	}
}

// lookForLoops looks at the routes of the links that own packets came back to.
func (v *VTEP) lookForLoops() {
	var links []*Link
	now := v.now()
	v.mu.Lock()
	for _, l := range v.links {
		if l.CameBack() && (l.lookedAt == 0 || now-l.lookedAt >= lookAgain) {
			l.ForgetCameBack()
			l.lookedAt = now
			links = append(links, l)
		}
	}
	v.mu.Unlock()
	if len(links) == 0 {
		return
	}
	routes := v.routes(false)
	var changes loopChanges
	for _, l := range links {
		v.checkLoops(l, routes, true, &changes)
	}
	changes.log(v)
}

// floodRemotes are the remotes of l's flood list, mostRoutes of them.
func (l *Link) floodRemotes() []*forward.Remote {
	e, ok := l.FDB.Get(encap.MAC{})
	if !ok {
		return nil
	}
	var all []*forward.Remote
	for _, id := range e.Remotes[:min(len(e.Remotes), mostRoutes)] {
		if r := l.Remotes.At(id); r != nil && r.Addr != (encap.Addr{}) {
			all = append(all, r)
		}
	}
	return all
}
