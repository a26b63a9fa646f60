package bgp

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// restarting is the OPEN of a peer that asks to keep its routes for a minute.
func restarting() Open {
	o := peerOpen()
	o.Restart = &Restart{Notification: true, Time: time.Minute, EVPN: true, Forwarding: true}
	return o
}

// TestGracefulRestart: what becomes of a neighbour's routes, by how its session ends and how
// it comes again (RFC 4724 section 4.2, RFC 8538 section 4).
func TestGracefulRestart(t *testing.T) {
	cease := func(sub uint8) []byte { return AppendNotification(nil, &Notification{Code: codeCease, Subcode: sub}) }
	for name, c := range map[string]struct {
		first, second func(*Open)
		says          []byte // before it closes
		config        NeighbourConfig
		kept          bool // while it is away
		keptThen      bool // when it is there again, before its End-of-RIB
	}{
		"lost":                       {kept: true, keptThen: true},
		"NOTIFICATION":               {says: cease(subReset), kept: true, keptThen: true},
		"hard reset":                 {says: cease(subHardReset)},
		"NOTIFICATION, not RFC 8538": {first: func(o *Open) { o.Restart.Notification = false }, says: cease(subReset)},
		"no RFC 4724":                {first: func(o *Open) { o.Restart = nil }},
		"only a helper":              {first: func(o *Open) { o.Restart.EVPN, o.Restart.Forwarding = false, false }},
		"no time":                    {first: func(o *Open) { o.Restart.Time = 0 }},
		"forwarding lost":            {second: func(o *Open) { o.Restart.Forwarding = false }, kept: true},
		"without RFC 4724 then":      {second: func(o *Open) { o.Restart = nil }, kept: true},
		"stale-time negative":        {config: NeighbourConfig{StaleTime: -1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeNetwork()
			l := f.stub(addrB)
			c.config.Address, c.config.RemoteAS = addrB, 65001
			a := f.start(t, addrA, Config{AS: 65001}, c.config)
			e := Encoder{AS4: true, Internal: true}
			p := l.accept(t)
			o := restarting()
			if c.first != nil {
				c.first(&o)
			}
			p.open(o)
			p.send(e.AppendUpdate(nil, &Update{Announced: numbers(0, 100), Attributes: &plain}), AppendEndOfRIB(nil))
			if c.says != nil {
				p.send(c.says)
			}
			synctest.Wait()
			p.conn.Close()
			synctest.Wait()
			if n := a.heard.count(addrB); (n == 100) != c.kept || a.only().Stale != c.kept {
				t.Errorf("%s: %d routes while it is away", name, n)
			}
			p = l.accept(t)
			o = restarting()
			if c.second != nil {
				c.second(&o)
			}
			p.open(o)
			synctest.Wait()
			if n := a.heard.count(addrB); (n == 100) != c.keptThen {
				t.Errorf("%s: %d routes when it is there again", name, n)
			}
			if a.heard.restart() != (o.Restart != nil) {
				t.Errorf("%s: its End-of-RIB is awaited: %v", name, a.heard.restart())
			}
			p.send(e.AppendUpdate(nil, &Update{Announced: numbers(50, 120), Attributes: &plain}), AppendEndOfRIB(nil))
			synctest.Wait()
			if n := a.heard.count(addrB); n != 70 || a.only().Routes != 70 || a.only().Stale || a.heard.strange > 0 {
				t.Errorf("%s: %d routes after End-of-RIB", name, n)
			}
			want := []EventKind{NeighbourUp, EndOfRIB, NeighbourDown, NeighbourUp, EndOfRIB}
			if c.kept && c.keptThen {
				want = []EventKind{NeighbourUp, EndOfRIB, NeighbourDown, StaleBegin, NeighbourUp, StaleEnd, EndOfRIB}
			} else if c.kept {
				want = []EventKind{NeighbourUp, EndOfRIB, NeighbourDown, StaleBegin, NeighbourUp, StaleEnd, EndOfRIB}
			}
			if got := a.heard.kinds(); !slices.Equal(got, want) {
				t.Errorf("%s: events %v, want %v", name, got, want)
			}
			a.stop(t)
		})
	}
}

