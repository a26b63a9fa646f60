package evpn

import (
	"maps"
	"net/netip"
	"slices"
	"unique"

	"github.com/uvtep/uvtep/bgp"
)

// Link is a link of the data plane as it offers it.
type Link struct {
	Name  string
	VNI   uint32
	Local netip.Addr // its VTEP; not valid while the link has none
	Quiet bool       // it does not ask to take part, and does where it is named
	Down  bool       // its device is down: it takes no part meanwhile
}

// link is a link that the data plane offers: where it takes part, the MAC-VRF of its VNI (RFC
// 7432 section 6.1, VLAN-based service), else with the reason.
type link struct {
	Link
	vtep    vtep
	conf    LinkConfig
	rd      bgp.RD
	imports []bgp.ExtCommunity // none: any target with the VNI's number
	exports []bgp.ExtCommunity
	out     string // why it takes no part; "": it does
	epoch   uint32 // of the list that it was last in
	found   uint64 // see targets

	macs     index[bgp.MAC, *macEntry]
	addrs    table[netip.Addr, *addrEntry]
	vteps    map[vtep]*vtepEntry
	segments map[bgp.ESI]*segment
	// What has to be looked at again, each entry once.
	dirtyMACs  []bgp.MAC
	dirtyAddrs []netip.Addr
	dirtyVTEPs []vtep

	// What no route has any more, and the data plane still has.
	leavingMACs    lingering[bgp.MAC] // those whose VTEP may stay
	lingeringMACs  lingering[bgp.MAC] // those whose VTEP was withdrawn
	lingeringVTEPs lingering[vtep]

	multicast bool // T3 is announced
	exported  map[exportKey]exported
	moves     map[bgp.MAC]*moves
}

// macEntry is what is known of a MAC address on a link. 100,000 of them are nothing unusual: mind its size, which
// is 48 bytes.
type macEntry struct {
	mac    bgp.MAC
	dirty  bool
	sticky bool // of where it is installed
	vtep   vtep // the same
	told   vtep // where it was when that was told last; here(): on this side
	routes routeList
	local  *localMAC
}

func (e *macEntry) id() *bgp.MAC { return &e.mac }

// installed is where the data plane has the MAC address.
func (e *macEntry) installed() remote { return remote{e.vtep, e.sticky} }

func (e *macEntry) install(r remote) { e.vtep, e.sticky = r.vtep, r.sticky }

// here stands for this side among VTEPs.
func here() vtep { return unique.Make(netip.Addr{}) }

// remote is where the data plane has a MAC address; the zero value is nowhere.
type remote struct {
	vtep   vtep
	sticky bool
}

// addrEntry is what is known of an IP address on a link.
type addrEntry struct {
	routes    routeList // T2 with it
	local     map[bgp.MAC]*localAddr
	installed neighbour
	dirty     bool
}

// neighbour is what the data plane answers for an address; the zero value is nothing.
type neighbour struct {
	mac      bgp.MAC
	there    bool
	router   bool
	override bool
}

// vtepEntry is a VTEP that T3 routes name.
type vtepEntry struct {
	routes    routeList
	installed peerState
	dirty     bool
}

type peerState uint8

const (
	noPeer    peerState = iota
	peerOnly            // its packets are taken, nothing is flooded to it
	peerFlood           // frames are flooded to it
	unknownPeer
)

// unknownRemote and unknownNeighbour are what the data plane has where that is not known: other
// than anything that it can be wanted to have, so that it is told.
func unknownRemote() remote       { return remote{sticky: true} }
func unknownNeighbour() neighbour { return neighbour{router: true} }

// clear makes the link one without routes.
func (l *link) clear() {
	l.macs, l.addrs = index[bgp.MAC, *macEntry]{}, table[netip.Addr, *addrEntry]{}
	l.vteps, l.segments = map[vtep]*vtepEntry{}, map[bgp.ESI]*segment{}
	l.moves, l.exported = map[bgp.MAC]*moves{}, map[exportKey]exported{}
	l.dirtyMACs, l.dirtyAddrs, l.dirtyVTEPs = nil, nil, nil
	l.leavingMACs, l.lingeringMACs, l.lingeringVTEPs = lingering[bgp.MAC]{}, lingering[bgp.MAC]{}, lingering[vtep]{}
}

