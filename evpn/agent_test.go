package evpn

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/bgp"
)

// bench is one agent with a speaker and a data plane that keep what they are told.
type bench struct {
	*Agent
	group  sync.WaitGroup
	cancel context.CancelFunc

	mu     sync.Mutex
	said   map[bgp.Key]*bgp.Attributes
	macs   map[bgp.MAC]Change
	addrs  map[netip.Addr]Change
	peers  map[netip.Addr]Change
	asked  int
	spoken int // times that the speaker was told something
	sweeps int
	refuse error
	dead   error
}

var (
	ownVTEP  = netip.MustParseAddr("192.0.2.5")
	lowVTEP  = netip.MustParseAddr("192.0.2.2")
	highVTEP = netip.MustParseAddr("192.0.2.8")
	hostA    = bgp.MAC{2, 0, 0, 0, 0, 0xa}
	addrA    = netip.MustParseAddr("198.51.100.10")
)

// withAgent runs fn with an agent whose link 42 has joined and whose neighbour has sent its routes.
func withAgent(t *testing.T, edit func(*Config), fn func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, edit)
		b.BeginList()
		b.HandleLink(Link{Name: "vxlan42", VNI: 42, Local: ownVTEP})
		b.EndList()
		b.HandleEvent(bgp.Event{Neighbour: reflector, Kind: bgp.NeighbourUp})
		b.HandleEvent(bgp.Event{Neighbour: reflector, Kind: bgp.EndOfRIB})
		synctest.Wait()
		fn(t, b)
		b.cancel()
		b.group.Wait()
	})
}

func newBench(t *testing.T, edit func(*Config)) *bench {
	b := &bench{said: map[bgp.Key]*bgp.Attributes{}, macs: map[bgp.MAC]Change{}, addrs: map[netip.Addr]Change{}, peers: map[netip.Addr]Change{}}
	c := Config{AS: 65001, RouterID: ownVTEP, Neighbours: []netip.Addr{reflector}, Links: LinkPolicy{All: true}, Speaker: b, Plane: b}
	if edit != nil {
		edit(&c)
	}
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	b.Agent = a
	ctx, cancel := context.WithCancel(t.Context())
	b.cancel = cancel
	b.group.Go(func() { _ = a.Run(ctx) })
	return b
}

func (b *bench) Announce(r bgp.Route, at *bgp.Attributes) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spoken++
	b.said[r.Key()] = at
	return nil
}

func (b *bench) Withdraw(k bgp.Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spoken++
	delete(b.said, k)
}

func (b *bench) Apply(_ context.Context, changes []Change) ([]error, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if b.dead != nil {
		return nil, b.dead
	}
	errs := make([]error, len(changes))
	for i, c := range changes {
		if errs[i] = b.refuse; b.refuse != nil {
			continue
		}
		switch c.Kind {
		case SetMAC:
			b.macs[c.MAC] = c
		case DelMAC:
			delete(b.macs, c.MAC)
		case SetVTEP:
			b.peers[c.VTEP] = c
		case DelVTEP:
			delete(b.peers, c.VTEP)
		case SetAddr:
			b.addrs[c.Addr] = c
		case DelAddr:
			delete(b.addrs, c.Addr)
		}
	}
	return errs, nil
}

func (b *bench) Sweep(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweeps++
	return b.dead
}

func t2(from netip.Addr, m bgp.MAC, ip netip.Addr) bgp.Route {
	return bgp.Route{Type: bgp.MACIP, RD: bgp.NewRD(from, 9), MAC: m, IP: ip, Label: 42}
}

func with(nextHop netip.Addr, cs ...bgp.ExtCommunity) *bgp.Attributes {
	return &bgp.Attributes{NextHop: nextHop, LocalPref: 100, ExtCommunities: append([]bgp.ExtCommunity{bgp.RouteTarget(65009, 42)}, cs...)}
}

// hear has the agent hear a route, and waits until all is done.
func (b *bench) hear(r bgp.Route, at *bgp.Attributes) {
	b.HandleUpdate(reflector, &bgp.Update{Announced: []bgp.Route{r}, Attributes: at})
	synctest.Wait()
}

