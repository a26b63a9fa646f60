package evpn

import (
	"net/netip"
	"slices"
	"unique"

	"github.com/uvtep/uvtep/bgp"
)

// vxlanTarget marks the number of an automatic route target of VXLAN: type 1, domain 0, then the
// VNI (RFC 8365 section 5.1.2.1).
const vxlanTarget = 0x10000000

// targets are the links by the route targets that they import. Of links without route targets of their own the number
// alone has to match, as in FRR: each AS of a fabric with eBGP has its own automatic targets.
type targets struct {
	numbers map[uint32][]*link
	literal map[bgp.ExtCommunity][]*link
	asked   uint64 // times that importers was called: the mark of links that it found
}

// index has the links that take part.
func (a *Agent) index() targets {
	t := targets{numbers: map[uint32][]*link{}, literal: map[bgp.ExtCommunity][]*link{}, asked: a.targets.asked}
	for _, l := range a.links {
		switch {
		case l.out != "":
		case len(l.imports) > 0:
			for _, c := range l.imports {
				t.literal[c] = append(t.literal[c], l)
			}
		default:
			for _, n := range []uint32{l.VNI, vxlanTarget | l.VNI} {
				t.numbers[n] = append(t.numbers[n], l)
			}
		}
	}
	return t
}

// importers are the links that import what has these communities, each once.
func (t *targets) importers(cs []bgp.ExtCommunity) []*link {
	var found []*link
	t.asked++
	add := func(links []*link) {
		for _, l := range links {
			if l.found != t.asked {
				l.found = t.asked
				found = append(found, l)
			}
		}
	}
	for _, c := range cs {
		if c.IsRouteTarget() {
			add(t.numbers[c.Number()])
			add(t.literal[c])
		}
	}
	return found
}

// changed moves a route, of which before was the best path (nil: it had none), between links and has those
// look at it again.
func (a *Agent) changed(rt *route, before *path) {
	best := rt.best()
	var now []*link
	if best != nil {
		now = best.importers
	}
	if before != nil {
		for _, l := range before.importers {
			stays := slices.Contains(now, l) && l.refuses(rt, best) == Used
			if !stays && l.refuses(rt, before) == Used {
				l.remove(rt, before)
			}
		}
	}
	for _, l := range now {
		if l.refuses(rt, best) == Used {
			had := before != nil && slices.Contains(before.importers, l) && l.refuses(rt, before) == Used
			l.put(rt, before, had)
		}
	}
}

// judge says why a path is not used, for counters and output.
func (a *Agent) judge(rt *route, p *path) Reason {
	if len(p.importers) == 0 {
		switch rt.key.Type() {
		case bgp.AutoDiscovery, bgp.MACIP, bgp.Multicast:
			return NoTarget
		default:
			return NotUsed
		}
	}
	why := Used
	for _, l := range p.importers {
		if why = l.judge(rt, p); why == Used {
			return Used
		}
	}
	return why
}

// judge says why the link does not use a path, or not for all that it could be.
func (l *link) judge(rt *route, p *path) Reason {
	if why := l.refuses(rt, p); why != Used {
		return why
	}
	switch rt.key.Type() {
	case bgp.MACIP:
		if p.esi != none() {
			r := rt.key.Route()
			if _, ok := l.behind(r.MAC, p); !ok {
				return NoSegment
			}
		}
	case bgp.Multicast:
		if !floods(p.PMSI) {
			return NoTunnel
		}
	default:
	}
	return Used
}

// floods reports whether a T3 asks for frames by ingress replication.
func floods(p *bgp.PMSI) bool { return p != nil && p.Tunnel == bgp.TunnelIngressReplication }

// refuses says why a path is kept out of the link's tables, whatever else is known.
func (l *link) refuses(rt *route, p *path) Reason {
	typ := rt.key.Type()
	if typ != bgp.AutoDiscovery && typ != bgp.MACIP && typ != bgp.Multicast {
		return NotUsed
	}
	if why := l.refusesAddr(p.nextHop.Value()); why != Used {
		return why
	}
	r := rt.key.Route()
	switch typ {
	case bgp.MACIP:
		if !isHost(r.MAC) {
			return BadMAC
		}
	case bgp.Multicast:
		if l.refusesAddr(r.IP) != Used {
			return BadOriginator
		}
	default:
	}
	return Used
}

// refusesAddr says why an address is no VTEP for the link.
func (l *link) refusesAddr(a netip.Addr) Reason {
	switch {
	case !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return NoNextHop
	case a.Is4() != l.Local.Is4():
		return OtherFamily
	case a == l.Local:
		return OwnNextHop
	}
	return Used
}

// isHost reports whether a MAC address can be a host's. Others are neither announced nor taken:
// a T2 for a multicast address would draw what is flooded.
func isHost(m bgp.MAC) bool { return m != bgp.MAC{} && m[0]&1 == 0 }

// put has the link use a route: had says that it did before, by the path before.
func (l *link) put(rt *route, before *path, had bool) {
	r := rt.key.Route()
	switch r.Type {
	case bgp.AutoDiscovery:
		l.putSegment(rt, r.ESI, had)
	case bgp.MACIP:
		e := l.mac(r.MAC)
		if !had {
			e.routes.add(rt)
		}
		l.follow(r.MAC, before, rt)
		l.touchMAC(r.MAC)
		if r.IP.IsValid() {
			if n := l.addr(r.IP); !had {
				n.routes.add(rt)
			}
			l.touchAddr(r.IP)
		}
	case bgp.Multicast:
		v := unique.Make(r.IP)
		if e := l.peer(v); !had {
			e.routes.add(rt)
		}
		l.touchPeer(v)
	default:
	}
}

// remove has the link use a route no more.
func (l *link) remove(rt *route, before *path) {
	r := rt.key.Route()
	switch r.Type {
	case bgp.AutoDiscovery:
		l.removeSegment(rt, r.ESI)
	case bgp.MACIP:
		e := l.mac(r.MAC)
		e.routes.remove(rt)
		l.follow(r.MAC, before, nil)
		l.touchMAC(r.MAC)
		if r.IP.IsValid() {
			n := l.addr(r.IP)
			n.routes.remove(rt)
			l.touchAddr(r.IP)
		}
	case bgp.Multicast:
		e := l.peer(unique.Make(r.IP))
		e.routes.remove(rt)
		l.touchPeer(unique.Make(r.IP))
	default:
	}
}

func without(routes []*route, rt *route) []*route {
	if i := slices.Index(routes, rt); i >= 0 {
		routes = slices.Delete(routes, i, i+1)
	}
	if len(routes) == 0 {
		return nil
	}
	return routes
}
