package fdb

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/uvtep/uvtep/encap"
)

// TestAllocations: the data path allocates nothing, a mark of used and a
// refresh in each call included.
func TestAllocations(t *testing.T) {
	tbl := New(Config{SameAddr: sameAddr, OnChange: func(Event) {}, MaxAddresses: 3})
	mustDo(t, tbl.Append(zeroMAC, 1, Permanent, 0, 0))
	mustDo(t, tbl.Append(zeroMAC, 2, Permanent, 0, 0))
	mustDo(t, tbl.Add(testMAC(3), 9, Static, 0, 0))
	tbl.Learn(testMAC(1), 1, 0)
	tbl.Learn(testMAC(2), 4, 0)
	var now Tick
	paths := map[string]func(){
		"Lookup hit":           func() { tbl.Lookup(testMAC(1), now) },
		"Lookup miss":          func() { tbl.Lookup(testMAC(77), now) },
		"Group":                func() { tbl.Group(zeroMAC, now) },
		"Group miss":           func() { tbl.Group(groupMAC, now) },
		"Learn refresh":        func() { tbl.Learn(testMAC(1), 1, now) },
		"Learn, other port":    func() { tbl.Learn(testMAC(2), 5, now) },
		"Learn move":           func() { tbl.Learn(testMAC(1), 1+4*RemoteID(now%2), now) },
		"Learn refused static": func() { tbl.Learn(testMAC(3), 1, now) },
		"Learn full":           func() { tbl.Learn(testMAC(4), 1, now) },
	}
	for name, f := range paths {
		if n := testing.AllocsPerRun(1000, func() { now++; f() }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// heap is what is allocated and reachable.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestMemory: a million entries take at most 32 MiB, an idle table next to
// nothing, and an emptied one gives the memory back.
func TestMemory(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector adds to the heap and finds nothing in one goroutine")
	}
	const n, budget, idle = 1_000_000, 32 << 20, 6 << 10
	before := heap()
	tables := make([]*Table, 1000) // many, as other allocations disturb
	for i := range tables {
		tables[i] = New(Config{})
	}
	each := int64(heap()-before) / int64(len(tables))
	t.Logf("an empty table: %d bytes", each)
	if each > idle {
		t.Errorf("an empty table takes %d bytes, want at most %d", each, idle)
	}
	runtime.KeepAlive(tables) // and not beyond
	before = heap()
	tbl := New(Config{})
	for i := range n {
		tbl.Learn(testMAC(i), RemoteID(i)&0xffff, 1)
	}
	got := int64(heap() - before)
	t.Logf("%d entries: %.1f MiB, %.1f bytes each", n, float64(got)/(1<<20), float64(got)/n)
	if tbl.Len() != n || got > budget {
		t.Errorf("%d entries take %d bytes, want at most %d", tbl.Len(), got, budget)
	}
	// Churn at that size must not let removed slots pile up.
	for i := range n / 4 {
		mustDo(t, tbl.Delete(testMAC(i)))
		tbl.Learn(testMAC(n+i), 1, 1)
	}
	if got := int64(heap() - before); got > budget {
		t.Errorf("after churn %d entries take %d bytes, want at most %d", tbl.Len(), got, budget)
	}
	if removed := tbl.Age(1000, 300); removed != n {
		t.Errorf("Age removed %d", removed)
	}
	if got := int64(heap() - before); got > 64<<10 {
		t.Errorf("the emptied table takes %d bytes", got)
	}
	runtime.KeepAlive(tbl)
}

// TestMemoryBound looks at array sizes instead of the heap, for every number
// of entries on the way up and down: never above 32 bytes an entry but for the
// smallest arrays.
func TestMemoryBound(t *testing.T) {
	const n = 50_000
	tbl := New(Config{Shards: 4})
	slotsHeld := func() (held int) {
		for i := range tbl.shards {
			if a := tbl.shards[i].slots.Load(); a != nil {
				held += len(a.s)
			}
		}
		return held
	}
	for i := range n {
		tbl.Learn(testMAC(i), 1, 1)
		if held := slotsHeld(); held*int(unsafe.Sizeof(slot{})) > 32*(i+1)+4*16*minCapacity*2 {
			t.Fatalf("%d entries hold %d slots", i+1, held)
		}
	}
	for i := range n {
		mustDo(t, tbl.Delete(testMAC(i)))
		// Shrinking waits for a load of 1/4.
		if held, left := slotsHeld(), n-i-1; held > 4*left+4*minCapacity*4 {
			t.Fatalf("%d entries hold %d slots", left, held)
		}
	}
	if held := slotsHeld(); held != 0 {
		t.Errorf("the empty table holds %d slots", held)
	}
}

// TestManyGroups: each multicast MAC may have its own entry (conformance L14),
// in numbers.
func TestManyGroups(t *testing.T) {
	const n = 5000
	tbl := New(Config{MaxAddresses: 1})
	mac := func(i int) encap.MAC { return encap.MAC{0x01, 0, 0x5e, 0, byte(i >> 8), byte(i)} }
	for i := range n {
		mustDo(t, tbl.Add(mac(i), RemoteID(i), Permanent, 0, 1))
	}
	for i := range n {
		if g := tbl.Group(mac(i), 1); len(g) != 1 || g[0] != RemoteID(i) {
			t.Fatalf("Group(%v) = %v", mac(i), g)
		}
	}
	if removed := tbl.Flush(nil); removed != n || tbl.Len() != 0 {
		t.Errorf("Flush removed %d of %d, %d left", removed, n, tbl.Len())
	}
}
