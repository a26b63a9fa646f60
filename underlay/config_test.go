package underlay

import (
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
)

func TestPortPermutation(t *testing.T) {
	for _, c := range []struct {
		lo, hi uint16
		n      int
	}{{DefaultPortMin, DefaultPortMax, 64}, {49152, 65535, 64}, {49152, 65535, 16384}, {1, 65535, 64}, {5, 5, 1}, {10, 13, 4}, {10, 13, 3}, {100, 196, 64}, {65530, 65535, 2}} {
		size := int(c.hi-c.lo) + 1
		seen := map[uint16]int{}
		var order []uint16
		portPermutation(c.lo, c.hi, c.n, func(p uint16) bool {
			seen[p]++
			order = append(order, p)
			return true
		})
		if len(order) != size || len(seen) != size {
			t.Errorf("%d-%d by %d: %d ports, %d different, want %d", c.lo, c.hi, c.n, len(order), len(seen), size)
		}
		for p := range seen {
			if p < c.lo || p > c.hi {
				t.Errorf("%d-%d by %d: port %d", c.lo, c.hi, c.n, p)
			}
		}
	}
	n := 0
	portPermutation(1, 100, 10, func(uint16) bool { n++; return n < 3 })
	if n != 3 {
		t.Errorf("%d ports after the caller had 3", n)
	}
}

func TestPickUsesEverySocketEvenly(t *testing.T) {
	for _, n := range []int{1, 3, 64, 1000} {
		counts := make([]int, n)
		for h := range 1 << 16 {
			counts[pick(uint32(h)<<16|uint32(h), n)]++
		}
		for i, c := range counts {
			if c < 1<<16/n-1 || c > 1<<16/n+1 {
				t.Errorf("socket %d of %d: %d of %d hashes", i, n, c, 1<<16)
			}
		}
	}
}

func TestPathMTUTableForgetsAndIsBounded(t *testing.T) {
	var table pathMTUTable
	start := time.Unix(1000, 0)
	dst := func(i int) encap.Addr { return encap.Addr{0: 0x20, 14: byte(i >> 8), 15: byte(i)} }
	for i := range 2 * pathMTUs {
		table.learn(dst(i), 1280+i, start)
		if mtu, ok := table.lookup(dst(i), start); !ok || mtu != 1280+i {
			t.Fatalf("entry %d: %d, %t", i, mtu, ok)
		}
	}
	if n := len(table.mtus); n > pathMTUs {
		t.Errorf("%d entries, bound %d", n, pathMTUs)
	}
	last := dst(2*pathMTUs - 1)
	table.learn(last, 1300, start)
	if mtu, _ := table.lookup(last, start.Add(pathMTUAge-1)); mtu != 1300 {
		t.Errorf("a later entry did not replace: %d", mtu)
	}
	if mtu, ok := table.lookup(last, start.Add(pathMTUAge)); ok {
		t.Errorf("path MTU %d after its time", mtu)
	}
	table.learn(encap.Addr{1}, 1400, start.Add(pathMTUAge))
	if n := len(table.mtus); n != 1 {
		t.Errorf("%d entries after all but one expired", n)
	}
}
