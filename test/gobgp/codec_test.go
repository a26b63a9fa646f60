// Package gobgp_test compares package bgp with GoBGP's library. It is a module of its own,
// so that nobody who imports uvtep downloads GoBGP: go -C test/gobgp test .
package gobgp_test

import (
	"encoding/binary"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	gobgp "github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/uvtep/uvtep/bgp"
)

var (
	vtep4 = netip.MustParseAddr("192.0.2.1")
	vtep6 = netip.MustParseAddr("2001:db8::1")
	host4 = netip.MustParseAddr("198.51.100.7")
	host6 = netip.MustParseAddr("2001:db8:7::7")
	rd    = bgp.NewRD(vtep4, 42)
	mac   = bgp.MAC{2, 0, 0x5e, 0, 0x53, 1}
	esi   = bgp.ESI{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
)

// pair is a route as both have it.
type pair struct {
	ours   bgp.Route
	theirs gobgp.NLRI
}

func pairs(t *testing.T) []pair {
	t.Helper()
	d, err := gobgp.ParseRouteDistinguisher("192.0.2.1:42")
	if err != nil {
		t.Fatal(err)
	}
	none, segment := gobgp.EthernetSegmentIdentifier{}, gobgp.EthernetSegmentIdentifier{Value: esi[1:]}
	must := func(n *gobgp.EVPNNLRI, err error) gobgp.NLRI {
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	macIP := func(e gobgp.EthernetSegmentIdentifier, tag uint32, ip netip.Addr, labels ...uint32) gobgp.NLRI {
		return must(gobgp.NewEVPNMacIPAdvertisementRoute(d, e, tag, mac.String(), ip, labels))
	}
	prefix4, prefix6 := netip.MustParseAddr("203.0.113.0"), netip.MustParseAddr("2001:db8:4::")
	return []pair{
		{bgp.Route{Type: bgp.AutoDiscovery, RD: rd, ESI: esi, ETag: bgp.MaxETag}, gobgp.NewEVPNEthernetAutoDiscoveryRoute(d, segment, bgp.MaxETag, 0)},
		{bgp.Route{Type: bgp.AutoDiscovery, RD: rd, ESI: esi, Label: 42}, gobgp.NewEVPNEthernetAutoDiscoveryRoute(d, segment, 0, 42)},
		{bgp.Route{Type: bgp.MACIP, RD: rd, MAC: mac, Label: 42}, macIP(none, 0, netip.Addr{}, 42)},
		{bgp.Route{Type: bgp.MACIP, RD: rd, MAC: mac, IP: host4, Label: 42}, macIP(none, 0, host4, 42)},
		{bgp.Route{Type: bgp.MACIP, RD: rd, ESI: esi, ETag: 7, MAC: mac, IP: host6, Label: 42, Label2: 43, HasLabel2: true}, macIP(segment, 7, host6, 42, 43)},
		{bgp.Route{Type: bgp.Multicast, RD: rd, IP: vtep4}, must(gobgp.NewEVPNMulticastEthernetTagRoute(d, 0, vtep4))},
		{bgp.Route{Type: bgp.Multicast, RD: rd, ETag: 9, IP: vtep6}, must(gobgp.NewEVPNMulticastEthernetTagRoute(d, 9, vtep6))},
		{bgp.Route{Type: bgp.EthernetSegment, RD: rd, ESI: esi, IP: vtep4}, must(gobgp.NewEVPNEthernetSegmentRoute(d, segment, vtep4))},
		{bgp.Route{Type: bgp.IPPrefix, RD: rd, IP: prefix4, Bits: 24, Gateway: netip.IPv4Unspecified(), Label: 42}, must(gobgp.NewEVPNIPPrefixRoute(d, none, 0, 24, prefix4, netip.IPv4Unspecified(), 42))},
		{bgp.Route{Type: bgp.IPPrefix, RD: rd, ESI: esi, IP: prefix6, Bits: 48, Gateway: vtep6, Label: 42}, must(gobgp.NewEVPNIPPrefixRoute(d, segment, 0, 48, prefix6, vtep6, 42))},
	}
}

// TestRoutes: each route has the same bytes from both, and each reads the other's.
func TestRoutes(t *testing.T) {
	for _, p := range pairs(t) {
		reach, err := gobgp.NewPathAttributeMpReachNLRI(gobgp.RF_EVPN, []gobgp.PathNLRI{{NLRI: p.theirs}}, vtep4)
		if err != nil {
			t.Fatal(err)
		}
		m, err := gobgp.NewBGPUpdateMessage(nil, []gobgp.PathAttributeInterface{
			gobgp.NewPathAttributeOrigin(0), gobgp.NewPathAttributeAsPath(nil), reach, gobgp.NewPathAttributeLocalPref(100),
		}, nil).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		d := bgp.Decoder{AS4: true, Internal: true}
		var u bgp.Update
		if _, err := d.Update(m[19:], &u); err != nil || len(u.Announced) != 1 || u.Announced[0] != p.ours || len(d.Drops) > 0 {
			t.Errorf("GoBGP's %v is read as %+v: %v %v", p.theirs, u.Announced, err, d.Drops)
		}
		e := bgp.Encoder{AS4: true, Internal: true}
		b := e.AppendUpdate(nil, &bgp.Update{Announced: []bgp.Route{p.ours}, Attributes: &bgp.Attributes{NextHop: vtep4}})
		parsed, err := gobgp.ParseBGPMessage(b)
		if err != nil {
			t.Errorf("%v is refused: %v", p.ours, err)
			continue
		}
		for _, a := range parsed.Body.(*gobgp.BGPUpdate).PathAttributes {
			if r, ok := a.(*gobgp.PathAttributeMpReachNLRI); ok && (len(r.Value) != 1 || r.Value[0].NLRI.String() != p.theirs.String()) {
				t.Errorf("%v is read as %v, want %v", p.ours, r.Value, p.theirs)
			}
		}
	}
}

// TestAttributes: GoBGP reads our attributes, and what it writes of them is what was.
func TestAttributes(t *testing.T) {
	want := bgp.Attributes{
		NextHop: vtep6, Origin: bgp.OriginIncomplete, ASPath: []uint32{4200000000}, MED: 7, LocalPref: 100, Communities: []bgp.Community{65001<<16 | 7},
		ExtCommunities: []bgp.ExtCommunity{bgp.RouteTarget(65001, 42), bgp.RouteTarget(4200000000, 42), bgp.Encapsulation(bgp.EncapVXLAN), bgp.MACMobility(9, true)},
		PMSI:           &bgp.PMSI{Tunnel: bgp.TunnelIngressReplication, Label: 42, ID: vtep4},
	}
	sent := want
	sent.ASPath = nil
	e := bgp.Encoder{AS: 4200000000, AS4: true}
	routes := []bgp.Route{{Type: bgp.Multicast, RD: rd, IP: vtep4}}
	b := e.AppendUpdate(nil, &bgp.Update{Announced: routes, Attributes: &sent})
	m, err := gobgp.ParseBGPMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = m.Serialize(); err != nil {
		t.Fatal(err)
	}
	d := bgp.Decoder{AS4: true}
	var u bgp.Update
	if _, err := d.Update(b[19:], &u); err != nil || !slices.Equal(u.Announced, routes) || !reflect.DeepEqual(*u.Attributes, want) || len(d.Drops) > 0 {
		t.Errorf("%+v %+v %v %v, want %+v", u.Announced, u.Attributes, err, d.Drops, want)
	}
}

// TestOpens: GoBGP reads our OPEN, and we read what it writes of it.
func TestOpens(t *testing.T) {
	want := bgp.Open{
		AS: 4200000000, RouterID: vtep4, HoldTime: 90 * time.Second, EVPN: true, AS4: true, Refresh: true, EnhancedRefresh: true,
		Restart: &bgp.Restart{Restarted: true, Notification: true, Time: 120 * time.Second, EVPN: true, Forwarding: true},
	}
	m, err := gobgp.ParseBGPMessage(bgp.AppendOpen(nil, &want))
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Serialize()
	if err != nil {
		t.Fatal(err)
	}
	got, err := bgp.ParseOpen(b[19:])
	if err != nil {
		t.Fatal(err)
	}
	got.Codes = nil
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("%+v, want %+v", *got, want)
	}
}

// stream is 100,000 routes of type 2, one neighbour's.
func stream() (messages [][]byte, routes int) {
	e := bgp.Encoder{AS4: true, Internal: true}
	attributes := bgp.Attributes{NextHop: vtep4, ExtCommunities: []bgp.ExtCommunity{bgp.RouteTarget(65001, 42), bgp.Encapsulation(bgp.EncapVXLAN)}}
	var all []bgp.Route
	for i := range 100_000 {
		r := bgp.Route{Type: bgp.MACIP, RD: rd, MAC: mac, IP: host4, Label: 42}
		binary.BigEndian.PutUint32(r.MAC[2:], uint32(i))
		all = append(all, r)
	}
	for b := e.AppendUpdate(nil, &bgp.Update{Announced: all, Attributes: &attributes}); len(b) > 0; {
		n := binary.BigEndian.Uint16(b[16:])
		messages = append(messages, b[:n])
		b = b[n:]
	}
	return messages, len(all)
}

// BenchmarkDecode reads 100,000 routes, packed as they are sent, with both codecs.
func BenchmarkDecode(b *testing.B) {
	messages, n := stream()
	b.Run("uvtep", func(b *testing.B) {
		d := bgp.Decoder{AS4: true, Internal: true}
		var u bgp.Update
		b.ReportAllocs()
		for b.Loop() {
			for _, m := range messages {
				if _, err := d.Update(m[19:], &u); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/route")
	})
	b.Run("gobgp", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, m := range messages {
				if _, err := gobgp.ParseBGPMessage(m); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/route")
	})
}
