package bgp

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestExternal: a neighbour of any other AS is taken, by its own number, as eBGP, and one of this speaker's AS is told
// so and refused.
func TestExternal(t *testing.T) {
	for _, as := range []uint32{65002, 4200000001} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeNetwork()
			a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, External: true})
			if s := a.only(); s.RemoteAS != 0 {
				t.Errorf("before there was a session its AS is %d", s.RemoteAS)
			}
			announce(t, a, plain, routes...)
			b := f.start(t, addrB, Config{AS: as}, NeighbourConfig{Address: addrA, External: true})
			settle(3 * time.Second)
			if s := a.only(); s.State != Established || s.RemoteAS != as {
				t.Fatalf("%+v", s)
			}
			if got := b.heard.attributes(addrA, keyOf(routes[0])); got == nil || len(got.ASPath) != 1 || got.ASPath[0] != 65001 {
				t.Errorf("what is announced is not of eBGP: %+v", got)
			}
			a.stop(t)
			b.stop(t)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFakeNetwork()
		l := f.stub(addrB)
		a := f.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, External: true})
		p := l.accept(t)
		p.send(AppendOpen(nil, new(peerOpen())))
		if n := p.notification(); n == nil || n.Code != codeOpen || n.Subcode != subBadPeerAS {
			t.Errorf("a neighbour of the own AS: %v", n)
		}
		p.conn.Close()
		synctest.Wait()
		if s := a.only(); s.State == Established || s.LastError == "" {
			t.Errorf("%+v", s)
		}
		a.stop(t)
	})
	s, err := New(Config{AS: 65001, RouterID: addrA, Handler: &heard{}})
	if err != nil {
		t.Fatal(err)
	}
	if s.AddNeighbour(NeighbourConfig{Address: addrB, RemoteAS: 1, External: true}) == nil {
		t.Error("a neighbour of one AS and of any is taken")
	}
}
