package gobgp_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v4/pkg/apiutil"
	gobgp "github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/uvtep/uvtep/bgp"
	"github.com/uvtep/uvtep/evpn"
)

// oddRoute is a valid route that is not as most are, and what becomes of it.
type oddRoute struct {
	name   string
	path   *apiutil.Path
	route  string     // as the agent prints it
	mac    bgp.MAC    // of a T2
	vtep   netip.Addr // where the data plane then has it, or whom it floods to; not valid: nowhere
	reason evpn.Reason
}

// oddRoutes are of type 2 unless they say otherwise.
func oddRoutes(f *peering) []oddRoute {
	f.t.Helper()
	v, none := libVTEPs[0], gobgp.EthernetSegmentIdentifier{}
	ours, vxlan := target(65001, 42), gobgp.NewEncapExtended(gobgp.TUNNEL_TYPE_VXLAN)
	byIP, err := gobgp.NewIPv4AddressSpecificExtended(gobgp.EC_SUBTYPE_ROUTE_TARGET, v, 42, true)
	f.check(err)
	all := []struct {
		name    string
		tag     uint32
		labels  []uint32
		nextHop netip.Addr
		attrs   []gobgp.PathAttributeInterface
		cs      []gobgp.ExtendedCommunityInterface
		reason  evpn.Reason
	}{
		{name: "no encapsulation", cs: []gobgp.ExtendedCommunityInterface{ours}},
		{name: "another label", labels: []uint32{99}, cs: []gobgp.ExtendedCommunityInterface{ours, vxlan}},
		{name: "an Ethernet tag", tag: 7, cs: []gobgp.ExtendedCommunityInterface{ours, vxlan}},
		{name: "a router's, with two labels and targets", labels: []uint32{42, 5000}, cs: []gobgp.ExtendedCommunityInterface{ours, target(65001, 5000), vxlan, gobgp.NewRoutersMacExtended("02:00:5e:00:53:ff")}},
		{name: "the target of another AS", cs: []gobgp.ExtendedCommunityInterface{target(64999, 42), vxlan}},
		{name: "the target of an address", cs: []gobgp.ExtendedCommunityInterface{byIP, vxlan}},
		{name: "the target of an AS of four bytes", cs: []gobgp.ExtendedCommunityInterface{gobgp.NewFourOctetAsSpecificExtended(gobgp.EC_SUBTYPE_ROUTE_TARGET, 4200000000, 42, true), vxlan}},
		{name: "the target of RFC 8365", cs: []gobgp.ExtendedCommunityInterface{target(65001, 0x10000000|42), vxlan}},
		{name: "an unknown community", cs: []gobgp.ExtendedCommunityInterface{ours, gobgp.NewUnknownExtended(0x43, []byte{1, 2, 3})}},
		{name: "the flags of RFC 9047", cs: []gobgp.ExtendedCommunityInterface{ours, gobgp.NewUnknownExtended(gobgp.EC_TYPE_EVPN, []byte{8, 1})}},
		{name: "an unknown attribute", cs: []gobgp.ExtendedCommunityInterface{ours}, attrs: []gobgp.PathAttributeInterface{
			gobgp.NewPathAttributeUnknown(gobgp.BGP_ATTR_FLAG_OPTIONAL|gobgp.BGP_ATTR_FLAG_TRANSITIVE, 240, []byte{1, 2, 3}),
		}},
		{name: "a default gateway", cs: []gobgp.ExtendedCommunityInterface{ours, gobgp.NewDefaultGatewayExtended()}},
		{name: "the highest sequence number", cs: []gobgp.ExtendedCommunityInterface{ours, gobgp.NewMacMobilityExtended(0xffffffff, false)}},
		{name: "sticky", cs: []gobgp.ExtendedCommunityInterface{ours, gobgp.NewMacMobilityExtended(0, true)}},
		{name: "another VNI's target", cs: []gobgp.ExtendedCommunityInterface{target(65001, 43)}, reason: evpn.NoTarget},
		{name: "no target", reason: evpn.NoTarget},
		{name: "our own next hop", nextHop: ourVTEP, cs: []gobgp.ExtendedCommunityInterface{ours}, reason: evpn.OwnNextHop},
		{name: "a next hop of nobody", nextHop: netip.IPv4Unspecified(), cs: []gobgp.ExtendedCommunityInterface{ours}, reason: evpn.NoNextHop},
		{name: "an IPv6 next hop", nextHop: netip.MustParseAddr("2001:db8::11"), cs: []gobgp.ExtendedCommunityInterface{ours}, reason: evpn.OtherFamily},
	}
	var odd []oddRoute
	for i, c := range all {
		if c.labels == nil {
			c.labels = []uint32{42}
		}
		if !c.nextHop.IsValid() {
			c.nextHop = v
		}
		nlri, m := f.t2(byte(i+1), v, none, c.tag, netip.Addr{}, c.labels...)
		o := oddRoute{name: c.name, path: f.path(nlri, c.nextHop, c.attrs, c.cs...), route: fmt.Sprintf("[2]:[%d]:[48]:[%v]", c.tag, m), mac: m, reason: c.reason}
		if c.reason == evpn.Used {
			o.vtep = v
		}
		odd = append(odd, o)
	}
	return append(odd, otherTypes(f)...)
}

