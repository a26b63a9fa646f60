package gobgp_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/apiutil"
	gobgp "github.com/osrg/gobgp/v4/pkg/packet/bgp"
	"github.com/osrg/gobgp/v4/pkg/server"

	"github.com/uvtep/uvtep/bgp"
	"github.com/uvtep/uvtep/evpn"
)

// peering is GoBGP's server and an agent that is its neighbour, with a data plane that writes down
// what it is told.
type peering struct {
	t       *testing.T
	lib     *server.BgpServer
	speaker *bgp.Speaker
	agent   *evpn.Agent

	mu    sync.Mutex
	macs  map[bgp.MAC]evpn.Change
	vteps map[netip.Addr]evpn.Change
	addrs map[netip.Addr]evpn.Change
}

// ourVTEP is the agent's own, libVTEPs are what the library announces.
var (
	ourVTEP  = netip.MustParseAddr("192.0.2.5")
	libVTEPs = []netip.Addr{netip.MustParseAddr("192.0.2.11"), netip.MustParseAddr("192.0.2.12")}
)

// late is the speaker of an agent that is made before it.
type late struct{ *bgp.Speaker }

func newPeering(t *testing.T) *peering {
	t.Helper()
	f := &peering{t: t, macs: map[bgp.MAC]evpn.Change{}, vteps: map[netip.Addr]evpn.Change{}, addrs: map[netip.Addr]evpn.Change{}}
	near, far := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	port := freePort(t)
	f.lib = server.NewBgpServer(server.LoggerOption(slog.New(slog.DiscardHandler), &slog.LevelVar{}))
	go f.lib.Serve()
	t.Cleanup(f.lib.Stop)
	f.check(f.lib.StartBgp(t.Context(), &api.StartBgpRequest{Global: &api.Global{Asn: 65001, RouterId: "192.0.2.3", ListenPort: int32(port), ListenAddresses: []string{near.String()}}}))
	f.check(f.lib.AddPeer(t.Context(), &api.AddPeerRequest{Peer: &api.Peer{
		Conf:      &api.PeerConf{NeighborAddress: far.String(), PeerAsn: 65001},
		Transport: &api.Transport{PassiveMode: true},
		AfiSafis:  []*api.AfiSafi{{Config: &api.AfiSafiConfig{Family: &api.Family{Afi: api.Family_AFI_L2VPN, Safi: api.Family_SAFI_EVPN}, Enabled: true}}},
	}}))

	sp := &late{}
	var err error
	f.agent, err = evpn.New(evpn.Config{AS: 65001, RouterID: ourVTEP, Neighbours: []netip.Addr{near}, Links: evpn.LinkPolicy{All: true}, Speaker: sp, Plane: f})
	f.check(err)
	sp.Speaker, err = bgp.New(bgp.Config{AS: 65001, RouterID: ourVTEP, Handler: f.agent})
	f.check(err)
	f.check(sp.AddNeighbour(bgp.NeighbourConfig{Address: near, Port: port, RemoteAS: 65001, Source: far, ConnectRetry: time.Second}))
	f.speaker = sp.Speaker
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { _ = f.agent.Run(ctx) })
	group.Go(func() { _ = sp.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		group.Wait()
	})
	f.agent.BeginList()
	f.agent.HandleLink(evpn.Link{Name: "vxlan42", VNI: 42, Local: ourVTEP})
	f.agent.EndList()
	return f
}

func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // it was opened for its port alone
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

func (f *peering) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// Apply is the data plane's.
func (f *peering) Apply(_ context.Context, changes []evpn.Change) ([]error, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range changes {
		switch c.Kind {
		case evpn.SetMAC:
			f.macs[c.MAC] = c
		case evpn.DelMAC:
			delete(f.macs, c.MAC)
		case evpn.SetVTEP:
			f.vteps[c.VTEP] = c
		case evpn.DelVTEP:
			delete(f.vteps, c.VTEP)
		case evpn.SetAddr:
			f.addrs[c.Addr] = c
		case evpn.DelAddr:
			delete(f.addrs, c.Addr)
		}
	}
	return make([]error, len(changes)), nil
}

// Sweep is the data plane's.
func (f *peering) Sweep(context.Context) error { return nil }

// at is where the data plane has a MAC address.
func (f *peering) at(m bgp.MAC) netip.Addr {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.macs[m].VTEP
}

// eventually waits until cond says nothing more.
func (f *peering) eventually(cond func() string) {
	f.t.Helper()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		wrong := cond()
		if wrong == "" {
			return
		}
		if time.Now().After(end) {
			f.t.Fatal(wrong)
		}
	}
}