func (l *link) mac(m bgp.MAC) *macEntry {
	e := l.macs.get(&m)
	if e == nil {
		e = &macEntry{mac: m}
		l.macs.put(e)
	}
	return e
}

func (l *link) addr(ip netip.Addr) *addrEntry {
	e := l.addrs.get(ip)
	if e == nil {
		e = &addrEntry{}
		l.addrs.put(ip, e)
	}
	return e
}

func (l *link) peer(v vtep) *vtepEntry {
	e := l.vteps[v]
	if e == nil {
		e = &vtepEntry{}
		l.vteps[v] = e
	}
	return e
}

func (l *link) touchMAC(m bgp.MAC) {
	if e := l.mac(m); !e.dirty {
		e.dirty = true
		l.dirtyMACs = append(l.dirtyMACs, m)
	}
}

func (l *link) touchAddr(ip netip.Addr) {
	if e := l.addr(ip); !e.dirty {
		e.dirty = true
		l.dirtyAddrs = append(l.dirtyAddrs, ip)
	}
}

func (l *link) touchPeer(v vtep) {
	if e := l.peer(v); !e.dirty {
		e.dirty = true
		l.dirtyVTEPs = append(l.dirtyVTEPs, v)
	}
}

// touchAll has everything of the link looked at again.
func (l *link) touchAll() {
	for e := range l.macs.all() {
		l.touchMAC(e.mac)
	}
	for ip := range l.addrs.of {
		l.touchAddr(ip)
	}
	for v := range l.vteps {
		l.touchPeer(v)
	}
}

// HandleLink takes a link that the data plane offers, or that changed.
func (a *Agent) HandleLink(n Link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n.Local = n.Local.Unmap()
	l := a.links[n.Name]
	if l == nil {
		l = &link{out: notJoined}
		l.clear()
		a.links[n.Name] = l
	}
	l.epoch = a.epoch
	if l.Link == n && l.Name != "" {
		return
	}
	if l.Name != "" && l.out == "" {
		a.leave(l)
	}
	l.Link = n
	a.rejoin()
}

// HandleLinkGone takes that the data plane has a link no more, and with it nothing that was put
// into it.
func (a *Agent) HandleLinkGone(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropLink(name)
}

func (a *Agent) dropLink(name string) {
	l := a.links[name]
	if l == nil {
		return
	}
	delete(a.links, name)
	of := func(p pending) bool { return p.link == l }
	a.changes, a.failed = slices.DeleteFunc(a.changes, of), slices.DeleteFunc(a.failed, of)
	if l.out == "" {
		a.withdrawAll(l)
	}
	a.rejoin()
}

// SetConfig changes which links take part and how, and which neighbours are waited for. What did
// not change is neither withdrawn nor taken out of the data plane.
func (a *Agent) SetConfig(links LinkPolicy, neighbours []netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conf.Links, a.conf.Neighbours = links, neighbours
	a.joinAll()
	a.poke()
}

// leave ends a link's part: its routes are withdrawn, and what was put into the data plane goes.
// Its local addresses stay known.
func (a *Agent) leave(l *link) {
	a.withdrawAll(l)
	a.uninstall(l)
	locals, addrs := index[bgp.MAC, *macEntry]{}, table[netip.Addr, *addrEntry]{}
	for e := range l.macs.all() {
		if e.local != nil {
			e.local.claimed, e.local.fresh = false, false
			locals.put(&macEntry{mac: e.mac, local: e.local})
		}
	}
	for ip, e := range l.addrs.of {
		if len(e.local) > 0 {
			addrs.put(ip, &addrEntry{local: e.local})
		}
	}
	l.clear()
	l.macs, l.addrs = locals, addrs
	l.out = notJoined
}

// notJoined is why a link takes no part that came or changed a moment ago.
const notJoined = "it has not joined yet"

// rejoin has it decided again which links take part.
func (a *Agent) rejoin() {
	a.unjoined = true
	a.poke()
}

