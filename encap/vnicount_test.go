package encap

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// TestVNICount: of VNIs that share no slot every packet is counted, and of others none too many.
func TestVNICount(t *testing.T) {
	var c VNICount
	var before VNICounted
	since := func() map[VNI]uint64 {
		got := make(map[VNI]uint64)
		now := c.Read()
		now.Since(&before, func(v VNI, n uint64) { got[v] += n })
		before = now
		return got
	}
	add := func(v VNI, n int) {
		for range n {
			c.Add(v)
		}
	}
	add(0, 3)
	add(MaxVNI, 2)
	if got, want := since(), map[VNI]uint64{0: 3, MaxVNI: 2}; !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	add(0, 1)
	if got, want := since(), map[VNI]uint64{0: 1}; !maps.Equal(got, want) {
		t.Errorf("then %v, want %v", got, want)
	}
	if got := since(); len(got) != 0 {
		t.Errorf("nothing came, counted %v", got)
	}
	add(0, 1)
	add(VNISlots, 2)
	if got, want := since(), map[VNI]uint64{VNISlots: 2}; !maps.Equal(got, want) {
		t.Errorf("of two in one slot %v, want %v", got, want)
	}
	r := rand.New(rand.NewPCG(1, 2))
	sent, told := make(map[VNI]uint64), make(map[VNI]uint64)
	for range 100 {
		for range r.IntN(50) {
			v := VNI(r.IntN(3 * VNISlots))
			sent[v]++
			c.Add(v)
		}
		for v, n := range since() {
			told[v] += n
		}
	}
	for v, n := range told {
		if n > sent[v] {
			t.Errorf("VNI %d: %d told, %d came", v, n, sent[v])
		}
	}
	if n := testing.AllocsPerRun(100, func() { c.Add(7) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
