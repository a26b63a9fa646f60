package evpn

import (
	"bytes"
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/uvtep/uvtep/bgp"
)

// VNI is a link as the agent has it, for people.
type VNI struct {
	Link       string     `json:"link"`
	VNI        uint32     `json:"vni"`
	Local      netip.Addr `json:"vtepIp,omitzero"`
	Out        string     `json:"out,omitempty"` // why it takes no part
	RD         string     `json:"rd,omitempty"`
	Import     []string   `json:"importRts,omitempty"`
	Export     []string   `json:"exportRts,omitempty"`
	MACs       int        `json:"numMacs"`
	LocalMACs  int        `json:"numLocalMacs"`
	Addrs      int        `json:"numArpNd"`
	Duplicates int        `json:"numDuplicateMacs"`
	VTEPs      []Peer     `json:"remoteVteps"`
}

// Peer is a VTEP of a link that a T3 names.
type Peer struct {
	VTEP  netip.Addr `json:"ip"`
	Flood bool       `json:"flood"`
}

// MACView is a MAC address of a link, for people.
type MACView struct {
	Link      string     `json:"link"`
	VNI       uint32     `json:"vni"`
	MAC       string     `json:"mac"`
	Local     bool       `json:"local"` // this VTEP has it
	Seen      bool       `json:"seen"`  // behind the port, whoever has it
	VTEP      netip.Addr `json:"remoteVtep,omitzero"`
	ESI       string     `json:"remoteEs,omitempty"`
	LocalSeq  uint32     `json:"localSequence"`
	RemoteSeq uint32     `json:"remoteSequence"`
	Sticky    bool       `json:"sticky,omitempty"`
	Duplicate bool       `json:"isDuplicate,omitempty"`
}

// AddrView is an IP address of a link, for people.
type AddrView struct {
	Link   string     `json:"link"`
	VNI    uint32     `json:"vni"`
	Addr   netip.Addr `json:"ip"`
	MAC    string     `json:"mac"`
	Local  bool       `json:"local"`
	VTEP   netip.Addr `json:"remoteVtep,omitzero"`
	Router bool       `json:"router,omitempty"`
	Seq    uint32     `json:"sequence"`
}

// RouteView is a route as one neighbour says it, or as this agent does, for people.
type RouteView struct {
	RD          string     `json:"rd"`
	Route       string     `json:"route"`
	Type        int        `json:"routeType"`
	Neighbour   netip.Addr `json:"neighbor,omitzero"` // not valid: announced here
	NextHop     netip.Addr `json:"nextHop,omitzero"`
	Path        []uint32   `json:"path"`
	LocalPref   uint32     `json:"locPrf"`
	MED         uint32     `json:"metric"`
	Origin      string     `json:"origin"`
	Communities []string   `json:"extendedCommunities"`
	Best        bool       `json:"best"`
	Stale       bool       `json:"stale,omitempty"`
	Reason      string     `json:"reason,omitempty"` // why it is not used
}

// Duplicate is a MAC address that is held as one, for people.
type Duplicate struct {
	Link  string     `json:"link"`
	VNI   uint32     `json:"vni"`
	MAC   string     `json:"mac"`
	Other netip.Addr `json:"other,omitzero"` // the other VTEP, when it moved last
	Since time.Time  `json:"since"`
}

// Neighbour is what the agent has of a neighbour's routes.
type Neighbour struct {
	Address netip.Addr
	Routes  int
	Stale   bool
	Refused map[Reason]uint64
}

// sorted calls fn for each link that matches, by name.
func (a *Agent) sorted(name string, fn func(*link)) {
	for _, n := range slices.Sorted(maps.Keys(a.links)) {
		if name == "" || n == name {
			fn(a.links[n])
		}
	}
}

// VNIs lists the links; name "": all.
func (a *Agent) VNIs(name string) []VNI {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := []VNI{}
	a.sorted(name, func(l *link) {
		v := VNI{Link: l.Name, VNI: l.VNI, Local: l.Local, Out: l.out, VTEPs: []Peer{}}
		if l.out == "" {
			v.RD, v.Import, v.Export = l.rd.String(), texts(l.imports), texts(l.exports)
		}
		for e := range l.macs.all() {
			v.MACs++
			if e.local != nil && e.local.claimed {
				v.LocalMACs++
			}
		}
		for _, e := range l.addrs.of {
			if len(e.local) > 0 || e.installed.there {
				v.Addrs++
			}
		}
		for _, mv := range l.moves {
			if !mv.held.IsZero() {
				v.Duplicates++
			}
		}
		for p, e := range l.vteps {
			v.VTEPs = append(v.VTEPs, Peer{p.Value(), e.installed == peerFlood})
		}
		slices.SortFunc(v.VTEPs, func(p, q Peer) int { return p.VTEP.Compare(q.VTEP) })
		all = append(all, v)
	})
	if a.listed {
		for _, n := range a.missing(name) {
			all = append(all, VNI{Link: n, Out: notThere, VTEPs: []Peer{}})
		}
	}
	return all
}

// notThere is why a link takes no part that the agent's file names.
const notThere = "the data plane has no link of this name that says evpn or learnlocal"

// missing are the links that the configuration names and the data plane does not offer; name "":
// all.
func (a *Agent) missing(name string) (names []string) {
	for _, n := range slices.Sorted(maps.Keys(a.conf.Links.ByName)) {
		if a.links[n] == nil && (name == "" || n == name) {
			names = append(names, n)
		}
	}
	return names
}

func texts(cs []bgp.ExtCommunity) []string {
	all := make([]string, len(cs))
	for i, c := range cs {
		all[i] = c.String()
	}
	return all
}

