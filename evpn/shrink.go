package evpn

import "maps"

// table is a map that becomes smaller with its content. A map of Go keeps the memory of all that
// it once had: a fabric that had 100,000 MAC addresses for a day would be paid for ever.
type table[K comparable, V any] struct {
	of   map[K]V
	most int // elements since it was made
}

// smallTable is how many elements are not worth a new map.
const smallTable = 1024

func (t *table[K, V]) get(k K) V { return t.of[k] }

func (t *table[K, V]) put(k K, v V) {
	if t.of == nil {
		t.of = map[K]V{}
	}
	t.of[k] = v
	t.most = max(t.most, len(t.of))
}

func (t *table[K, V]) del(k K) {
	delete(t.of, k)
	if t.most < smallTable || len(t.of) > t.most/4 {
		return
	}
	less := make(map[K]V, len(t.of))
	maps.Copy(less, t.of)
	t.of, t.most = less, len(less)
}