// joinAll decides again which links take part, and where each route belongs.
func (a *Agent) joinAll() {
	a.unjoined = false
	taken := map[uint32]string{}
	for _, name := range slices.Sorted(maps.Keys(a.links)) {
		l := a.links[name]
		conf, out := a.policy(l)
		if other, ok := taken[l.VNI]; ok && out == "" {
			out = "its VNI is that of link " + other + ", too: only one of them takes part"
		}
		if out == "" {
			taken[l.VNI] = name
		}
		if l.out == "" && l.vtep != (vtep{}) && (out != "" || !sameConfig(&l.conf, &conf)) {
			a.leave(l)
		}
		if out != l.out && out != "" {
			a.log.Warn("a link takes no part in EVPN", "link", name, "reason", out)
		}
		l.conf, l.out, l.vtep = conf, out, unique.Make(l.Local)
	}
	a.assignRDs()
	a.targets = a.index()
	a.reimport()
}

func sameConfig(a, b *LinkConfig) bool {
	return slices.Equal(a.Import, b.Import) && slices.Equal(a.Export, b.Export) && a.RD == b.RD &&
		a.NoFlood == b.NoFlood && a.NoMAC == b.NoMAC && a.NoNeighbours == b.NoNeighbours
}

// policy is the configuration of a link, or why it takes no part.
func (a *Agent) policy(l *link) (LinkConfig, string) {
	conf, named := a.conf.Links.ByName[l.Name]
	switch {
	case !named && a.conf.Links.All && l.Quiet:
		return conf, "it does not say evpn, and the agent's file does not name it"
	case !named && !a.conf.Links.All:
		return conf, "the agent's file does not name it"
	case l.Down:
		return conf, "it is down: uvtep link set " + l.Name + " up"
	case !l.Local.IsValid():
		return conf, "it has no local address: give it one (local)"
	case l.Local.IsUnspecified() || l.Local.IsMulticast() || l.Local.IsLinkLocalUnicast() || l.Local.IsLoopback():
		return conf, "its local address is none that other hosts reach"
	case l.Local.Is6() && !a.conf.IPv6:
		return conf, "its VTEP is an IPv6 address, at which FRR ends the session: say ipv6: true where no neighbour is FRR"
	case l.VNI == 0 || l.VNI >= 1<<24:
		return conf, "it has no VNI"
	}
	return conf, ""
}

// assignRDs gives each link its route distinguisher and targets. An automatic distinguisher has
// the VNI as its number where that fits 16 bits, else the next number that no link has, which
// is the same after a restart with the same links.
func (a *Agent) assignRDs() {
	used := map[bgp.RD]bool{}
	var late []*link
	for _, name := range slices.Sorted(maps.Keys(a.links)) {
		l := a.links[name]
		if l.out != "" {
			continue
		}
		l.imports, l.exports = l.conf.Import, l.conf.Export
		if len(l.exports) == 0 {
			l.exports = []bgp.ExtCommunity{bgp.RouteTarget(a.conf.AS&0xffff, l.VNI)}
		}
		rd := l.conf.RD
		if rd == (bgp.RD{}) {
			if l.VNI > 0xffff {
				late = append(late, l)
				continue
			}
			rd = bgp.NewRD(a.conf.RouterID, uint16(l.VNI))
		}
		a.setRD(l, rd)
		used[rd] = true
	}
	for _, l := range late {
		rd := bgp.NewRD(a.conf.RouterID, uint16(l.VNI))
		for n := uint16(l.VNI); used[rd] || n == 0; n++ {
			rd = bgp.NewRD(a.conf.RouterID, n+1)
		}
		a.setRD(l, rd)
		used[rd] = true
	}
}

// setRD gives a link its route distinguisher; what was announced with another one goes.
func (a *Agent) setRD(l *link, rd bgp.RD) {
	if l.rd != rd {
		a.withdrawAll(l)
		l.rd = rd
	}
}

// reimport puts each route where it belongs by the route targets of all links, and has all
// looked at again.
func (a *Agent) reimport() {
	for _, l := range a.links {
		for e := range l.macs.all() {
			e.routes = routeList{}
		}
		for _, e := range l.addrs.of {
			e.routes = routeList{}
		}
		for _, e := range l.vteps {
			e.routes = routeList{}
		}
		l.segments = map[bgp.ESI]*segment{}
	}
	for _, p := range a.paths.of {
		p.importers = a.targets.importers(p.ExtCommunities)
	}
	for rt := range a.rib.all() {
		a.changed(rt, nil)
	}
	for _, l := range a.links {
		if l.out == "" {
			l.touchAll()
		}
	}
}