// TestStaleTimes: routes without a session go when the neighbour's time is over, those that
// did not come again when ours is, those of a second loss at once.
func TestStaleTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeNetwork()
		l := f.stub(addrB)
		a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65001, Passive: true, StaleTime: 100 * time.Second})
		e := Encoder{AS4: true, Internal: true}
		connect := func(routes ...Route) *peer {
			synctest.Wait()
			c, err := f.connect(addrB, netip.AddrPortFrom(addrA, 179))
			if err != nil {
				t.Fatal(err)
			}
			p := &peer{t, c, newReader(c)}
			p.open(restarting())
			p.send(e.AppendUpdate(nil, &Update{Announced: routes, Attributes: &plain}))
			go p.discard()
			synctest.Wait()
			return p
		}
		check := func(when string, want int) {
			t.Helper()
			if n := a.heard.count(addrB); n != want {
				t.Errorf("%s: %d routes, want %d", when, n, want)
			}
		}
		connect(numbers(0, 100)...).conn.Close()
		settle(59 * time.Second)
		check("within the restart time", 100)
		settle(2 * time.Second)
		check("after the restart time", 0)

		connect(numbers(0, 100)...).conn.Close()
		synctest.Wait()
		p := connect(numbers(0, 10)...)
		for range 9 {
			settle(10 * time.Second)
			p.send(AppendKeepalive(nil))
		}
		check("without End-of-RIB", 100)
		settle(11 * time.Second)
		check("without End-of-RIB, after the stale time", 10)
		p.conn.Close()
		synctest.Wait()
		connect(numbers(5, 8)...).conn.Close()
		synctest.Wait()
		check("lost a second time", 3)
		// It comes again before the loss is noticed.
		connect(numbers(5, 9)...)
		if connect(numbers(5, 9)...); a.only().Counters.Sessions != 6 || a.only().State != Established {
			t.Errorf("%+v", a.only())
		}
		check("twice at once", 4)
		_ = l
		a.stop(t)
	})
}

// TestSecondSession: a connection beside a session is refused, unless it is a restart's.
func TestSecondSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeNetwork()
		l := f.stub(addrB)
		a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65001})
		first := l.accept(t)
		first.open(peerOpen())
		synctest.Wait()
		for _, o := range []Open{peerOpen(), restarting()} {
			c, err := f.connect(addrB, netip.AddrPortFrom(addrA, 179))
			if err != nil {
				t.Fatal(err)
			}
			p := &peer{t, c, newReader(c)}
			p.open(o)
			if n := p.notification(); n == nil || n.Code != codeCease || n.Subcode != subCollision {
				t.Errorf("%v", n)
			}
			c.Close()
		}
		if s := a.only(); s.State != Established || s.Counters.Sessions != 1 {
			t.Errorf("%+v", s)
		}
		a.stop(t)
	})
}

// TestOwnRestart: a speaker that asks for it ends without a word, says so when it is back,
// and its routes stay at its neighbour.
func TestOwnRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeNetwork()
		b := f.start(t, addrB, Config{AS: 65001}, NeighbourConfig{Address: addrA, RemoteAS: 65001})
		start := func(restarted bool) *node {
			a := f.start(t, addrA, Config{AS: 65001, RestartTime: 2 * time.Minute, Restarted: restarted}, NeighbourConfig{Address: addrB, RemoteAS: 65001})
			announce(t, a, plain, routes...)
			settle(20 * time.Second)
			return a
		}
		a := start(false)
		a.stop(t)
		settle(time.Minute)
		if n := b.heard.count(addrA); n != len(routes) || !b.only().Stale {
			t.Errorf("%d routes are kept", n)
		}
		a = start(true)
		if n := b.heard.count(addrA); n != len(routes) || b.only().Stale || b.heard.strange > 0 {
			t.Errorf("%d routes after the restart", n)
		}
		a.stop(t)
		b.stop(t)
	})
}

