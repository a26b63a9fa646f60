package evpn

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/uvtep/uvtep/bgp"
)

// TestIndex: it does what a map does, has few free places, and becomes smaller with its content.
func TestIndex(t *testing.T) {
	var table index[bgp.Key, *route]
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
		if places := len(table.places); places > smallIndex && places > 8*table.n/3 || 4*table.n > 3*places {
			t.Fatalf("%d elements have %d places", table.n, places)
		}
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
			t.Fatalf("%d elements, %d counted, want %d", n, table.n, len(oracle))
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
	if most < 5000 || len(table.places) > smallIndex {
		t.Errorf("%d elements at most, %d places when none is left", most, len(table.places))
	}
}

// TestIndexAllocates nothing for what is there.
func TestIndexAllocates(t *testing.T) {
	var table index[bgp.MAC, *macEntry]
	e := &macEntry{mac: hostA}
	table.put(e)
	if n := testing.AllocsPerRun(100, func() {
		table.del(&e.mac)
		table.put(e)
		if m := hostA; table.get(&m) != e {
			t.Fatal("it is not there")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestRouteList: it has what a slice has.
func TestRouteList(t *testing.T) {
	var list routeList
	var oracle []*route
	all := make([]route, 5)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		rt := &all[rnd.IntN(len(all))]
		i := slices.Index(oracle, rt)
		switch {
		case rnd.IntN(2) == 0 && i < 0:
			oracle = append(oracle, rt)
			list.add(rt)
		case i >= 0:
			oracle = slices.Delete(oracle, i, i+1)
			list.remove(rt)
		default:
			list.remove(rt) // is not there
		}
		n := 0
		for rt := range list.all() {
			if n++; !slices.Contains(oracle, rt) {
				t.Fatal("a route is there that was removed")
			}
		}
		if n != len(oracle) || list.isEmpty() != (n == 0) || (list.more == nil) != (n < 2) {
			t.Fatalf("%d routes, want %d", n, len(oracle))
		}
	}
}

// TestPathsOfRoute: what several neighbours say of routes is what each of them said last, the best of it first,
// whatever the order; and routes of one neighbour share what it says.
func TestPathsOfRoute(t *testing.T) {
	peers := make([]*peer, 4)
	var paths [4][3]*path
	for i := range peers {
		peers[i] = &peer{addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}
		for j := range paths[i] {
			p := &path{pathKey: pathKey{Attributes: &bgp.Attributes{LocalPref: uint32(100 + (i+j)%3)}, peer: peers[i]}}
			p.alone.best = p
			paths[i][j] = p
		}
	}
	rnd := rand.New(rand.NewPCG(1, 3))
	routes, oracles := make([]route, 3), make([]map[*peer]*path, 3)
	for i := range oracles {
		oracles[i] = map[*peer]*path{}
	}
	for range 20_000 {
		at := rnd.IntN(len(routes))
		rt, oracle := &routes[at], oracles[at]
		i := rnd.IntN(len(peers))
		had := oracle[peers[i]]
		if rnd.IntN(2) == 0 {
			p := paths[i][rnd.IntN(3)]
			oracle[peers[i]] = p
			if old := rt.set(p); old != had {
				t.Fatalf("it said %p before, want %p", old, had)
			}
		} else {
			delete(oracle, peers[i])
			if old := rt.unset(peers[i]); old != had {
				t.Fatalf("it said %p, want %p", old, had)
			}
		}
		for at := range routes {
			agree(t, &routes[at], oracles[at])
		}
	}
}

// agree holds what a route has to what neighbours said.
func agree(t *testing.T, rt *route, want map[*peer]*path) {
	t.Helper()
	if rt.said == nil || len(want) == 0 {
		if rt.said != nil || len(want) != 0 {
			t.Fatalf("it has %v of %v", rt.said, want)
		}
		return
	}
	if len(rt.said.rest)+1 != len(want) {
		t.Fatalf("%d paths, want %d", len(rt.said.rest)+1, len(want))
	}
	for _, p := range append(slices.Clone(rt.said.rest), rt.said.best) {
		if want[p.peer] != p || p.compare(rt.said.best) < 0 {
			t.Fatalf("%v is there, or better than the best", p)
		}
		if p.alone.best != p || len(p.alone.rest) > 0 {
			t.Fatal("what routes share was changed")
		}
	}
}
