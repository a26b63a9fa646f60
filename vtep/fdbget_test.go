package vtep

import (
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
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

func manyEntries(t testing.TB, n int) (*link, func()) {
	l := newSinkLink(t)
	l.FDB.SetMaxAddresses(0)
	r := l.Remotes.Intern(forward.RemoteKey{Addr: encap.AddrFrom(peer1), Port: 4789, VNI: 42})
	for i := range n {
		l.FDB.Learn(encap.MAC{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}, r.ID, fdb.Tick(1))
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