// path is a route of the library's with what it says of it.
func (f *peering) path(nlri gobgp.NLRI, nextHop netip.Addr, attrs []gobgp.PathAttributeInterface, cs ...gobgp.ExtendedCommunityInterface) *apiutil.Path {
	f.t.Helper()
	reach, err := gobgp.NewPathAttributeMpReachNLRI(gobgp.RF_EVPN, []gobgp.PathNLRI{{NLRI: nlri}}, nextHop)
	f.check(err)
	attrs = append([]gobgp.PathAttributeInterface{gobgp.NewPathAttributeOrigin(0), reach}, attrs...)
	if len(cs) > 0 {
		attrs = append(attrs, gobgp.NewPathAttributeExtendedCommunities(cs))
	}
	return &apiutil.Path{Family: gobgp.RF_EVPN, Nlri: nlri, Attrs: attrs}
}

func (f *peering) announce(paths ...*apiutil.Path) {
	f.t.Helper()
	_, err := f.lib.AddPath(apiutil.AddPathRequest{Paths: paths})
	f.check(err)
}

func (f *peering) withdraw(paths ...*apiutil.Path) {
	f.t.Helper()
	f.check(f.lib.DeletePath(apiutil.DeletePathRequest{Paths: paths}))
}

// has reports whether the library has a route of the agent's.
func (f *peering) has(route string) bool {
	found := false
	f.check(f.lib.ListPath(apiutil.ListPathRequest{TableType: api.TableType_TABLE_TYPE_GLOBAL, Family: gobgp.RF_EVPN}, func(prefix gobgp.NLRI, paths []*apiutil.Path) {
		for _, p := range paths {
			found = found || strings.Contains(prefix.String(), route) && p.PeerAddress.IsValid() && p.PeerAddress.String() == "127.0.0.2"
		}
	}))
	return found
}

func (f *peering) rd(v netip.Addr, n int) gobgp.RouteDistinguisherInterface {
	f.t.Helper()
	d, err := gobgp.ParseRouteDistinguisher(fmt.Sprintf("%v:%d", v, n))
	f.check(err)
	return d
}

// t2 is the MAC/IP route number n, with its MAC address.
func (f *peering) t2(n byte, v netip.Addr, e gobgp.EthernetSegmentIdentifier, tag uint32, ip netip.Addr, labels ...uint32) (gobgp.NLRI, bgp.MAC) {
	f.t.Helper()
	m := bgp.MAC{2, 0, 0x5e, 0, 0x53, n}
	nlri, err := gobgp.NewEVPNMacIPAdvertisementRoute(f.rd(v, 42), e, tag, m.String(), ip, labels)
	f.check(err)
	return nlri, m
}

func target(as uint16, n uint32) gobgp.ExtendedCommunityInterface {
	return gobgp.NewTwoOctetAsSpecificExtended(gobgp.EC_SUBTYPE_ROUTE_TARGET, as, n, true)
}

// TestLibraryPeer: what the library announces and withdraws is in the data plane and out of it,
// and what the agent announces and withdraws is in the library's table.
func TestLibraryPeer(t *testing.T) {
	f := newPeering(t)
	host := netip.MustParseAddr("2001:db8:7::9")
	nlri, m := f.t2(1, libVTEPs[0], gobgp.EthernetSegmentIdentifier{}, 0, host, 42)
	p := f.path(nlri, libVTEPs[0], nil, target(65001, 42), gobgp.NewEncapExtended(gobgp.TUNNEL_TYPE_VXLAN))
	f.announce(p)
	f.eventually(func() string {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.macs[m].VTEP != libVTEPs[0] || f.addrs[host].MAC != m {
			return fmt.Sprintf("the data plane has %+v %+v", f.macs, f.addrs)
		}
		return ""
	})
	f.withdraw(p)
	f.eventually(func() string {
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.macs)+len(f.addrs) > 0 {
			return fmt.Sprintf("the data plane still has %+v %+v", f.macs, f.addrs)
		}
		return ""
	})
	here := bgp.MAC{2, 0, 0x5e, 0, 0x53, 0xee}
	f.agent.HandleMAC(evpn.MAC{Link: "vxlan42", MAC: here, Sticky: true})
	f.agent.HandleAddr(evpn.Addr{Link: "vxlan42", MAC: here, Addr: host4})
	routes := []string{"[type:multicast][rd:192.0.2.5:42][etag:0][ip:192.0.2.5]", "[type:macadv][rd:192.0.2.5:42][etag:0][mac:" + here.String() + "]", "[mac:" + here.String() + "][ip:" + host4.String() + "]"}
	f.eventually(func() string {
		for _, r := range routes {
			if !f.has(r) {
				return "the library does not have " + r
			}
		}
		return ""
	})
	f.agent.HandleMAC(evpn.MAC{Link: "vxlan42", MAC: here, Gone: true})
	f.eventually(func() string {
		if f.has(here.String()) {
			return "the library still has it"
		}
		return ""
	})
}
