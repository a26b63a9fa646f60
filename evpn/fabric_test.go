package evpn

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/uvtep/uvtep/bgp"
)

// fabric is a reflector with VTEPs around it, each an Agent with a data plane of its own. What is
// said takes a random time, in order.
type fabric struct {
	rnd   *rand.Rand
	done  <-chan struct{}
	begin func() (context.Context, context.CancelFunc)
	group *sync.WaitGroup
	vteps []*fakeVTEP

	mu    sync.Mutex
	table map[bgp.Key]reflected
}

type reflected struct {
	route bgp.Route
	attrs *bgp.Attributes
	from  *fakeVTEP
}

var reflector = netip.MustParseAddr("192.0.2.254")

// line delivers in order, each after a random time.
type line struct {
	ch chan func()
}

func (f *fabric) line() *line {
	l := &line{ch: make(chan func(), 100_000)}
	rnd := rand.New(rand.NewPCG(f.rnd.Uint64(), 2))
	f.group.Go(func() {
		for {
			select {
			case <-f.done:
				return
			case fn := <-l.ch:
				time.Sleep(time.Duration(rnd.IntN(50)) * time.Millisecond)
				fn()
			}
		}
	})
	return l
}

func (l *line) send(fn func()) { l.ch <- fn }

func newFabric(ctx context.Context, group *sync.WaitGroup, seed uint64, n int, edit func(*Config)) *fabric {
	f := &fabric{rnd: rand.New(rand.NewPCG(seed, 1)), done: ctx.Done(), begin: func() (context.Context, context.CancelFunc) { return context.WithCancel(ctx) }, group: group, table: map[bgp.Key]reflected{}}
	for i := range n {
		v := &fakeVTEP{f: f, addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), config: edit}
		v.plane = newFakePlane(v)
		f.vteps = append(f.vteps, v)
	}
	for _, v := range f.vteps {
		v.startAgent()
	}
	return f
}

// fakeVTEP is one host of the fabric: the speaker of its agent, and its data plane.
type fakeVTEP struct {
	f      *fabric
	addr   netip.Addr
	config func(*Config)
	plane  *fakePlane

	mu     sync.Mutex
	agent  *Agent
	cancel context.CancelFunc
	up     bool
	in     *line // from the reflector to the agent
	out    *line // from the speaker to the reflector
	said   map[bgp.Key]reflected
}

func (v *fakeVTEP) startAgent() {
	c := Config{AS: 65001, RouterID: v.addr, Neighbours: []netip.Addr{reflector}, Links: LinkPolicy{All: true}, Speaker: &fakeSpeaker{v: v}, DuplicateMoves: -1}
	v.plane.generation++
	c.Plane = &planeSeam{p: v.plane, generation: v.plane.generation}
	if v.config != nil {
		v.config(&c)
	}
	a, err := New(c)
	if err != nil {
		panic(err)
	}
	ctx, cancel := v.f.begin()
	v.mu.Lock()
	c.Speaker.(*fakeSpeaker).agent = a
	v.agent, v.cancel, v.said = a, cancel, map[bgp.Key]reflected{}
	v.in, v.out = v.f.line(), v.f.line()
	v.mu.Unlock()
	v.f.group.Go(func() { _ = a.Run(ctx) })
	v.connect()
	v.plane.attach(a)
}

// killAgent ends the agent without a word; its session ends.
func (v *fakeVTEP) killAgent() {
	v.plane.attach(nil)
	v.mu.Lock()
	v.cancel()
	v.agent, v.up = nil, false
	v.mu.Unlock()
	v.f.forget(v)
}

func (v *fakeVTEP) restartAgent() {
	v.killAgent()
	v.startAgent()
}

// connect brings the session up: all routes of the reflector come, then the end of RIB.
func (v *fakeVTEP) connect() {
	v.mu.Lock()
	v.up = true
	a, said := v.agent, maps.Clone(v.said)
	v.mu.Unlock()
	v.in.send(func() { a.HandleEvent(bgp.Event{Neighbour: reflector, Kind: bgp.NeighbourUp}) })
	v.f.mu.Lock()
	for _, r := range v.f.table {
		if r.from != v {
			deliver(v.in, a, r)
		}
	}
	v.f.mu.Unlock()
	v.in.send(func() { a.HandleEvent(bgp.Event{Neighbour: reflector, Kind: bgp.EndOfRIB}) })
	for _, r := range said {
		v.out.send(func() { v.f.reflect(v, a, r) })
	}
}

// disconnect ends the session: the reflector forgets what the VTEP said, and the other way round.
func (v *fakeVTEP) disconnect() {
	v.mu.Lock()
	v.up = false
	a := v.agent
	v.mu.Unlock()
	v.f.forget(v)
	v.f.mu.Lock()
	defer v.f.mu.Unlock()
	v.in.send(func() { a.HandleEvent(bgp.Event{Neighbour: reflector, Kind: bgp.NeighbourDown}) })
	for _, r := range v.f.table {
		if r.from != v {
			v.in.send(func() { a.HandleUpdate(reflector, &bgp.Update{Withdrawn: []bgp.Route{r.route}}) })
		}
	}
}

