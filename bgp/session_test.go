package bgp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var (
	addrA = netip.MustParseAddr("192.0.2.11")
	addrB = netip.MustParseAddr("192.0.2.12")
	addrC = netip.MustParseAddr("192.0.2.13")
)

// number returns a route of type 2 of its own.
func number(i int) Route {
	r := Route{Type: MACIP, RD: rd1, MAC: mac1, Label: 42}
	binary.BigEndian.PutUint32(r.MAC[2:], uint32(i))
	return r
}

func keyOf(r Route) Key { return r.Key() }

func numbers(from, to int) (rs []Route) {
	for i := from; i < to; i++ {
		rs = append(rs, number(i))
	}
	return rs
}

func announce(t *testing.T, n *node, a Attributes, rs ...Route) {
	t.Helper()
	for _, r := range rs {
		if err := n.Announce(r, &a); err != nil {
			t.Fatal(err)
		}
	}
}

// settle lets d pass and everything that comes of it happen.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// peerOpen is the OPEN of a scripted peer at addrB.
func peerOpen() Open {
	return Open{AS: 65001, RouterID: addrB, HoldTime: 90 * time.Second, EVPN: true, AS4: true, Refresh: true, EnhancedRefresh: true}
}

// TestTwoSpeakers: routes of one are at the other, those announced before, during and after,
// changed and withdrawn, between one AS and two, with AS numbers of two and four bytes; both
// dial, so each session comes from a collision.
func TestTwoSpeakers(t *testing.T) {
	for _, as := range [][2]uint32{{65001, 65001}, {65001, 65002}, {4200000001, 65002}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeNetwork()
			a := f.start(t, addrA, Config{AS: as[0]}, NeighbourConfig{Address: addrB, RemoteAS: as[1]})
			announce(t, a, plain, routes...)
			b := f.start(t, addrB, Config{AS: as[1]}, NeighbourConfig{Address: addrA, RemoteAS: as[0]})
			settle(3 * time.Second)
			for _, n := range []*node{a, b} {
				if s := n.only(); s.State != Established || s.Counters.Sessions != 1 || !s.EndOfRIB || s.HoldTime != 90*time.Second {
					t.Fatalf("%+v", s)
				}
				if got := n.heard.kinds(); !slices.Equal(got, []EventKind{NeighbourUp, EndOfRIB}) {
					t.Errorf("events %v", got)
				}
			}
			if n := b.heard.count(addrA); n != len(routes) {
				t.Fatalf("%d routes", n)
			}
			got := b.heard.attributes(addrA, keyOf(routes[0]))
			if wantPath := as[0] != as[1]; wantPath != slices.Equal(got.ASPath, as[:1]) || got.NextHop != vtep1 {
				t.Errorf("%+v", got)
			}
			announce(t, a, plain, numbers(0, 5000)...)
			moved := plain
			moved.ExtCommunities = append(slices.Clone(plain.ExtCommunities), MACMobility(1, false))
			announce(t, a, moved, number(7))
			a.Withdraw(keyOf(number(8)))
			a.Withdraw(keyOf(routes[0]))
			a.Withdraw(keyOf(number(99999)))
			settle(time.Second)
			k7, k8 := keyOf(number(7)), keyOf(number(8))
			if n := b.heard.count(addrA); n != len(routes)+5000-2 || b.heard.attributes(addrA, k8) != nil {
				t.Errorf("%d routes", n)
			}
			if got := b.heard.attributes(addrA, k7); len(got.ExtCommunities) != 3 {
				t.Errorf("%+v", got)
			}
			if s := a.only(); s.Announced != len(routes)+5000-2 || len(a.table.routes) != s.Announced {
				t.Errorf("%d announced, %d places", s.Announced, len(a.table.routes))
			}
			settle(time.Hour) // KEEPALIVEs hold it
			if s := b.only(); s.State != Established || s.Counters.Sessions != 1 || b.heard.strange > 0 {
				t.Errorf("%+v", s)
			}
			a.stop(t)
			settle(time.Second)
			b.heard.mu.Lock()
			down := b.heard.events[0]
			b.heard.mu.Unlock()
			if n := b.heard.count(addrA); n != 0 || down.Kind != NeighbourDown || down.Reason != "the neighbour says: cease: hard reset" {
				t.Errorf("%d routes of a speaker that ended: %+v", n, down)
			}
			b.stop(t)
		})
	}
}

