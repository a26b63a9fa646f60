package evpn

import (
	"hash/maphash"
	"iter"

	"github.com/uvtep/uvtep/bgp"
)

// routes are the routes by their keys, a hash table with linear probing. A map of Go would have each key,
// which the route has, a second time: a fifth of what a route takes. The hash has a random seed, so that
// no neighbour can choose routes that share a place.
type routes struct {
	places []*route // a power of two of them, or none; nil: free
	n      int
	seed   maphash.Seed
}

// smallRoutes is how many places are not worth a smaller table.
const smallRoutes = 1024

func (t *routes) home(k *bgp.Key) int {
	return int(maphash.Bytes(t.seed, k[:])) & (len(t.places) - 1)
}

// find is the place of a key, or the free one where it belongs.
func (t *routes) find(k *bgp.Key) int {
	i := t.home(k)
	for t.places[i] != nil && t.places[i].key != *k {
		i = (i + 1) & (len(t.places) - 1)
	}
	return i
}

func (t *routes) get(k *bgp.Key) *route {
	if len(t.places) == 0 {
		return nil
	}
	return t.places[t.find(k)]
}

// put puts in a route that is not there.
func (t *routes) put(rt *route) {
	if t.n >= len(t.places)/4*3 {
		t.resize(max(2*len(t.places), 16))
	}
	t.places[t.find(&rt.key)] = rt
	t.n++
}

// del takes out a route that is there. Those behind it move up, where it kept them from their place.
func (t *routes) del(k *bgp.Key) {
	free, last := t.find(k), len(t.places)-1
	for i := (free + 1) & last; t.places[i] != nil; i = (i + 1) & last {
		if home := t.home(&t.places[i].key); (i-home)&last >= (i-free)&last {
			t.places[free], free = t.places[i], i
		}
	}
	t.places[free] = nil
	if t.n--; len(t.places) > smallRoutes && t.n < len(t.places)/8 {
		t.resize(len(t.places) / 4)
	}
}

func (t *routes) resize(n int) {
	old := t.places
	t.places, t.seed = make([]*route, n), maphash.MakeSeed()
	for _, rt := range old {
		if rt != nil {
			t.places[t.find(&rt.key)] = rt
		}
	}
}

// all has each route. None may be put in or taken out meanwhile.
func (t *routes) all() iter.Seq[*route] {
	return func(yield func(*route) bool) {
		for _, rt := range t.places {
			if rt != nil && !yield(rt) {
				return
			}
		}
	}
}
