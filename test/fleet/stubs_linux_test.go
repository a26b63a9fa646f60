package fleet_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/uvtep/uvtep/bgp"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/test/peer"
)

// stubNet has the addresses of stubs (RFC 2544: of benchmarks).
var stubNet = netip.MustParsePrefix("198.18.0.0/16")

// stubs are VTEPs that announce MAC addresses and forward nothing, in one host.
type stubs struct {
	host      *site
	reflector netip.AddrPort
	list      []*stub
	at        []int    // which stub has a MAC address
	seq       []uint32 // of a MAC address
	group     sync.WaitGroup
}

type stub struct {
	*peer.Peer
	addr netip.Addr
}

func stubAddr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, byte(1 + i/250), byte(1 + i%250)})
}

func stubMAC(i int) bgp.MAC {
	return bgp.MAC{2, 0x18, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}
}

// newStubs makes n VTEPs at a host, with each MAC addresses of its own, and their sessions.
func newStubs(t *testing.T, host, reflector *site, n, each int) *stubs {
	t.Helper()
	s := &stubs{host: host, reflector: netip.AddrPortFrom(outer(reflector.n), 179), list: make([]*stub, n), at: make([]int, n*each), seq: make([]uint32, n*each)}
	check(t, host.AddAddr("lo", stubNet), reflector.AddRoute(lab.Route{Dst: stubNet, Via: outer(host.n)}))
	for i := range s.at {
		s.at[i] = i / each
	}
	t.Cleanup(func() {
		for _, v := range s.list {
			if v != nil {
				_ = v.Close()
			}
		}
		s.group.Wait()
	})
	var opening sync.WaitGroup
	errs, slots := make([]error, n), make(chan struct{}, 16)
	for i := range s.list {
		slots <- struct{}{}
		opening.Go(func() {
			s.list[i], errs[i] = s.open(stubAddr(i))
			<-slots
		})
	}
	opening.Wait()
	check(t, errs...)
	for _, v := range s.list {
		s.group.Go(v.Discard)
	}
	return s
}

// open opens a session with the reflector from an address.
func (s *stubs) open(from netip.Addr) (*stub, error) {
	var p *peer.Peer
	err := lab.Eventually(soon, func() error { // the reflector may not listen yet
		return s.host.Do(func() error {
			d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
			c, err := d.Dial("tcp", s.reflector.String())
			if err == nil {
				p, err = peer.Open(c, 65001, from)
			}
			return err
		})
	})
	return &stub{p, from}, err
}

func (v *stub) route(typ bgp.RouteType) bgp.Route {
	return bgp.Route{Type: typ, RD: bgp.NewRD(v.addr, 42)}
}

func (v *stub) attributes(cs ...bgp.ExtCommunity) *bgp.Attributes {
	return &bgp.Attributes{NextHop: v.addr, LocalPref: 100, ExtCommunities: append([]bgp.ExtCommunity{bgp.Encapsulation(bgp.EncapVXLAN), bgp.RouteTarget(65001, 42)}, cs...)}
}

func (v *stub) t2(mac int) bgp.Route {
	r := v.route(bgp.MACIP)
	r.MAC, r.Label = stubMAC(mac), 42
	return r
}

// announce has all VTEPs announce themselves, and what they have.
func (s *stubs) announce(t *testing.T) {
	t.Helper()
	all := make([][]bgp.Route, len(s.list))
	for mac, at := range s.at {
		all[at] = append(all[at], s.list[at].t2(mac))
	}
	for i, v := range s.list {
		t3, a := v.route(bgp.Multicast), v.attributes()
		t3.IP = v.addr
		a.PMSI = &bgp.PMSI{Tunnel: bgp.TunnelIngressReplication, Label: 42, ID: v.addr}
		check(t, v.Announce(a, t3), v.Announce(v.attributes(), all[i]...), v.EndOfRIB())
	}
}

// move has a MAC address move to another VTEP (RFC 7432 section 15).
func (s *stubs) move(rnd *rand.Rand) error {
	mac := rnd.IntN(len(s.at))
	was := s.list[s.at[mac]]
	s.at[mac] = (s.at[mac] + 1 + rnd.IntN(len(s.list)-1)) % len(s.list)
	s.seq[mac]++
	is := s.list[s.at[mac]]
	if err := is.Announce(is.attributes(bgp.MACMobility(s.seq[mac], false)), is.t2(mac)); err != nil {
		return fmt.Errorf("%v: %w", is.addr, err)
	}
	return was.Withdraw(was.t2(mac))
}

// want is where each MAC address is.
func (s *stubs) want() map[string]netip.Addr {
	all := map[string]netip.Addr{}
	for mac, at := range s.at {
		all[stubMAC(mac).String()] = s.list[at].addr
	}
	return all
}