func (b *bench) unhear(rs ...bgp.Route) {
	b.HandleUpdate(reflector, &bgp.Update{Withdrawn: rs})
	synctest.Wait()
}

// seen is a frame of a host behind the port.
func (b *bench) seen(m bgp.MAC, ips ...netip.Addr) {
	b.HandleMAC(MAC{Link: "vxlan42", MAC: m})
	for _, ip := range ips {
		b.HandleAddr(Addr{Link: "vxlan42", MAC: m, Addr: ip})
	}
	synctest.Wait()
}

// own is what is announced of an address, "" for nothing.
func (b *bench) own(m bgp.MAC, ip netip.Addr) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := bgp.Route{Type: bgp.MACIP, RD: bgp.NewRD(ownVTEP, 42), MAC: m, IP: ip}
	at := b.said[r.Key()]
	if at == nil {
		return ""
	}
	return strings.Join(texts(at.ExtCommunities), " ")
}

func (b *bench) at(m bgp.MAC) netip.Addr {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.macs[m].VTEP
}

// locked runs fn while nothing is told or asked.
func (b *bench) locked(fn func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fn()
}

// announced is how many routes are announced.
func (b *bench) announced() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.said)
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// TestExport: a link is a T3, a MAC address a T2, each of its addresses one more (RFC 7432
// section 7; what FRR needs to take them).
func TestExport(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		t3 := bgp.Route{Type: bgp.Multicast, RD: bgp.NewRD(ownVTEP, 42), IP: ownVTEP}
		at := b.said[t3.Key()]
		if at == nil || at.PMSI == nil || *at.PMSI != (bgp.PMSI{Tunnel: 6, Label: 42, ID: ownVTEP}) || at.NextHop != ownVTEP {
			t.Fatalf("T3 has %+v", at)
		}
		six := netip.MustParseAddr("2001:db8::a")
		b.seen(hostA, addrA)
		b.HandleAddr(Addr{Link: "vxlan42", MAC: hostA, Addr: six, Flags: bgp.NeighbourFlags{Router: true}})
		synctest.Wait()
		equal(t, "T2", b.own(hostA, netip.Addr{}), "ET:8 RT:65001:42")
		equal(t, "T2 of IPv4", b.own(hostA, addrA), "ET:8 RT:65001:42")
		equal(t, "T2 of an IPv6 router", b.own(hostA, six), "ET:8 RT:65001:42 ND:Router:true,Override:false,Immutable:false")
		b.HandleAddr(Addr{Link: "vxlan42", MAC: hostA, Addr: addrA, Gone: true})
		synctest.Wait()
		equal(t, "T2 of an address that is gone", b.own(hostA, addrA), "")
		b.HandleMAC(MAC{Link: "vxlan42", MAC: hostA, Gone: true})
		synctest.Wait()
		equal(t, "T2 of a host that is gone", b.own(hostA, netip.Addr{})+b.own(hostA, six), "")
		for _, m := range []bgp.MAC{{}, {1, 0, 0x5e}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}} {
			b.seen(m)
		}
		equal(t, "number of routes", len(b.said), 1)
		b.HandleLinkGone("vxlan42")
		synctest.Wait()
		equal(t, "number of routes without the link", len(b.said), 0)
	})
}

