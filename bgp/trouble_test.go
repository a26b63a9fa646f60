package bgp

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// TestStrangers: who is no neighbour is closed, counted, and told at most once a second.
func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeNetwork()
		a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65001, Passive: true})
		synctest.Wait()
		for range 1000 {
			c, err := f.connect(addrC, netip.AddrPortFrom(addrA, 179))
			if err != nil {
				t.Fatal(err)
			}
			if typ, _ := (&peer{t, c, newReader(c)}).next(); typ != 0 {
				t.Fatal("a stranger got an answer")
			}
		}
		if a.Strangers() != 1000 || a.lines.count() != 1 || a.only().Counters.Failures != 0 || f.dials != 0 {
			t.Errorf("%d strangers, %d lines", a.Strangers(), a.lines.count())
		}
		a.stop(t)
	})
}

// TestHoldTime: a neighbour that is silent for the hold time is gone, and its routes with it;
// KEEPALIVEs come at most every third of it.
func TestHoldTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeNetwork()
		l := f.stub(addrB)
		a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65001, HoldTime: 30 * time.Second})
		p := l.accept(t)
		p.open(peerOpen())
		e := Encoder{AS4: true, Internal: true}
		p.send(e.AppendUpdate(nil, &Update{Announced: routes, Attributes: &plain}))
		settle(time.Second)
		if s := a.only(); s.Routes != len(routes) || s.HoldTime != 30*time.Second {
			t.Fatalf("%+v", s)
		}
		var longest time.Duration
		for last := time.Now(); ; {
			typ, body, err := p.in.next()
			if err != nil {
				t.Fatal("no NOTIFICATION")
			}
			longest, last = max(longest, time.Since(last)), time.Now()
			if typ == typeNotification {
				if body[0] != codeHold {
					t.Errorf("%v", ParseNotification(body))
				}
				break
			}
		}
		synctest.Wait()
		if longest > 10*time.Second || a.heard.count(addrB) != 0 || a.only().State == Established {
			t.Errorf("%v between KEEPALIVEs, %+v", longest, a.only())
		}
		a.stop(t)
	})
}

// TestSlowHandler: a Handler that works for long stops that neighbour, whose session stays.
func TestSlowHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeNetwork()
		a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65001})
		b := f.start(t, addrB, Config{AS: 65001}, NeighbourConfig{Address: addrA, RemoteAS: 65001}, NeighbourConfig{Address: addrC, RemoteAS: 65001})
		c := f.start(t, addrC, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65001})
		a.heard.hold = make(chan struct{})
		announce(t, b, plain, numbers(0, 1000)...)
		settle(80 * time.Second)
		announce(t, b, plain, numbers(1000, 20000)...)
		settle(80 * time.Second)
		if a.only().State != Established || c.heard.count(addrB) != 20000 {
			t.Fatalf("%+v, %d at the other", a.only(), c.heard.count(addrB))
		}
		close(a.heard.hold)
		settle(time.Second)
		if n := a.heard.count(addrB); n != 20000 || b.only().Counters.Sessions != 1 {
			t.Errorf("%d routes", n)
		}
		a.stop(t)
		b.stop(t)
		c.stop(t)
	})
}

// TestNeverReads: a neighbour that does not read slows no other, costs no more than the
// table, and is gone after its time.
func TestNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeNetwork()
		l := f.stub(addrB)
		a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65001}, NeighbourConfig{Address: addrC, RemoteAS: 65001})
		c := f.start(t, addrC, Config{AS: 65001}, NeighbourConfig{Address: addrA, RemoteAS: 65001})
		p := l.accept(t)
		p.open(peerOpen())
		ctx, stop := context.WithCancel(t.Context())
		go func() { // it sends, and reads nothing
			for ctx.Err() == nil {
				p.conn.Write(AppendKeepalive(nil)) //nolint:errcheck // it ends when the speaker ends it
				time.Sleep(20 * time.Second)
			}
		}()
		announce(t, a, plain, numbers(0, 20000)...)
		settle(time.Second)
		for i := range 5_000 { // one MAC comes and goes
			announce(t, a, plain, number(30000))
			if i%2 == 0 {
				settle(time.Microsecond)
			}
			a.Withdraw(keyOf(number(30000)))
		}
		settle(time.Second)
		if n := c.heard.count(addrA); n != 20000 || len(a.table.routes) > 20001 {
			t.Errorf("the other neighbour has %d routes, the table %d", n, len(a.table.routes))
		}
		if a.Neighbours()[0].State != Established {
			t.Error("it is gone already")
		}
		settle(4 * time.Minute)
		if s := a.Neighbours()[0]; s.State == Established || s.Counters.Sessions != 1 {
			t.Errorf("%+v", s)
		}
		if n := len(a.table.routes); n != 20000 {
			t.Errorf("%d places are left", n)
		}
		stop()
		settle(time.Minute)
		a.stop(t)
		c.stop(t)
	})
}

// TestFlap: a neighbour that makes and ends sessions all the time gets fewer attempts, and at
// most one line a second.
func TestFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeNetwork()
		l := f.stub(addrB)
		a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65001})
		began, n := time.Now(), 100
		for range n {
			p := l.accept(t)
			p.open(peerOpen())
			e := Encoder{AS4: true, Internal: true}
			p.send(e.AppendUpdate(nil, &Update{Announced: routes, Attributes: &plain}))
			synctest.Wait()
			if a.heard.count(addrB) != len(routes) {
				t.Fatal("no routes")
			}
			p.conn.Close()
			synctest.Wait()
			if a.heard.count(addrB) != 0 {
				t.Fatal("routes are left")
			}
		}
		seconds := int(time.Since(began) / time.Second)
		if s := a.only(); s.Counters.Sessions != uint64(n) || seconds < 7*n {
			t.Errorf("%d sessions in %d s", s.Counters.Sessions, seconds)
		}
		for range n { // and by itself, as often as it can
			c, err := f.connect(addrB, netip.AddrPortFrom(addrA, 179))
			if err != nil {
				t.Fatal(err)
			}
			p := &peer{t, c, newReader(c)}
			p.open(peerOpen())
			synctest.Wait()
			c.Close()
			synctest.Wait()
		}
		if s := a.only(); s.Counters.Sessions != uint64(2*n) || a.lines.count() > seconds+2 || a.heard.strange > 0 {
			t.Errorf("%d sessions, %d lines in %d s", s.Counters.Sessions, a.lines.count(), seconds)
		}
		a.stop(t)
	})
}
