package evpn

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/bgp"
)

// TestSlowNeighbour: what an earlier agent put in stays while a neighbour that does not say when all of its routes
// have come still sends some, and goes when it is quiet, or never is until the stale time is over. One that will say
// it is waited for longer: a reflector of hundreds sends nothing for its first ten seconds.
func TestSlowNeighbour(t *testing.T) {
	for _, c := range []struct {
		marks        bool
		sends, swept time.Duration
	}{
		{false, 0, 15 * time.Second}, {false, 20 * time.Second, 23 * time.Second}, {false, 5 * time.Minute, 2 * time.Minute},
		{true, 0, time.Minute}, {true, 70 * time.Second, 73 * time.Second}, {true, 5 * time.Minute, 2 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, nil)
			b.BeginList()
			b.HandleLink(Link{Name: "vxlan42", VNI: 42, Local: ownVTEP})
			b.EndList()
			b.HandleEvent(bgp.Event{Neighbour: reflector, Kind: bgp.NeighbourUp, Restart: c.marks})
			began := time.Now()
			sweeps := func() (n int) {
				b.locked(func() { n = b.sweeps })
				return n
			}
			for i := 0; sweeps() == 0; i++ {
				if time.Since(began) <= c.sends {
					b.hear(t2(lowVTEP, bgp.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}, netip.Addr{}), with(lowVTEP))
				}
				time.Sleep(500 * time.Millisecond)
				synctest.Wait()
			}
			if took := time.Since(began); took < c.swept || took > c.swept+time.Second {
				t.Errorf("a neighbour that sends for %v and will say when it has: %v: swept after %v, want %v", c.sends, c.marks, took, c.swept)
			}
			b.cancel()
			b.group.Wait()
		})
	}
}