// TestImportRules: what is taken, what is kept out, and the reason that is counted.
func TestImportRules(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		other := with(lowVTEP)
		other.ExtCommunities = []bgp.ExtCommunity{bgp.RouteTarget(65001, 43)}
		six := netip.MustParseAddr("2001:db8::2")
		t3 := func(ip netip.Addr) bgp.Route {
			return bgp.Route{Type: bgp.Multicast, RD: bgp.NewRD(lowVTEP, 9), IP: ip}
		}
		multicast := with(lowVTEP)
		multicast.PMSI = &bgp.PMSI{Tunnel: 3}
		for _, c := range []struct {
			name  string
			route bgp.Route
			attrs *bgp.Attributes
			want  Reason
		}{
			{"any AS", t2(lowVTEP, hostA, netip.Addr{}), with(lowVTEP), Used},
			{"address type", t2(lowVTEP, hostA, netip.Addr{}), &bgp.Attributes{NextHop: lowVTEP, ExtCommunities: []bgp.ExtCommunity{0x0102c0000201002a}}, Used},
			{"four-octet type", t2(lowVTEP, hostA, netip.Addr{}), &bgp.Attributes{NextHop: lowVTEP, ExtCommunities: []bgp.ExtCommunity{bgp.RouteTarget(4200000000, 42)}}, Used},
			{"rfc8365-compatible", t2(lowVTEP, hostA, netip.Addr{}), &bgp.Attributes{NextHop: lowVTEP, ExtCommunities: []bgp.ExtCommunity{bgp.RouteTarget(65001, 0x1000002a)}}, Used},
			{"other target", t2(lowVTEP, hostA, netip.Addr{}), other, NoTarget},
			{"own next hop", t2(lowVTEP, hostA, netip.Addr{}), with(ownVTEP), OwnNextHop},
			{"unspecified next hop", t2(lowVTEP, hostA, netip.Addr{}), with(netip.IPv4Unspecified()), NoNextHop},
			{"IPv6 next hop", t2(lowVTEP, hostA, netip.Addr{}), with(six), OtherFamily},
			{"multicast MAC", t2(lowVTEP, bgp.MAC{1, 0, 0x5e}, netip.Addr{}), with(lowVTEP), BadMAC},
			{"broadcast MAC", t2(lowVTEP, bgp.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, netip.Addr{}), with(lowVTEP), BadMAC},
			{"zero MAC", t2(lowVTEP, bgp.MAC{}, netip.Addr{}), with(lowVTEP), BadMAC},
			{"own originator", t3(ownVTEP), with(lowVTEP), BadOriginator},
			{"no PMSI", t3(lowVTEP), with(lowVTEP), NoTunnel},
			{"PIM tunnel", t3(lowVTEP), multicast, NoTunnel},
			{"T4", bgp.Route{Type: bgp.EthernetSegment, RD: bgp.NewRD(lowVTEP, 9), ESI: bgp.ESI{1}, IP: lowVTEP}, with(lowVTEP), NotUsed},
			{"T5", bgp.Route{Type: bgp.IPPrefix, RD: bgp.NewRD(lowVTEP, 9), IP: netip.MustParseAddr("198.51.100.0"), Bits: 24}, with(lowVTEP), NotUsed},
		} {
			before := b.Neighbours()[0].Refused
			b.hear(c.route, c.attrs)
			after := b.Neighbours()[0].Refused
			for _, why := range Reasons() {
				if got, want := after[why]-before[why] == 1, why == c.want; got != want {
					t.Errorf("%s: reason %s counted: %t, want %t", c.name, why, got, want)
				}
			}
			if used := len(b.macs) > 0 || len(b.peers) > 0 && b.peers[lowVTEP].Flood; used != (c.want == Used) {
				t.Errorf("%s: the data plane has %v %v", c.name, b.macs, b.peers)
			}
			b.unhear(c.route)
			if len(b.macs) > 0 || len(b.peers) > 0 || b.rib.n > 0 || len(b.paths.of) > 0 {
				t.Errorf("%s: after the withdraw there is %v %v %v %v", c.name, b.macs, b.peers, b.rib.n, b.paths.of)
			}
		}
	})
}

// TestConfiguredTargets: those are taken literally.
func TestConfiguredTargets(t *testing.T) {
	conf := LinkConfig{Import: []bgp.ExtCommunity{bgp.RouteTarget(65001, 7)}, Export: []bgp.ExtCommunity{bgp.RouteTarget(65001, 8)}, RD: bgp.NewRD(lowVTEP, 77)}
	edit := func(c *Config) { c.Links = LinkPolicy{ByName: map[string]LinkConfig{"vxlan42": conf}} }
	withAgent(t, edit, func(t *testing.T, b *bench) {
		b.hear(t2(lowVTEP, hostA, netip.Addr{}), with(lowVTEP))
		equal(t, "number of entries by the VNI's number", len(b.macs), 0)
		b.hear(t2(lowVTEP, hostA, netip.Addr{}), with(lowVTEP, bgp.RouteTarget(65001, 7)))
		equal(t, "number of entries by the target", len(b.macs), 1)
		for k, at := range b.said {
			r := k.Route()
			equal(t, "RD", r.RD, conf.RD)
			equal(t, "targets", at.ExtCommunities[1], bgp.RouteTarget(65001, 8))
		}
		b.SetConfig(LinkPolicy{All: true}, nil) // by difference
		synctest.Wait()
		equal(t, "VTEP by the automatic target", b.at(hostA), lowVTEP)
		equal(t, "number of routes", len(b.said), 1)
		b.SetConfig(LinkPolicy{}, nil)
		synctest.Wait()
		equal(t, "number of routes of no link", len(b.said), 0)
		equal(t, "number of entries of no link", len(b.macs), 0)
	})
}

