package vtep

import (
	"net/netip"

	"github.com/uvtep/uvtep/underlay"
)

// routes asks the host for routes, for each once: thousands of links may have
// the same remotes. It knows which routes are no underlay since they lead through
// this VTEP's own netdevs.
type routes struct {
	host  Host
	own   func(index int) bool // an interface is a netdev of this VTEP
	known map[routeQuery]routeAnswer
}

type routeQuery struct {
	dst    netip.Addr
	device string
}

type routeAnswer struct {
	mtu   int  // 0: there is no route, or it loops
	loops bool // each of its ways leads through the tunnel
}

// routes is for one look at them. The caller holds v.mu and goes on holding it,
// or locked is false.
func (v *VTEP) routes(locked bool) *routes {
	own := v.owns
	if !locked {
		own = func(index int) bool {
			v.mu.Lock()
			defer v.mu.Unlock()
			return v.owns(index)
		}
	}
	return &routes{host: v.host, own: own, known: make(map[routeQuery]routeAnswer)}
}

// owns reports whether the interface of that index, in the VTEP's network
// namespace, is the netdev of a link or a trunk port. The caller holds v.mu.
func (v *VTEP) owns(index int) bool {
	for _, l := range v.links {
		if l.device.Index == index && l.device.Namespace == v.home {
			return true
		}
	}
	for _, t := range v.trunks {
		if t.device.Index == index && t.device.Namespace == v.home {
			return true
		}
	}
	return false
}

// to is the route to dst, out of device where that is not "".
func (r *routes) to(dst netip.Addr, device string) routeAnswer {
	q := routeQuery{dst, device}
	a, asked := r.known[q]
	if !asked {
		if route, err := r.host.RouteTo(dst, device); err == nil {
			a.mtu = r.fits(route.MTU, route.Metric, route.Over)
			a.loops = a.mtu == 0
		}
		r.known[q] = a
	}
	return a
}

// least is the least MTU of the routes to unicast addresses; 0: there is none.
func (r *routes) least(to []netip.Addr, device string) (mtu int) {
	for _, dst := range to {
		if dst.IsMulticast() {
			continue
		}
		if n := r.to(dst, device).mtu; n != 0 && (mtu == 0 || n < mtu) {
			mtu = n
		}
	}
	return mtu
}

// fits is the MTU of an underlay that is over these interfaces. Where some are
// this VTEP's own it is that of the others, and of the route's metric: what
// follows from a link's own MTU, as a bridge's does from its ports', must not
// make that MTU. 0: all of them are.
func (r *routes) fits(mtu, metric int, over []underlay.Lower) int {
	others := 0
	mixed := false
	for _, i := range over {
		if i.TUN && r.own(i.Index) {
			mixed = true
		} else if others == 0 || i.MTU < others {
			others = i.MTU
		}
	}
	switch {
	case !mixed:
		return mtu
	case others != 0 && metric != 0:
		return min(others, metric)
	}
	return others
}