// otherTypes are odd routes of other types than 2, and of addresses that are no host's.
func otherTypes(f *peering) (odd []oddRoute) {
	f.t.Helper()
	ours, none := target(65001, 42), gobgp.EthernetSegmentIdentifier{}
	add := func(name, route string, nlri gobgp.NLRI, err error, reason evpn.Reason, vtep netip.Addr, attrs ...gobgp.PathAttributeInterface) {
		f.check(err)
		odd = append(odd, oddRoute{name: name, path: f.path(nlri, libVTEPs[0], attrs, ours), route: route, reason: reason, vtep: vtep})
	}
	t3 := func(name string, n byte, reason evpn.Reason, attrs ...gobgp.PathAttributeInterface) {
		v, flooded := netip.AddrFrom4([4]byte{192, 0, 2, n}), netip.Addr{}
		nlri, err := gobgp.NewEVPNMulticastEthernetTagRoute(f.rd(v, 42), 0, v)
		if reason == evpn.Used {
			flooded = v
		}
		add(name, fmt.Sprintf("[3]:[0]:[32]:[%v]", v), nlri, err, reason, flooded, attrs...)
	}
	pmsi := func(typ gobgp.PmsiTunnelType, label uint32) gobgp.PathAttributeInterface {
		return gobgp.NewPathAttributePmsiTunnel(typ, false, label, gobgp.NewDefaultPmsiTunnelID([]byte{192, 0, 2, 21}))
	}
	t3("a T3 with another label", 21, evpn.Used, pmsi(gobgp.PMSI_TUNNEL_TYPE_INGRESS_REPL, 99))
	t3("a T3 of PIM", 22, evpn.NoTunnel, pmsi(gobgp.PMSI_TUNNEL_TYPE_PIM_SM_TREE, 42))
	t3("a T3 without a tunnel", 23, evpn.NoTunnel)
	six := netip.MustParseAddr("2001:db8::11")
	t3of6, err := gobgp.NewEVPNMulticastEthernetTagRoute(f.rd(libVTEPs[0], 43), 0, six)
	add("a T3 of an IPv6 VTEP", "[3]:[0]:[128]:[2001:db8::11]", t3of6, err, evpn.BadOriginator, netip.Addr{}, pmsi(gobgp.PMSI_TUNNEL_TYPE_INGRESS_REPL, 42))
	own, err := gobgp.NewEVPNMulticastEthernetTagRoute(f.rd(libVTEPs[0], 44), 0, ourVTEP)
	add("a T3 of our own address", "[3]:[0]:[32]:[192.0.2.5]", own, err, evpn.BadOriginator, netip.Addr{}, pmsi(gobgp.PMSI_TUNNEL_TYPE_INGRESS_REPL, 42))
	for _, m := range []string{"01:00:5e:00:00:fb", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"} {
		group, err := gobgp.NewEVPNMacIPAdvertisementRoute(f.rd(libVTEPs[0], 42), none, 0, m, netip.Addr{}, []uint32{42})
		add("the MAC address "+m, fmt.Sprintf("[2]:[0]:[48]:[%s]", m), group, err, evpn.BadMAC, netip.Addr{})
	}
	segment := gobgp.EthernetSegmentIdentifier{Type: gobgp.ESI_MAC, Value: []byte{2, 0, 0x5e, 0, 0x53, 1, 0, 0, 9}}
	behind, m := f.t2(0xe0, libVTEPs[0], segment, 0, netip.Addr{}, 42)
	add("behind an unknown segment", fmt.Sprintf("[2]:[0]:[48]:[%v]", m), behind, nil, evpn.NoSegment, netip.Addr{})
	t4, err := gobgp.NewEVPNEthernetSegmentRoute(f.rd(libVTEPs[0], 0), segment, libVTEPs[0])
	add("a T4", "[4]:", t4, err, evpn.NotUsed, netip.Addr{})
	prefix := netip.MustParseAddr("203.0.113.0")
	t5, err := gobgp.NewEVPNIPPrefixRoute(f.rd(libVTEPs[0], 5000), none, 0, 24, prefix, netip.IPv4Unspecified(), 5000)
	add("a T5", "[5]:[0]:[24]:[203.0.113.0]", t5, err, evpn.NotUsed, netip.Addr{})
	return odd
}

