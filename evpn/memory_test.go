package evpn

import (
	"context"
	"net/netip"
	"runtime"
	"testing"

	"github.com/uvtep/uvtep/bgp"
)

// sink is a speaker and a data plane that keep nothing.
type sink struct{}

func (sink) Announce(bgp.Route, *bgp.Attributes) error { return nil }
func (sink) Withdraw(bgp.Key)                          {}
func (sink) Sweep(context.Context) error               { return nil }
func (sink) Apply(_ context.Context, changes []Change) ([]error, error) {
	return make([]error, len(changes)), nil
}

// liveHeap is the heap that is in use after garbage was collected.
func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestLiveHeap: 100,000 T2 take at most 160 bytes each, and nothing once they are withdrawn; 200,000
// announcements of one MAC address take nothing.
func TestLiveHeap(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector adds to the heap")
	}
	a, err := New(Config{AS: 65001, RouterID: ownVTEP, Links: LinkPolicy{All: true}, Speaker: sink{}, Plane: sink{}})
	if err != nil {
		t.Fatal(err)
	}
	settle := func() {
		for more := true; more; {
			more, _ = a.step(t.Context())
		}
	}
	a.BeginList()
	a.HandleLink(Link{Name: "vxlan42", VNI: 42, Local: ownVTEP})
	a.EndList()
	a.HandleEvent(bgp.Event{Neighbour: reflector, Kind: bgp.NeighbourUp})
	a.HandleEvent(bgp.Event{Neighbour: reflector, Kind: bgp.EndOfRIB})
	settle()
	const routes, at = 100_000, 100 // of which so many are in an UPDATE
	all := func(do func([]bgp.Route)) {
		batch := make([]bgp.Route, at)
		for i := 0; i < routes; i += at {
			for j := range batch {
				n := i + j
				batch[j] = t2(netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + i/at%100)}), bgp.MAC{2, 0, 0, byte(n >> 16), byte(n >> 8), byte(n)}, netip.Addr{})
			}
			do(batch)
		}
		settle()
	}
	before := liveHeap()
	all(func(b []bgp.Route) {
		a.HandleUpdate(reflector, &bgp.Update{Announced: b, Attributes: with(lowVTEP)})
	})
	if n := len(a.MACs("")); n != routes {
		t.Fatalf("there are %d MAC addresses", n)
	}
	each := (liveHeap() - before) / routes
	t.Logf("%d bytes of live heap a T2", each)
	if each > 160 {
		t.Errorf("a T2 takes %d bytes of live heap, more than 160", each)
	}
	all(func(b []bgp.Route) { a.HandleUpdate(reflector, &bgp.Update{Withdrawn: b}) })
	if left := liveHeap() - before; left > 2<<20 {
		t.Errorf("%d bytes are left after all were withdrawn", left)
	}
	one := []bgp.Route{t2(lowVTEP, hostA, netip.Addr{})}
	for i := range 200_000 {
		a.HandleUpdate(reflector, &bgp.Update{Announced: one, Attributes: with(lowVTEP)})
		a.HandleUpdate(reflector, &bgp.Update{Withdrawn: one})
		if i%1000 == 0 {
			settle()
		}
	}
	settle()
	if left := liveHeap() - before; left > 2<<20 {
		t.Errorf("%d bytes are left after 200,000 changes of one MAC address", left)
	}
	runtime.KeepAlive(a)
}
