package interop_test

import (
	"sync"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestOrder sends several flows of numbered datagrams both ways at once,
// through links with two queues and all offloads on: no datagram may overtake
// another of its flow, get lost or be doubled.
func TestOrder(t *testing.T) {
	t.Parallel()
	count := 20_000
	if raceDetector {
		count = 1000
	}
	for _, f := range testedFamilies() {
		t.Run(f.name, func(t *testing.T) {
			// Without GRO a veth puts what it carries into the queue of the processor
			// that the sender happens to run on, and so reorders by itself (veth_xmit
			// in drivers/net/veth.c).
			sites := newSites(t, f, lab.WireOptions{Offload: map[string]bool{"gro": true}}, uvtep, uvtep)
			a, b := sites[0], sites[1]
			for i, s := range sites {
				s.addLink(t, link{remote: sites[1-i].outer, queues: "2"})
				s.overlay(t, "vxlan0")
			}
			check(t, a.MustReach(inner4(b.n).Addr(), 56, soon), a.MustReach(inner6(b.n).Addr(), 56, soon))
			switches{}.inUse(t, sites)
			var wg sync.WaitGroup
			for i, size := range []int{16, 16, 64, 64, 700, 1350} {
				dst := inner4(b.n).Addr()
				if i%2 == 1 {
					dst = inner6(b.n).Addr()
				}
				wg.Go(func() {
					r, err := lab.UDP(t.Context(), lab.UDPConfig{From: a.Host, To: b.Host, Dst: dst, Size: size, Count: count, Window: 64})
					if err != nil || !r.Clean() {
						t.Errorf("flow %d to %s, %d bytes: forth %v; back %v; %v", i, dst, size, r.Forth, r.Back, err)
					}
				})
			}
			wg.Wait()
			noErrors(t, sites)
		})
	}
}