// TestOddRoutes: each has one session and the routes of all others for company, is used or says why
// not, and goes without a trace.
func TestOddRoutes(t *testing.T) {
	f := newPeering(t)
	odd := oddRoutes(f)
	for _, o := range odd {
		f.announce(o.path)
	}
	for _, o := range odd {
		f.eventually(func() string { return f.wrong(&o) })
	}
	for _, o := range odd {
		f.withdraw(o.path)
	}
	f.eventually(func() string {
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.macs)+len(f.vteps) > 0 {
			return fmt.Sprintf("the data plane still has %+v %+v", f.macs, f.vteps)
		}
		return ""
	})
}

// perRegion is an I-PMSI route of a region (RFC 9572 section 3.1) as long as it says: the library writes eight bytes too many
// between its Ethernet tag and its community.
type perRegion struct{ *gobgp.EVPNIPMSIRoute }

func (r perRegion) Serialize() ([]byte, error) {
	b, err := r.EVPNIPMSIRoute.Serialize()
	if err != nil {
		return nil, err
	}
	return append(b[:12:12], b[20:]...), nil
}

// TestUnknownType: a route of a type that is not known is ignored (RFC 7432 section 7); here of type 9. It costs
// neither the session nor the route after it anything.
func TestUnknownType(t *testing.T) {
	f := newPeering(t)
	unknown := gobgp.NewEVPNNLRI(gobgp.EVPN_I_PMSI, perRegion{&gobgp.EVPNIPMSIRoute{RD: f.rd(libVTEPs[0], 42), EC: target(65001, 42)}})
	f.announce(f.path(unknown, libVTEPs[0], nil, target(65001, 42)))
	nlri, m := f.t2(1, libVTEPs[0], gobgp.EthernetSegmentIdentifier{}, 0, netip.Addr{}, 42)
	f.announce(f.path(nlri, libVTEPs[0], nil, target(65001, 42)))
	f.eventually(func() string {
		if at := f.at(m); at != libVTEPs[0] {
			return fmt.Sprintf("the data plane has the address at %v", at)
		}
		return ""
	})
	s := f.speaker.Neighbours()[0].Counters
	if s.Drops[bgp.DropType] != 1 || s.Sessions != 1 || s.Failures != 0 {
		t.Errorf("the session has %+v", s)
	}
}

