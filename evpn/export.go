package evpn

import (
	"net/netip"
	"slices"

	"github.com/uvtep/uvtep/bgp"
)

// exportKey is what tells the T2 of a link apart: an address of a MAC address, not valid for the
// T2 of the MAC address alone.
type exportKey struct {
	mac bgp.MAC
	ip  netip.Addr
}

// exported is what the T2 says that was announced.
type exported struct {
	seq    uint32
	sticky bool
	flags  bgp.NeighbourFlags
}

// statement is what the speaker is to be told: a route to announce or, without attributes, one to
// withdraw.
type statement struct {
	route bgp.Route
	attrs *bgp.Attributes
}

// exportMAC announces the T2 of a MAC address alone where this VTEP has it, else withdraws it.
func (a *Agent) exportMAC(l *link, m bgp.MAC, loc *localMAC) {
	key := exportKey{mac: m}
	if loc == nil || !loc.claimed || l.conf.NoMAC || !a.ready {
		a.unexport(l, key)
		return
	}
	a.export(l, key, exported{seq: loc.seq, sticky: loc.sticky})
}

// exportAddr announces the T2 of an IP address where it is this VTEP's, else withdraws it.
func (a *Agent) exportAddr(l *link, m bgp.MAC, ip netip.Addr, la *localAddr, ours bool) {
	key := exportKey{m, ip}
	loc := l.mac(m).local
	if !ours || loc == nil || l.conf.NoNeighbours || l.conf.NoMAC || !a.ready {
		a.unexport(l, key)
		return
	}
	f := la.flags
	if ip.Is4() { // RFC 9047 section 3: R and O are of IPv6 alone
		f.Router, f.Override = false, false
	}
	a.export(l, key, exported{seq: loc.seq, sticky: loc.sticky, flags: f})
}

func (a *Agent) export(l *link, key exportKey, want exported) {
	if had, ok := l.exported[key]; ok && had == want {
		return
	}
	l.exported[key] = want
	attrs := l.attributes()
	attrs.ExtCommunities = want.communities(attrs.ExtCommunities)
	a.say(statement{l.t2(key), attrs})
}

// communities are those of the link with those of the T2.
func (x exported) communities(cs []bgp.ExtCommunity) []bgp.ExtCommunity {
	cs = slices.Clip(cs)
	if x.seq > 0 || x.sticky {
		cs = append(cs, bgp.MACMobility(x.seq, x.sticky))
	}
	// Only a router's flags are said: others have none to say, and GoBGP takes a route with this
	// community for withdrawn.
	if x.flags.Router {
		cs = append(cs, bgp.NeighbourFlagsCommunity(x.flags))
	}
	return cs
}

func (a *Agent) unexport(l *link, key exportKey) {
	if _, ok := l.exported[key]; ok {
		delete(l.exported, key)
		a.say(statement{route: l.t2(key)})
	}
}

// exportLink announces the link's T3 where frames are flooded to it, else withdraws it.
func (a *Agent) exportLink(l *link) {
	want := l.out == "" && !l.conf.NoFlood
	if want == l.multicast {
		return
	}
	l.multicast = want
	t3 := bgp.Route{Type: bgp.Multicast, RD: l.rd, IP: l.Local}
	if !want {
		a.say(statement{route: t3})
		return
	}
	attrs := l.attributes()
	attrs.PMSI = &bgp.PMSI{Tunnel: bgp.TunnelIngressReplication, Label: l.VNI, ID: l.Local}
	a.say(statement{t3, attrs})
}

// withdrawAll withdraws all that a link announced.
func (a *Agent) withdrawAll(l *link) {
	for key := range l.exported {
		a.unexport(l, key)
	}
	if l.multicast {
		l.multicast = false
		a.say(statement{route: bgp.Route{Type: bgp.Multicast, RD: l.rd, IP: l.Local}})
	}
}

func (l *link) t2(key exportKey) bgp.Route {
	return bgp.Route{Type: bgp.MACIP, RD: l.rd, MAC: key.mac, IP: key.ip, Label: l.VNI}
}

// attributes are those that all routes of the link have (RFC 8365 section 5.1.3): the VTEP as next
// hop, the encapsulation, the targets.
func (l *link) attributes() *bgp.Attributes {
	cs := append([]bgp.ExtCommunity{bgp.Encapsulation(bgp.EncapVXLAN)}, l.exports...)
	return &bgp.Attributes{NextHop: l.Local, LocalPref: 100, ExtCommunities: cs}
}

// say queues what Run tells the speaker.
func (a *Agent) say(s statement) { a.statements = append(a.statements, s) }