// TestRefused: what the data plane refuses is told and tried again; where it cannot be asked all
// is kept for it.
func TestRefused(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		b.locked(func() { b.refuse = errors.New("File exists") })
		b.hear(t2(lowVTEP, hostA, netip.Addr{}), with(lowVTEP))
		equal(t, "refused", b.Counts().Refused, 1)
		b.locked(func() { b.refuse = nil })
		time.Sleep(tryAgain + time.Second)
		equal(t, "VTEP", b.at(hostA), lowVTEP)
		b.locked(func() { b.dead = errors.New("connection refused") })
		b.unhear(t2(lowVTEP, hostA, netip.Addr{}))
		time.Sleep(10 * time.Second)
		b.locked(func() {
			if b.asked > 20 {
				t.Errorf("it was asked %d times in ten seconds", b.asked)
			}
			b.dead = nil
		})
		time.Sleep(askAgain)
		synctest.Wait()
		equal(t, "number of entries", len(b.macs), 0)
	})
}

// TestLinksThatStayOut: each with its reason.
func TestLinksThatStayOut(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		b.HandleLink(Link{Name: "vxlan43", VNI: 42, Local: ownVTEP})
		b.HandleLink(Link{Name: "vxlan44", VNI: 44, Local: netip.MustParseAddr("2001:db8::5")})
		b.HandleLink(Link{Name: "vxlan45", VNI: 45})
		b.HandleLink(Link{Name: "vxlan46", VNI: 70000, Local: ownVTEP})
		b.HandleLink(Link{Name: "vxlan47", VNI: 70000 - 65536, Local: ownVTEP})
		b.HandleLink(Link{Name: "vxlan48", VNI: 48, Local: ownVTEP, Quiet: true})
		b.HandleLink(Link{Name: "vxlan49", VNI: 49, Local: ownVTEP, Down: true})
		synctest.Wait()
		var rds []string
		out := map[string]string{}
		for _, v := range b.VNIs("") {
			out[v.Link] = v.Out
			if v.Out == "" {
				rds = append(rds, v.RD)
			}
		}
		for name, want := range map[string]string{"vxlan42": "", "vxlan43": "link vxlan42", "vxlan44": "ipv6: true", "vxlan45": "no local address", "vxlan46": "", "vxlan47": "", "vxlan48": "does not say evpn", "vxlan49": "uvtep link set vxlan49 up"} {
			if got := out[name]; !strings.Contains(got, want) || (got == "") != (want == "") {
				t.Errorf("%s is out because of %q, want %q", name, got, want)
			}
		}
		slices.Sort(rds)
		equal(t, "RDs", strings.Join(rds, " "), "192.0.2.5:42 192.0.2.5:4464 192.0.2.5:4465")
		equal(t, "number of T3", len(slices.Collect(maps.Keys(b.said))), 3)
		b.HandleLinkGone("vxlan42")
		synctest.Wait()
		equal(t, "reason once the other is gone", b.VNIs("vxlan43")[0].Out, "")
		b.SetConfig(LinkPolicy{All: true, ByName: map[string]LinkConfig{"vxlan48": {}, "vxlan50": {}}}, nil)
		equal(t, "reason once the file names it", b.VNIs("vxlan48")[0].Out, "")
		equal(t, "reason of one that is not there", b.VNIs("vxlan50")[0].Out, notThere)
	})
}

// TestDataPlaneGone: what is behind its links stays announced for the stale time.
func TestDataPlaneGone(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		b.seen(hostA)
		b.Lost()
		time.Sleep(119 * time.Second)
		synctest.Wait()
		equal(t, "number of routes within the stale time", b.announced(), 2)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		equal(t, "number of routes after it", b.announced(), 0)
	})
}
