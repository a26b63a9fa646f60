package evpn

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/uvtep/uvtep/bgp"
)

// fakePlane is a data plane with links of the VNIs given. It outlives its agent.
type fakePlane struct {
	v     *fakeVTEP
	links map[string]Link

	mu         sync.Mutex
	agent      *Agent
	events     *line
	dead       bool
	generation int
	macs       map[string]map[bgp.MAC]planeMAC
	addrs      map[string]map[netip.Addr]planeAddr
	locals     map[string]map[netip.Addr]Addr
	peers      map[string]map[netip.Addr]planePeer
	refuse     func(Change) error
}

type planeMAC struct {
	local      bool
	vtep       netip.Addr
	sticky     bool
	generation int
}

type planeAddr struct {
	mac        bgp.MAC
	generation int
}

type planePeer struct {
	flood      bool
	generation int
}

var vnis = []uint32{42, 77}

func newFakePlane(v *fakeVTEP) *fakePlane {
	p := &fakePlane{v: v, links: map[string]Link{}}
	for _, vni := range vnis {
		n := fmt.Sprint("vxlan", vni)
		p.links[n] = Link{Name: n, VNI: vni, Local: v.addr}
	}
	p.empty()
	return p
}

func (p *fakePlane) empty() {
	p.macs, p.addrs = map[string]map[bgp.MAC]planeMAC{}, map[string]map[netip.Addr]planeAddr{}
	p.locals, p.peers = map[string]map[netip.Addr]Addr{}, map[string]map[netip.Addr]planePeer{}
	for n := range p.links {
		p.macs[n], p.addrs[n] = map[bgp.MAC]planeMAC{}, map[netip.Addr]planeAddr{}
		p.locals[n], p.peers[n] = map[netip.Addr]Addr{}, map[netip.Addr]planePeer{}
	}
}

// attach lists what there is for an agent, and tells it what happens from then on; nil: nobody
// listens.
func (p *fakePlane) attach(a *Agent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.agent = a
	if a == nil || p.dead {
		return
	}
	p.events = p.v.f.line()
	p.events.send(a.BeginList)
	for _, n := range slices.Sorted(maps.Keys(p.links)) {
		l := p.links[n]
		p.events.send(func() { a.HandleLink(l) })
		for m, e := range p.macs[n] {
			if e.local {
				p.events.send(func() { a.HandleMAC(MAC{Link: n, MAC: m}) })
			}
		}
		for _, e := range p.locals[n] {
			p.events.send(func() { a.HandleAddr(e) })
		}
	}
	p.events.send(a.EndList)
}

// kill ends the data plane; restart begins a new one, which has nothing.
func (p *fakePlane) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	p.empty()
	if a := p.agent; a != nil {
		p.events.send(a.Lost)
	}
}

func (p *fakePlane) restart() {
	p.mu.Lock()
	p.dead = false
	a := p.agent
	p.mu.Unlock()
	p.attach(a)
}

// cut ends the stream of events, which begins again.
func (p *fakePlane) cut() {
	p.mu.Lock()
	a := p.agent
	if a != nil {
		p.events.send(a.Lost)
	}
	p.mu.Unlock()
	p.attach(a)
}

// frame is a frame of a host behind the port.
func (p *fakePlane) frame(link string, m bgp.MAC, ip netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return
	}
	e, ok := p.macs[link][m]
	if ok && !e.local && e.sticky {
		return
	}
	if !e.local {
		p.macs[link][m] = planeMAC{local: true}
		p.tell(func(a *Agent) { a.HandleMAC(MAC{Link: link, MAC: m}) })
	}
	if !ip.IsValid() {
		return
	}
	n := Addr{Link: link, MAC: m, Addr: ip}
	if p.locals[link][ip] != n {
		if old, ok := p.locals[link][ip]; ok {
			old.Gone = true
			p.tell(func(a *Agent) { a.HandleAddr(old) })
		}
		p.locals[link][ip] = n
		p.tell(func(a *Agent) { a.HandleAddr(n) })
	}
}

// age drops a local address.
func (p *fakePlane) age(link string, m bgp.MAC) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.macs[link][m].local {
		delete(p.macs[link], m)
		p.gone(link, m)
	}
}

// ageAddrs drops all addresses of a local MAC address but one.
func (p *fakePlane) ageAddrs(link string, m bgp.MAC, but netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ip, n := range p.locals[link] {
		if n.MAC == m && ip != but {
			delete(p.locals[link], ip)
			n.Gone = true
			p.tell(func(a *Agent) { a.HandleAddr(n) })
		}
	}
}

func (p *fakePlane) gone(link string, m bgp.MAC) {
	for ip, n := range p.locals[link] {
		if n.MAC == m {
			delete(p.locals[link], ip)
		}
	}
	p.tell(func(a *Agent) { a.HandleMAC(MAC{Link: link, MAC: m, Gone: true}) })
}

func (p *fakePlane) tell(fn func(*Agent)) {
	if a := p.agent; a != nil {
		p.events.send(func() { fn(a) })
	}
}

// planeSeam is the data plane as one agent asks it: what it puts in is of its generation.
type planeSeam struct {
	p          *fakePlane
	generation int
}

var errGone = errors.New("connection refused")

func (s *planeSeam) Apply(_ context.Context, changes []Change) ([]error, error) {
	time.Sleep(time.Millisecond)
	p := s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return nil, errGone
	}
	errs := make([]error, len(changes))
	for i, c := range changes {
		if p.refuse != nil {
			if errs[i] = p.refuse(c); errs[i] != nil {
				continue
			}
		}
		errs[i] = s.apply(c)
	}
	return errs, nil
}

func (s *planeSeam) apply(c Change) error {
	p := s.p
	macs := p.macs[c.Link]
	switch c.Kind {
	case SetMAC:
		had := macs[c.MAC].local
		macs[c.MAC] = planeMAC{vtep: c.VTEP, sticky: c.Sticky, generation: s.generation}
		if had {
			p.gone(c.Link, c.MAC)
		}
	case DelMAC:
		if !macs[c.MAC].local {
			delete(macs, c.MAC)
		}
	case SetVTEP:
		p.peers[c.Link][c.VTEP] = planePeer{c.Flood, s.generation}
	case DelVTEP:
		delete(p.peers[c.Link], c.VTEP)
	case SetAddr:
		p.addrs[c.Link][c.Addr] = planeAddr{c.MAC, s.generation}
	case DelAddr:
		delete(p.addrs[c.Link], c.Addr)
	}
	return nil
}

func (s *planeSeam) Sweep(context.Context) error {
	p := s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return errGone
	}
	for n := range p.links {
		maps.DeleteFunc(p.macs[n], func(_ bgp.MAC, e planeMAC) bool { return !e.local && e.generation < s.generation })
		maps.DeleteFunc(p.addrs[n], func(_ netip.Addr, e planeAddr) bool { return e.generation < s.generation })
		maps.DeleteFunc(p.peers[n], func(_ netip.Addr, e planePeer) bool { return e.generation < s.generation })
	}
	return nil
}
