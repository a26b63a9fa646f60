package evpn

import (
	"hash/maphash"
	"iter"
	"math/bits"
)

// index are elements by their keys, a hash table with linear probing. A map of Go would have each key, which
// the element has, a second time, and grow to twice its size: a third of what a route takes. The hash has a
// random seed, so that no neighbour can choose keys that share a place.
type index[K comparable, E element[K]] struct {
	places []E // the zero E: free
	n      int
	seed   maphash.Seed
}

// element is a pointer to what has its key in it.
type element[K comparable] interface {
	comparable
	id() *K
}

// smallIndex is how many places are not worth a smaller table.
const smallIndex = 1024

func (t *index[K, E]) home(k *K) int {
	at, _ := bits.Mul64(maphash.Comparable(t.seed, *k), uint64(len(t.places)))
	return int(at)
}

// after is the place behind a place.
func (t *index[K, E]) after(i int) int {
	if i++; i < len(t.places) {
		return i
	}
	return 0
}

// find is the place of a key, or the free one where it belongs.
func (t *index[K, E]) find(k *K) int {
	var free E
	i := t.home(k)
	for t.places[i] != free && *t.places[i].id() != *k {
		i = t.after(i)
	}
	return i
}

// get is the element of a key; the zero E: there is none.
func (t *index[K, E]) get(k *K) (e E) {
	if len(t.places) == 0 {
		return e
	}
	return t.places[t.find(k)]
}

// put puts in an element whose key is not there.
func (t *index[K, E]) put(e E) {
	if 4*(t.n+1) > 3*len(t.places) {
		t.resize()
	}
	t.places[t.find(e.id())] = e
	t.n++
}

// del takes out an element that is there. Those behind it move up, where it kept them from their place.
func (t *index[K, E]) del(k *K) {
	var none E
	free := t.find(k)
	for i := t.after(free); t.places[i] != none; i = t.after(i) {
		if home := t.home(t.places[i].id()); t.distance(home, i) >= t.distance(free, i) {
			t.places[free], free = t.places[i], i
		}
	}
	t.places[free] = none
	if t.n--; len(t.places) > smallIndex && 8*t.n < 3*len(t.places) {
		t.resize()
	}
}

// distance is how far a place is behind another one.
func (t *index[K, E]) distance(from, to int) int {
	if to < from {
		to += len(t.places)
	}
	return to - from
}

// resize makes the table one of which three fifths are taken: it grows and shrinks in small steps, so that
// little of it is free and little of it is garbage.
func (t *index[K, E]) resize() {
	var free E
	old := t.places
	t.places, t.seed = make([]E, max(5*t.n/3, 16)), maphash.MakeSeed()
	for _, e := range old {
		if e != free {
			t.places[t.find(e.id())] = e
		}
	}
}

// all has each element. None may be put in or taken out meanwhile.
func (t *index[K, E]) all() iter.Seq[E] {
	return func(yield func(E) bool) {
		var free E
		for _, e := range t.places {
			if e != free && !yield(e) {
				return
			}
		}
	}
}
