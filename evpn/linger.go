package evpn

import (
	"time"

	"github.com/uvtep/uvtep/bgp"
)

// lingering are the VTEPs and MAC addresses of a link that no route has any more, and that the data plane
// keeps for a moment. An agent that is started again, or a reflector, withdraws all and announces it again a
// moment later, while frames go on. What another VTEP announces, or what is seen here, has no need to wait.
// A MAC address whose VTEP has other routes was withdrawn by itself, and goes at once, which is leaveTime.
//
// A withdrawn VTEP is for that moment still a peer.
type lingering[K comparable] struct {
	until table[K, time.Time]
	queue []lingerer[K] // in the order of their times
}

type lingerer[K comparable] struct {
	key   K
	until time.Time
}

// keep reports whether a key is kept, which it is until a time that begins with the first call; 0: it is not.
func (l *lingering[K]) keep(k K, d time.Duration) bool {
	if d <= 0 {
		return false
	}
	if l.until.get(k).IsZero() {
		until := now().Add(d)
		l.until.put(k, until)
		l.queue = append(l.queue, lingerer[K]{k, until})
	}
	return true
}

// forget ends it: the key is wanted again, or gone.
func (l *lingering[K]) forget(k K) {
	if len(l.until.of) > 0 {
		l.until.del(k)
	}
}

// over calls fn with each key whose time is over.
func (l *lingering[K]) over(due func(time.Time) bool, fn func(K)) {
	n := 0
	for ; n < len(l.queue); n++ {
		e := &l.queue[n]
		if !l.until.get(e.key).Equal(e.until) {
			continue // forgotten
		}
		if !due(e.until) {
			break
		}
		l.until.del(e.key)
		fn(e.key)
	}
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil // and its memory
	}
}

// leaveTime is how long a withdrawn MAC address may be ahead of the rest of its VTEP's routes.
const leaveTime = time.Second

// has reports whether a key is kept.
func (l *lingering[K]) has(k K) bool { return len(l.until.of) > 0 && !l.until.get(k).IsZero() }

// lingerers has what lingered long enough go.
func (a *Agent) lingerers(due func(time.Time) bool) {
	for _, l := range a.links {
		goes := func(m bgp.MAC, e *macEntry) {
			a.install(l, Change{Kind: DelMAC, MAC: m})
			e.install(remote{})
			l.touchMAC(m)
		}
		l.leavingMACs.over(due, func(m bgp.MAC) {
			e := l.macs.get(&m)
			if e == nil {
				return
			}
			v := l.vteps[e.vtep]
			if gone := v == nil || v.routes.isEmpty(); !gone || !l.lingeringMACs.keep(m, a.conf.Linger-leaveTime) {
				goes(m, e)
			}
		})
		l.lingeringMACs.over(due, func(m bgp.MAC) {
			if e := l.macs.get(&m); e != nil {
				goes(m, e)
			}
		})
		l.lingeringVTEPs.over(due, func(v vtep) {
			if e := l.vteps[v]; e != nil {
				a.installVTEP(l, v, e, noPeer)
				l.touchPeer(v)
			}
		})
	}
}
