package vtep

import (
	"cmp"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// lookAgain is the least time between two looks at routes for packets that came back: whoever
// forges such packets must not make the control plane busy.
const lookAgain fdb.Tick = 10

// checkLoops checks whether the routes to remotes of l lead through this VTEP's links: to the
// remotes of its flood list, to those whose route looped before and, where all is set, to the
// others as well. It checks at most mostRoutes of each.
func (v *VTEP) checkLoops(l *link, routes *routes, all bool, news *troubleNews) {
	look := l.floodRemotes()
	v.mu.Lock()
	c, vrf := l.cfg, l.vrf
	for r := range l.looping {
		if l.Remotes.At(r.ID) != r { // the remote was removed
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
			addr := r.Addr.Netip()
			loops[i] = routes.to(addr, cmp.Or(r.Via, c.deviceOf(addr), vrf)).loops
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, r := range look {
		if r.Loops.Load() != loops[i] && !l.gone {
			l.setLoops(r, loops[i], news)
		}
	}
}

// setLoops makes the data path drop frames to r, or send them again. The caller holds
// VTEP.mu.
func (l *link) setLoops(r *forward.Remote, loops bool, news *troubleNews) {
	r.Loops.Store(loops)
	key := troubleKey{addr: r.Addr, kind: RouteLoops}
	l.setTrouble(key, loops)
	news.note(loops, l.device.Name, key, r.Port)
	if loops {
		if l.looping == nil {
			l.looping = make(map[*forward.Remote]struct{})
		}
		l.looping[r] = struct{}{}
		return
	}
	delete(l.looping, r)
}

// lookForLoops checks the routes of the links that own packets came back to.
func (v *VTEP) lookForLoops() {
	var links []*link
	now := v.now()
	v.mu.Lock()
	for _, l := range v.links {
		if l.CameBack.Load() && (l.lookedAt == 0 || now-l.lookedAt >= lookAgain) {
			l.CameBack.Store(false)
			l.lookedAt = now
			links = append(links, l)
		}
	}
	v.mu.Unlock()
	if len(links) == 0 {
		return
	}
	routes := v.routes(false)
	var news troubleNews
	for _, l := range links {
		v.checkLoops(l, routes, true, &news)
	}
	news.log(v.log)
}

// floodRemotes are the remotes of l's flood list, mostRoutes of them.
func (l *link) floodRemotes() []*forward.Remote {
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
