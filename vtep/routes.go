package vtep

import (
	"net/netip"

	"github.com/uvtep/uvtep/underlay"
)

// routes asks the host for routes, once for each: thousands of links may have the same
// remotes. It tells which routes lead through this VTEP's own netdevs and so are no underlay.
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
	loops bool // all its paths lead through the tunnel
}

// routes is for one look at all routes. Where locked is set, the caller holds v.mu all the
// while.
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

// least is the least MTU of the routes to those unicast addresses; 0: there is no route.
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

// fits is the MTU of an underlay over these interfaces. Where some are this VTEP's own, the
// MTUs of the others and of the route's metric count alone: an MTU that follows a link's own,
// as a bridge's follows its ports', must not make the link's. 0: all are this VTEP's own.
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
