package bgp

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// anyKey is one of so many Keys of each type and length.
func anyKey(rnd *rand.Rand, among int) Key {
	n := rnd.IntN(among)
	r := routes[rnd.IntN(len(routes))]
	r.RD = NewRD(vtep1, uint16(n%7))
	binary.BigEndian.PutUint32(r.MAC[2:], uint32(n))
	binary.BigEndian.PutUint32(r.ESI[6:], uint32(n))
	if r.IP.IsValid() {
		b := r.IP.AsSlice()
		binary.BigEndian.PutUint16(b[len(b)-2:], uint16(n))
		r.IP, _ = netip.AddrFromSlice(b)
	}
	return r.Key()
}

// TestKeySet: it does what a map does, whatever the Keys.
func TestKeySet(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 4))
	var set keySet
	oracle := map[Key]uint8{}
	same := func() {
		t.Helper()
		if set.len() != len(oracle) {
			t.Fatalf("%d Keys, want %d", set.len(), len(oracle))
		}
		for k, mark := range oracle {
			if e := set.find(&k); e == nil || e[len(e)-1] != mark {
				t.Fatalf("%v has %x, want mark %d", k.Route(), e, mark)
			}
		}
		uses := 0
		for _, h := range set.heads.list {
			uses += int(h.uses)
		}
		if uses != len(oracle) {
			t.Fatalf("%d uses of heads by %d Keys", uses, len(oracle))
		}
	}
	for _, puts := range []int{90, 50, 10, 60, 0} {
		for range 20_000 {
			k, mark := anyKey(rnd, 3000), uint8(rnd.UintN(256))
			_, had := oracle[k]
			if rnd.IntN(100) < puts {
				oracle[k] = mark
				set.put(&k, mark)
			} else if delete(oracle, k); set.remove(&k) != had {
				t.Fatalf("%v was there: want %t", k.Route(), had)
			}
			if _, has := oracle[k]; set.has(&k) != has {
				t.Fatalf("%v is there: want %t", k.Route(), has)
			}
		}
		same()
		low := func(mark uint8) bool { return mark < 64 }
		set.removeIf(low, func(k Key) {
			if mark, ok := oracle[k]; !ok || !low(mark) {
				t.Fatalf("%v is removed", k.Route())
			}
			delete(oracle, k)
		})
		for k, mark := range oracle {
			if low(mark) {
				t.Fatalf("%v with mark %d is left", k.Route(), mark)
			}
		}
		same()
	}
}

// TestKeySetShrinks with the Keys and with what they have in common.
func TestKeySetShrinks(t *testing.T) {
	var set keySet
	key := func(i int) Key {
		r := Route{Type: MACIP, RD: NewRD(netip.AddrFrom4([4]byte{192, 0, 2, byte(i >> 16)}), uint16(i)), MAC: mac1}
		return r.Key()
	}
	const many, few = 20_000, 100
	for i := range many { // each with a head of its own
		k := key(i)
		set.put(&k, 1)
	}
	for i := range many - few {
		k := key(i)
		if !set.remove(&k) {
			t.Fatalf("%v was not there", k.Route())
		}
	}
	if places, heads := set.tables[0].places, len(set.heads.list); places > smallTable || heads > smallTable || set.len() != few {
		t.Errorf("%d places and %d heads of %d Keys", places, heads, set.len())
	}
	for i := many - few; i < many; i++ {
		if k := key(i); !set.has(&k) {
			t.Errorf("%v is not there", k.Route())
		}
	}
}

// TestKeySetAllocates nothing for what is there.
func TestKeySetAllocates(t *testing.T) {
	var set keySet
	k := routes[3].Key()
	other := routes[2].Key()
	set.put(&k, 1)
	set.put(&other, 1)
	if n := testing.AllocsPerRun(100, func() {
		set.put(&k, 2)
		set.remove(&other)
		set.put(&other, 1)
		if !set.has(&k) {
			t.Fatal("it is not there")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
