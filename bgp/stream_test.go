package bgp

import (
	"net/netip"
	"testing"
	"testing/synctest"
)

// FuzzSession: whatever bytes a neighbour sends, before and after the session is
// established, the speaker goes on, hands over no withdraw of what was not announced, and
// has nothing left of the session when that has ended.
func FuzzSession(f *testing.F) {
	e := Encoder{AS4: true, Internal: true}
	update := e.AppendUpdate(nil, &Update{Announced: routes, Attributes: &plain})
	f.Add(update, true)
	f.Add(append(update, e.AppendUpdate(nil, &Update{Withdrawn: routes})...), true)
	f.Add(append(appendRefresh(nil, refreshBegin), appendRefresh(nil, refreshEnd)...), true)
	f.Add(AppendNotification(AppendEndOfRIB(nil), &Notification{Code: codeCease}), true)
	f.Add(AppendOpen(nil, new(restarting())), false)
	f.Fuzz(func(t *testing.T, b []byte, established bool) {
		if len(b) > 60_000 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			n := newFakeNetwork()
			a := n.start(t, addrA, Config{AS: 65001}, NeighbourConfig{Address: addrB, RemoteAS: 65001, Passive: true})
			synctest.Wait()
			c, err := n.connect(addrB, netip.AddrPortFrom(addrA, 179))
			if err != nil {
				t.Fatal(err)
			}
			p := &peer{t, c, newReader(c)}
			if established {
				p.open(peerOpen())
			}
			p.send(b)
			synctest.Wait()
			c.Close()
			synctest.Wait()
			if a.heard.strange > 0 {
				t.Error("a withdraw of what was not announced")
			}
			if s := a.only(); s.State == Established || !s.Stale && a.heard.count(addrB) != 0 {
				t.Errorf("%+v", s)
			}
			a.stop(t)
		})
	})
}