func deliver(in *line, a *Agent, r reflected) {
	in.send(func() {
		a.HandleUpdate(reflector, &bgp.Update{Announced: []bgp.Route{r.route}, Attributes: r.attrs})
	})
}

// reflect takes what a VTEP said and tells all others; attrs nil: it is withdrawn.
func (f *fabric) reflect(from *fakeVTEP, a *Agent, r reflected) {
	from.mu.Lock()
	ok := from.up && from.agent == a
	from.mu.Unlock()
	if !ok {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := r.route.Key()
	_, had := f.table[key]
	if r.attrs == nil {
		if had {
			delete(f.table, key)
			f.withdraw(from, r.route)
		}
		return
	}
	f.table[key] = r
	f.others(from, func(in *line, a *Agent) { deliver(in, a, r) })
}

func (f *fabric) withdraw(from *fakeVTEP, r bgp.Route) {
	f.others(from, func(in *line, a *Agent) {
		in.send(func() { a.HandleUpdate(reflector, &bgp.Update{Withdrawn: []bgp.Route{r}}) })
	})
}

func (f *fabric) others(from *fakeVTEP, fn func(*line, *Agent)) {
	for _, v := range f.vteps {
		v.mu.Lock()
		a, up, in := v.agent, v.up, v.in
		v.mu.Unlock()
		if v != from && up && a != nil {
			fn(in, a)
		}
	}
}

// forget withdraws all that a VTEP said.
func (f *fabric) forget(v *fakeVTEP) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, r := range f.table {
		if r.from == v {
			delete(f.table, k)
			f.withdraw(v, r.route)
		}
	}
}

// fakeSpeaker is the speaker of an agent.
type fakeSpeaker struct {
	v     *fakeVTEP
	agent *Agent
}

func (s *fakeSpeaker) Announce(r bgp.Route, at *bgp.Attributes) error {
	c := *at
	c.ExtCommunities = slices.Clone(c.ExtCommunities)
	s.say(reflected{r, &c, s.v})
	return nil
}

func (s *fakeSpeaker) Withdraw(k bgp.Key) { s.say(reflected{route: k.Route(), from: s.v}) }

func (s *fakeSpeaker) say(r reflected) {
	v := s.v
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.agent != s.agent {
		return
	}
	if r.attrs == nil {
		delete(v.said, r.route.Key())
	} else {
		v.said[r.route.Key()] = r
	}
	v.out.send(func() { v.f.reflect(v, s.agent, r) })
}

// host is a host of the fabric: where it is, and what it is called.
type host struct {
	link string
	mac  bgp.MAC
	ip   netip.Addr
	at   int // of the VTEPs; -1: nowhere
}

// check compares all data planes with where the hosts are, and returns what differs.
func (f *fabric) check(hosts []host) []string {
	var wrong []string
	for i, v := range f.vteps {
		p := v.plane
		p.mu.Lock()
		for link := range p.links {
			macs, addrs, peers := map[bgp.MAC]planeMAC{}, map[netip.Addr]bgp.MAC{}, map[netip.Addr]bool{}
			for _, h := range hosts {
				if h.link != link || h.at < 0 {
					continue
				}
				if h.at == i {
					macs[h.mac] = planeMAC{local: true}
				} else {
					macs[h.mac] = planeMAC{vtep: f.vteps[h.at].addr}
					addrs[h.ip] = h.mac
				}
			}
			for j, w := range f.vteps {
				if j != i {
					peers[w.addr] = true
				}
			}
			got := map[bgp.MAC]planeMAC{}
			for m, e := range p.macs[link] {
				e.generation = 0
				got[m] = e
			}
			gotAddrs, gotPeers := map[netip.Addr]bgp.MAC{}, map[netip.Addr]bool{}
			for ip, e := range p.addrs[link] {
				gotAddrs[ip] = e.mac
			}
			for a, e := range p.peers[link] {
				gotPeers[a] = e.flood
			}
			wrong = append(wrong, differ(fmt.Sprintf("%v %s mac", v.addr, link), got, macs)...)
			wrong = append(wrong, differ(fmt.Sprintf("%v %s addr", v.addr, link), gotAddrs, addrs)...)
			wrong = append(wrong, differ(fmt.Sprintf("%v %s peer", v.addr, link), gotPeers, peers)...)
		}
		p.mu.Unlock()
	}
	slices.SortFunc(wrong, cmp.Compare)
	return wrong
}

func differ[K, V comparable](what string, got, want map[K]V) []string {
	var wrong []string
	for k, w := range want {
		if g, ok := got[k]; !ok || g != w {
			wrong = append(wrong, fmt.Sprintf("%s %v is %v (there: %v), want %v", what, k, g, ok, w))
		}
	}
	for k, g := range got {
		if _, ok := want[k]; !ok {
			wrong = append(wrong, fmt.Sprintf("%s %v is %v, want none", what, k, g))
		}
	}
	return wrong
}