// TestNoTransit: what a speaker hears it tells nobody.
func TestNoTransit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeNetwork()
		a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65002})
		b := f.start(t, addrB, Config{AS: 65002}, NeighbourConfig{Address: addrA, RemoteAS: 65001}, NeighbourConfig{Address: addrC, RemoteAS: 65003})
		c := f.start(t, addrC, Config{AS: 65003}, NeighbourConfig{Address: addrB, RemoteAS: 65002})
		announce(t, a, plain, routes...)
		settle(time.Minute)
		if b.heard.count(addrA) != len(routes) || c.only().State != Established || c.heard.count(addrB) != 0 || c.only().Counters.UpdatesIn != 1 {
			t.Errorf("%+v", c.only())
		}
		a.stop(t)
		b.stop(t)
		c.stop(t)
	})
}

// TestReplacedMulticast: a type 3 whose PMSI changes is withdrawn first, as FRR needs it.
func TestReplacedMulticast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeNetwork()
		l := f.stub(addrB)
		a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65001})
		p := l.accept(t)
		p.open(peerOpen())
		with := plain
		with.PMSI = &PMSI{Tunnel: TunnelIngressReplication, Label: 42, ID: vtep1}
		announce(t, a, plain, routes[6])
		settle(time.Second)
		announce(t, a, with, routes[6])
		settle(time.Second)
		a.stop(t)
		d, got := Decoder{AS4: true, Internal: true}, ""
		for {
			typ, body := p.next()
			if typ != typeUpdate {
				break
			}
			var u Update
			if _, err := d.Update(body, &u); err != nil {
				t.Fatal(err)
			}
			for range u.Withdrawn {
				got += "-"
			}
			for range u.Announced {
				got += "+"
			}
		}
		if got != "+-+" {
			t.Errorf("sent %s, want +-+", got)
		}
	})
}

// TestWrongNeighbours: what is not the neighbour that was configured is told why, once a
// retry, and costs a line in the log and a count.
func TestWrongNeighbours(t *testing.T) {
	for name, c := range map[string]struct {
		change        func(*Open)
		bytes         []byte
		code, subcode uint8
	}{
		"wrong AS":                {change: func(o *Open) { o.AS = 65009 }, code: codeOpen, subcode: subBadPeerAS},
		"our router id":           {change: func(o *Open) { o.RouterID = addrA }, code: codeOpen, subcode: subBadID},
		"no EVPN":                 {change: func(o *Open) { o.EVPN = false }, code: codeOpen, subcode: subNoCapability},
		"a KEEPALIVE first":       {bytes: AppendKeepalive(nil), code: codeFSM, subcode: subUnexpectedOpen},
		"no BGP":                  {bytes: []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), code: codeHeader, subcode: subUnsynchronized},
		"version 3":               {bytes: endMessage(append(appendHeader(nil, typeOpen), 3, 0, 1, 0, 90, 1, 1, 1, 1, 0), 0), code: codeOpen, subcode: subBadVersion},
		"silence":                 {code: codeHold},
		"an UPDATE after OPEN":    {bytes: append(AppendOpen(nil, new(peerOpen())), AppendEndOfRIB(nil)...), code: codeFSM, subcode: subUnexpectedConf},
		"silence after OPEN":      {bytes: AppendOpen(nil, new(peerOpen())), code: codeHold},
		"two OPENs":               {bytes: append(AppendOpen(nil, new(peerOpen())), AppendOpen(nil, new(peerOpen()))...), code: codeFSM, subcode: subUnexpectedConf},
		"an OPEN in Established":  {bytes: slices.Concat(AppendOpen(nil, new(peerOpen())), AppendKeepalive(nil), AppendOpen(nil, new(peerOpen()))), code: codeFSM, subcode: subUnexpectedEstab},
		"a header in Established": {bytes: slices.Concat(AppendOpen(nil, new(peerOpen())), AppendKeepalive(nil), make([]byte, 19)), code: codeHeader, subcode: subUnsynchronized},
		"an UPDATE whose routes cannot be found": {bytes: slices.Concat(AppendOpen(nil, new(peerOpen())), AppendKeepalive(nil),
			endMessage(append(appendHeader(nil, typeUpdate), 0, 9, 0, 0), 0)), code: codeUpdate, subcode: subMalformedList},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeNetwork()
			l := f.stub(addrB)
			a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65001})
			for range 5 {
				p := l.accept(t)
				if c.change != nil {
					o := peerOpen()
					c.change(&o)
					p.send(AppendOpen(nil, &o))
				} else {
					p.send(c.bytes)
				}
				if n := p.notification(); n == nil || n.Code != c.code || n.Subcode != c.subcode {
					t.Errorf("%s: %v", name, n)
				}
				p.conn.Close()
			}
			synctest.Wait()
			s := a.only()
			if s.Counters.Failures < 4 || s.Counters.NotificationsOut < 4 || s.LastError == "" {
				t.Errorf("%s: %+v", name, s)
			}
			if n := a.lines.count(); n == 0 || n > 10 {
				t.Errorf("%s: %d lines", name, n)
			}
			a.stop(t)
		})
	}
}