// TestRefresh: each side's routes can be asked for again, with marks (RFC 7313) and without.
func TestRefresh(t *testing.T) {
	for _, enhanced := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeNetwork()
			l := f.stub(addrB)
			a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65001})
			announce(t, a, plain, routes...)
			p := l.accept(t)
			o := peerOpen()
			o.EnhancedRefresh = enhanced
			p.open(o)
			e := Encoder{AS4: true, Internal: true}
			p.send(e.AppendUpdate(nil, &Update{Announced: numbers(0, 10), Attributes: &plain}), AppendEndOfRIB(nil))
			settle(time.Second)
			p.send(appendRefresh(nil, refreshRequest))
			settle(time.Second)
			if err := a.Refresh(addrB); err != nil {
				t.Fatal(err)
			}
			settle(time.Second)
			if enhanced {
				p.send(appendRefresh(nil, refreshBegin))
			}
			p.send(e.AppendUpdate(nil, &Update{Announced: numbers(5, 12), Attributes: &plain}))
			if enhanced {
				p.send(appendRefresh(nil, refreshEnd))
			}
			synctest.Wait()
			want := 12
			if enhanced {
				want = 7
			}
			if n := a.heard.count(addrB); n != want || a.only().Stale {
				t.Errorf("%d routes after a refresh, want %d", n, want)
			}
			a.stop(t)
			var got []string
			d := Decoder{AS4: true, Internal: true}
			for {
				typ, body := p.next()
				if typ == 0 || typ == typeNotification {
					break
				}
				if typ == typeRefresh {
					got = append(got, []string{"request", "begin", "end"}[body[2]])
					continue
				}
				var u Update
				if end, err := d.Update(body, &u); err != nil {
					t.Fatal(err)
				} else if end {
					got = append(got, "EoR")
				} else if len(u.Announced) == len(routes) {
					got = append(got, "all")
				}
			}
			wantSent := []string{"all", "EoR", "begin", "all", "end", "request"}
			if !enhanced {
				wantSent = []string{"all", "EoR", "all", "request"}
			}
			if !slices.Equal(got, wantSent) {
				t.Errorf("sent %v, want %v", got, wantSent)
			}
		})
	}
}

// TestLimit has what each action does with a neighbour of too many routes.
func TestLimit(t *testing.T) {
	for _, action := range []LimitAction{LimitDiscard, LimitReset, LimitWarn} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeNetwork()
			l := f.stub(addrB)
			a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65001, Limit: 1000, LimitAction: action})
			p := l.accept(t)
			p.open(peerOpen())
			e := Encoder{AS4: true, Internal: true}
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for i := 0; i < 100_000; i += 10_000 {
					if _, err := p.conn.Write(e.AppendUpdate(nil, &Update{Announced: numbers(i, i+10_000), Attributes: &plain})); err != nil {
						return
					}
				}
			}()
			<-sent
			synctest.Wait()
			s, n, kinds := a.only(), a.heard.count(addrB), a.heard.kinds()
			if lines := a.lines.count(); lines > 4 || !slices.Contains(kinds, LimitReached) {
				t.Errorf("%s: %d lines, events %v", action, lines, kinds)
			}
			switch action {
			case LimitDiscard:
				if n != 1000 || s.State != Established || s.Counters.Drops[DropLimit] != 99_000 {
					t.Errorf("%s: %d routes, %+v", action, n, s)
				}
				settle(2 * time.Second)
				p.send(e.AppendUpdate(nil, &Update{Withdrawn: numbers(0, 500)}))
				synctest.Wait()
				if s := a.only(); s.Counters.RefreshesOut != 1 || s.Routes != 500 {
					t.Errorf("%s: with room again: %+v", action, s)
				}
			case LimitReset:
				if n != 0 || s.State != Idle || s.Counters.NotificationsOut != 1 {
					t.Errorf("%s: %d routes, %+v", action, n, s)
				}
				began := time.Now()
				l.accept(t)
				if waited := time.Since(began); waited < 55*time.Second {
					t.Errorf("%s: it is tried again after %v", action, waited)
				}
			case LimitWarn:
				if n != 100_000 || s.State != Established {
					t.Errorf("%s: %d routes, %+v", action, n, s)
				}
			}
			a.stop(t)
		})
	}
}

// TestOwnRoutes: what comes back to its origin is not handed over, and takes the place of
// what was.
func TestOwnRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeNetwork()
		l := f.stub(addrB)
		a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65002})
		p := l.accept(t)
		o := peerOpen()
		o.AS = 65002
		p.open(o)
		e := Encoder{AS: 65002, AS4: true}
		p.send(e.AppendUpdate(nil, &Update{Announced: numbers(0, 10), Attributes: &plain}))
		loop := plain
		loop.ASPath = []uint32{65003, 65001}
		p.send(e.AppendUpdate(nil, &Update{Announced: numbers(5, 20), Attributes: &loop}))
		synctest.Wait()
		if s := a.only(); a.heard.count(addrB) != 5 || s.Counters.Drops[DropLoop] != 15 || a.heard.strange > 0 {
			t.Errorf("%d routes, %+v", a.heard.count(addrB), s)
		}
		a.stop(t)
	})
	r := received{limit: 10, ownAS: 65001, ownID: routerNumber(addrA), drops: map[DropReason]uint64{}}
	u := Update{Announced: numbers(0, 1), Attributes: &Attributes{OriginatorID: routerNumber(addrA)}}
	if err := r.take(&u); err != nil || len(u.Announced) != 0 || r.drops[DropLoop] != 1 {
		t.Errorf("ORIGINATOR_ID: %v %v", u, r.drops)
	}
}