// MACs lists the MAC addresses of links; name "": of all.
func (a *Agent) MACs(name string) []MACView {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := []MACView{}
	a.sorted(name, func(l *link) {
		for _, e := range slices.SortedFunc(l.macs.all(), func(d, e *macEntry) int { return bytes.Compare(d.mac[:], e.mac[:]) }) {
			v := MACView{Link: l.Name, VNI: l.VNI, MAC: e.mac.String(), Duplicate: l.held(e.mac)}
			c := l.choose(&e.routes)
			if c.route != nil {
				v.RemoteSeq, v.VTEP, v.Sticky = c.seq, c.vtep.Value(), c.sticky
				if esi := c.route.best().esi; esi != none() {
					v.ESI = esi.Value().String()
				}
			}
			if e.local != nil {
				v.Seen, v.LocalSeq = true, e.local.seq
				if v.Local = e.local.claimed; v.Local {
					v.Sticky = e.local.sticky
				}
			}
			if c.route != nil || v.Seen {
				all = append(all, v)
			}
		}
	})
	return all
}

func sortedMACs[V any](m map[bgp.MAC]V) []bgp.MAC {
	return slices.SortedFunc(maps.Keys(m), func(a, b bgp.MAC) int { return bytes.Compare(a[:], b[:]) })
}

// Addrs lists the IP addresses of links; name "": of all.
func (a *Agent) Addrs(name string) []AddrView {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := []AddrView{}
	a.sorted(name, func(l *link) {
		for _, ip := range slices.SortedFunc(maps.Keys(l.addrs.of), netip.Addr.Compare) {
			e := l.addrs.get(ip)
			for _, m := range sortedMACs(e.local) {
				_, announced := l.exported[exportKey{m, ip}]
				if loc := l.mac(m).local; loc != nil {
					all = append(all, AddrView{Link: l.Name, VNI: l.VNI, Addr: ip, MAC: m.String(), Local: announced || loc.claimed, Router: e.local[m].flags.Router, Seq: loc.seq})
				}
			}
			if c := l.choose(&e.routes); c.route != nil && e.installed.there {
				all = append(all, AddrView{Link: l.Name, VNI: l.VNI, Addr: ip, MAC: e.installed.mac.String(), VTEP: c.vtep.Value(), Router: e.installed.router, Seq: c.seq})
			}
		}
	})
	return all
}

// Duplicates lists the MAC addresses that are held.
func (a *Agent) Duplicates() []Duplicate {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := []Duplicate{}
	a.sorted("", func(l *link) {
		for _, m := range sortedMACs(l.moves) {
			if mv := l.moves[m]; !mv.held.IsZero() {
				all = append(all, Duplicate{Link: l.Name, VNI: l.VNI, MAC: m.String(), Other: valueOf(mv.from), Since: mv.held})
			}
		}
	})
	return all
}

// Neighbours lists what the agent has of each neighbour.
func (a *Agent) Neighbours() []Neighbour {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []Neighbour
	for _, p := range a.peers {
		n := Neighbour{Address: p.addr, Routes: p.routes, Stale: p.stale, Refused: map[Reason]uint64{}}
		for _, why := range Reasons() {
			n.Refused[why] = p.refused[why]
		}
		all = append(all, n)
	}
	slices.SortFunc(all, func(p, q Neighbour) int { return p.Address.Compare(q.Address) })
	return all
}

// Routes lists the routes of a type that neighbours and this agent announce, by route
// distinguisher; typ 0: of all types.
func (a *Agent) Routes(typ bgp.RouteType) []RouteView {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.ownRoutes(typ)
	for rt := range a.rib.all() {
		if typ != 0 && rt.key.Type() != typ {
			continue
		}
		all = append(all, a.routeView(rt, rt.said.best, true))
		for _, p := range rt.said.rest {
			all = append(all, a.routeView(rt, p, false))
		}
	}
	slices.SortFunc(all, func(v, w RouteView) int {
		return cmp.Or(cmp.Compare(v.RD, w.RD), cmp.Compare(v.Route, w.Route), compareBool(v.Best, w.Best), v.Neighbour.Compare(w.Neighbour))
	})
	return all
}

func (a *Agent) ownRoutes(typ bgp.RouteType) []RouteView {
	all := []RouteView{}
	add := func(r bgp.Route, cs []bgp.ExtCommunity, nextHop netip.Addr) {
		if typ == 0 || typ == r.Type {
			all = append(all, RouteView{RD: r.RD.String(), Route: r.String(), Type: int(r.Type), NextHop: nextHop, Path: []uint32{}, Origin: "IGP", Communities: texts(cs), Best: true})
		}
	}
	a.sorted("", func(l *link) {
		cs := l.attributes().ExtCommunities
		if l.multicast {
			add(bgp.Route{Type: bgp.Multicast, RD: l.rd, IP: l.Local}, cs, l.Local)
		}
		for key, x := range l.exported {
			add(l.t2(key), x.communities(cs), l.Local)
		}
	})
	return all
}

func (a *Agent) routeView(rt *route, p *path, best bool) RouteView {
	r := rt.key.Route()
	v := RouteView{RD: r.RD.String(), Route: r.String(), Type: int(r.Type), Neighbour: p.peer.addr, NextHop: p.nextHop.Value(), Path: p.ASPath,
		LocalPref: p.LocalPref, MED: p.MED, Communities: texts(p.ExtCommunities), Best: best, Stale: p.isStale()}
	if v.Path == nil {
		v.Path = []uint32{}
	}
	v.Origin = [...]string{"IGP", "EGP", "incomplete"}[min(p.Origin, bgp.OriginIncomplete)]
	if why := a.judge(rt, p); why != Used {
		v.Reason = why.Explain()
	}
	return v
}