// TestRemoveAndReset: an operator's words end sessions; the routes of a neighbour that was
// removed are withdrawn when that returns.
func TestRemoveAndReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeNetwork()
		a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65001})
		b := f.start(t, addrB, Config{AS: 65001, RestartTime: time.Minute}, NeighbourConfig{Address: addrA, RemoteAS: 65001})
		announce(t, b, plain, routes...)
		settle(3 * time.Second)
		if err := a.Reset(addrB); err != nil {
			t.Fatal(err)
		}
		settle(3 * time.Second)
		if s := a.only(); s.State != Established || s.Counters.Sessions != 2 || a.heard.count(addrB) != len(routes) || s.Stale {
			t.Errorf("after a reset: %+v", s)
		}
		if err := a.RemoveNeighbour(addrB); err != nil {
			t.Fatal(err)
		}
		if n := a.heard.count(addrB); n != 0 || len(a.Neighbours()) != 0 {
			t.Errorf("%d routes of a neighbour that was removed", n)
		}
		if a.RemoveNeighbour(addrB) == nil || a.Reset(addrB) == nil || a.Refresh(addrB) == nil {
			t.Error("a neighbour that is not there can be spoken of")
		}
		settle(time.Minute)
		if s := b.only(); s.State == Established || a.Strangers() == 0 {
			t.Errorf("%+v", s)
		}
		if err := a.AddNeighbour(NeighbourConfig{Address: addrB, RemoteAS: 65001, Source: addrA}); err != nil {
			t.Fatal(err)
		}
		settle(time.Minute)
		if n := a.heard.count(addrB); n != len(routes) {
			t.Errorf("%d routes after it was added again", n)
		}
		a.stop(t)
		b.stop(t)
	})
}

// TestConfigurations that cannot be are refused.
func TestConfigurations(t *testing.T) {
	for i, c := range []Config{{}, {AS: 1}, {AS: asTrans, RouterID: addrA}, {AS: 1, RouterID: vtep6}, {AS: 1, RouterID: addrA}, {AS: 1, RouterID: addrA, Handler: &heard{}, RestartTime: 2 * time.Hour}} {
		if _, err := New(c); err == nil {
			t.Errorf("configuration %d is taken", i)
		}
	}
	s, err := New(Config{AS: 65001, RouterID: addrA, Handler: &heard{}})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []NeighbourConfig{
		{}, {Address: addrB}, {Address: netip.IPv4Unspecified(), RemoteAS: 1}, {Address: netip.MustParseAddr("::ffff:192.0.2.1"), RemoteAS: 1},
		{Address: addrB, RemoteAS: 1, Password: string(make([]byte, 81))}, {Address: addrB, RemoteAS: 1, Source: vtep6},
		{Address: addrB, RemoteAS: 1, HoldTime: time.Second}, {Address: addrB, RemoteAS: 1, ConnectRetry: -1},
		{Address: addrB, RemoteAS: 1, Limit: -1}, {Address: addrB, RemoteAS: 1, LimitAction: "explode"},
	} {
		if s.AddNeighbour(c) == nil {
			t.Errorf("neighbour %d is taken", i)
		}
	}
	for i, r := range []Route{{}, {Type: 6}, {Type: Multicast}, {Type: EthernetSegment}, {Type: IPPrefix, IP: host4, Bits: 24, Gateway: host4}, {Type: MACIP, IP: netip.MustParseAddr("::ffff:192.0.2.1")}} {
		if s.Announce(r, &plain) == nil {
			t.Errorf("route %d is announced", i)
		}
	}
	for i, a := range []Attributes{{}, {NextHop: netip.IPv4Unspecified()}, {NextHop: vtep1, ASPath: []uint32{1}}, {NextHop: vtep1, ExtCommunities: make([]ExtCommunity, 300)}, {NextHop: vtep1, PMSI: &PMSI{Tunnel: 6}}} {
		if s.Announce(routes[2], &a) == nil {
			t.Errorf("attributes %d are announced", i)
		}
	}
}
