package vtep

import (
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// TestFDBGetLooksUp: one MAC address among 100,000 is found without a walk over them, whose
// cost would show as the memory of its addresses.
func TestFDBGetLooksUp(t *testing.T) {
	l, get := manyEntries(t, 100_000)
	if n := testing.AllocsPerRun(100, get); n > 20 {
		t.Errorf("%v allocations", n)
	}
	if all, err := l.vtep.FDBGet("vxlan0", encap.MAC{2, 0, 0, 0, 0, 77}); err != nil || len(all) != 1 {
		t.Errorf("%v %v", all, err)
	}
}

func manyEntries(t testing.TB, n int) (*Link, func()) {
	l := newSinkLink(t)
	l.fdb.SetMaxAddresses(0)
	r := l.remotes.intern(remoteKey{addr: ip("192.0.2.2"), port: 4789, vni: 42})
	for i := range n {
		l.fdb.Learn(encap.MAC{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}, r.id, fdb.Tick(1))
	}
	mac := encap.MAC{2, 0, 0, 0, 0, 7}
	return l, func() {
		if all, err := l.vtep.FDB(FDBFilter{Link: "vxlan0", MAC: &mac}); err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
	}
}

// BenchmarkFDBGet finds one MAC address among 500,000.
func BenchmarkFDBGet(b *testing.B) {
	_, get := manyEntries(b, 500_000)
	for b.Loop() {
		get()
	}
}
