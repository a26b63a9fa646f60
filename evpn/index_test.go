package evpn

import (
	"math/rand/v2"
	"testing"

	"github.com/uvtep/uvtep/bgp"
)

// TestRoutesTable: it does what a map does, and becomes smaller with its content.
func TestRoutesTable(t *testing.T) {
	var table routes
	oracle := map[bgp.Key]*route{}
	rnd := rand.New(rand.NewPCG(1, 1))
	most := 0
	step := func(put bool, among int) {
		r := t2(lowVTEP, bgp.MAC{2, 0, 0, 0, byte(among >> 8), byte(among)}, addrA)
		k := r.Key()
		switch {
		case put && oracle[k] == nil:
			rt := &route{key: k}
			oracle[k] = rt
			table.put(rt)
		case !put && oracle[k] != nil:
			delete(oracle, k)
			table.del(&k)
		}
		if table.get(&k) != oracle[k] {
			t.Fatalf("%v is %p, want %p", r, table.get(&k), oracle[k])
		}
		most = max(most, len(oracle))
	}
	same := func() {
		t.Helper()
		n := 0
		for rt := range table.all() {
			if n++; oracle[rt.key] != rt {
				t.Fatalf("%v is there", rt.key)
			}
		}
		if n != len(oracle) || table.n != n {
			t.Fatalf("%d routes, %d counted, want %d", n, table.n, len(oracle))
		}
		for k, rt := range oracle {
			if table.get(&k) != rt {
				t.Fatalf("%v is not there", k)
			}
		}
	}
	for _, puts := range []int{90, 50, 50, 10} {
		for range 20_000 {
			step(rnd.IntN(100) < puts, rnd.IntN(10_000))
		}
		same()
	}
	for k := range oracle {
		table.del(&k)
		delete(oracle, k)
	}
	same()
	if most < 5000 || len(table.places) > smallRoutes {
		t.Errorf("%d routes at most, %d places when none is left", most, len(table.places))
	}
}
