package agent

import (
	"flag"
	"testing"

	"github.com/uvtep/uvtep/bgp"
)

// cyclesFlag is how often TestLiveHeap has one MAC address come and go: 1,000,000 times for the figure of
// docs/performance.md.
var cyclesFlag = flag.Int("cycles", 20_000, "how often a MAC address comes and goes in TestLiveHeap")

// TestLiveHeap: 100,000 T2 take at most a quarter of GoBGP's 1.3 kB each, in the agent and the data plane
// together, and nothing once they are withdrawn; nor does what one MAC address was announced and withdrawn.
func TestLiveHeap(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector adds to the heap")
	}
	const routes, most, slack = 100_000, 1300 / 4, 2 << 20
	r := newRig(t, 42)
	r.start()
	r.announce(42, 0, 100)
	r.whole()
	r.has(42, 0, 100)
	r.withdraw(42, 0, 100)
	r.has(42, 0, 0)
	before := liveHeap()
	r.announce(42, 0, routes)
	r.has(42, 0, routes)
	each := (liveHeap() - before) / routes
	if each > most {
		t.Errorf("a T2 takes %d bytes of live heap, more than %d", each, most)
	}
	r.withdraw(42, 0, routes)
	r.has(42, 0, 0)
	gone := liveHeap() - before
	if gone > slack {
		t.Errorf("%d bytes are left after all were withdrawn", gone)
	}
	e := bgp.Encoder{AS4: true, Internal: true}
	one := hostRoutes(42, 0, 1)
	var block []byte
	const blocks = 1000
	for range blocks {
		block = e.AppendUpdate(block, &bgp.Update{Announced: one, Attributes: attributesOf(42)})
		block = e.AppendUpdate(block, &bgp.Update{Withdrawn: one})
	}
	for n := 0; n < *cyclesFlag; n += blocks {
		r.must(r.Send(block))
	}
	r.announce(42, 1, 2) // comes after all of them
	r.has(42, 1, 2)
	left := liveHeap() - before
	if left > slack {
		t.Errorf("%d bytes are left after %d changes of one MAC address", left, 2**cyclesFlag)
	}
	t.Logf("%d bytes of live heap a T2; %d KiB left once they are withdrawn; %d KiB after one was announced and withdrawn %d times", each, gone>>10, left>>10, *cyclesFlag)
}