// wrong says what of the route is not as it should be.
func (f *peering) wrong(o *oddRoute) string {
	var shown *evpn.RouteView
	for _, v := range f.agent.Routes(0) {
		if v.Neighbour.IsValid() && strings.HasPrefix(v.Route, o.route) {
			shown = &v
		}
	}
	if shown == nil {
		return fmt.Sprintf("%s: there is no route %s", o.name, o.route)
	}
	want := ""
	if o.reason != evpn.Used {
		want = o.reason.Explain()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	at, flooded := f.macs[o.mac].VTEP, o.vtep.IsValid() && f.vteps[o.vtep].Flood
	switch {
	case shown.Reason != want:
		return fmt.Sprintf("%s: not used for the reason %q, want %q", o.name, shown.Reason, want)
	case o.mac != bgp.MAC{} && at != o.vtep:
		return fmt.Sprintf("%s: the data plane has it at %v, want %v", o.name, at, o.vtep)
	case o.mac == bgp.MAC{} && flooded != o.vtep.IsValid():
		return fmt.Sprintf("%s: flooded to: %t", o.name, flooded)
	}
	return ""
}

// TestMultihomed: addresses of a segment with two VTEPs are shared between them, and all go to the
// one that is left as soon as the other one withdraws its T1 of the whole segment, whatever T2
// there are.
func TestMultihomed(t *testing.T) {
	f := newPeering(t)
	segment := gobgp.EthernetSegmentIdentifier{Type: gobgp.ESI_MAC, Value: []byte{2, 0, 0x5e, 0, 0x53, 1, 0, 0, 1}}
	var whole []*apiutil.Path
	for _, v := range libVTEPs {
		es := gobgp.NewEVPNEthernetAutoDiscoveryRoute(f.rd(v, 1), segment, bgp.MaxETag, 0)
		t4, err := gobgp.NewEVPNEthernetSegmentRoute(f.rd(v, 1), segment, v)
		f.check(err)
		whole = append(whole, f.path(es, v, nil, target(65001, 42), gobgp.NewESILabelExtended(0, false)))
		evi := gobgp.NewEVPNEthernetAutoDiscoveryRoute(f.rd(v, 42), segment, 0, 42)
		f.announce(f.path(t4, v, nil, gobgp.NewESImportRouteTarget("02:00:5e:00:53:01")), f.path(evi, v, nil, target(65001, 42)), whole[len(whole)-1])
	}
	var macs []bgp.MAC
	var hosts []*apiutil.Path
	for n := range 32 {
		nlri, m := f.t2(byte(n), libVTEPs[0], segment, 0, netip.Addr{}, 42)
		macs, hosts = append(macs, m), append(hosts, f.path(nlri, libVTEPs[0], nil, target(65001, 42)))
	}
	f.announce(hosts...)
	shares := func() map[netip.Addr]int {
		n := map[netip.Addr]int{}
		for _, m := range macs {
			n[f.at(m)]++
		}
		return n
	}
	both := func() string {
		if n := shares(); n[libVTEPs[0]] < 5 || n[libVTEPs[1]] < 5 || len(n) != 2 {
			return fmt.Sprintf("the addresses are at %v", n)
		}
		return ""
	}
	f.eventually(both)
	f.withdraw(whole[0])
	f.eventually(func() string {
		if n := shares(); n[libVTEPs[1]] != len(macs) {
			return fmt.Sprintf("after the mass withdrawal the addresses are at %v", n)
		}
		return ""
	})
	f.announce(whole[0])
	f.eventually(both)
	f.withdraw(hosts...)
	f.eventually(func() string {
		if n := shares(); n[netip.Addr{}] != len(macs) {
			return fmt.Sprintf("after their withdrawal the addresses are at %v", n)
		}
		return ""
	})
}
