package fdb

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// TestBudgetIsShared: tables share a budget fairly. Where one of them fills it, each
// of the others has its new addresses learned at once, and the one that holds most
// pays for them.
func TestBudgetIsShared(t *testing.T) {
	const all, tables = 1000, 20
	b := NewBudget(all)
	tbl := make([]*Table, tables)
	lost := make([]int, tables)
	for i := range tbl {
		tbl[i] = New(Config{Budget: b, OnChange: func(e Event) {
			if e.Kind == Removed {
				lost[i]++
			}
		}})
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 3 * all {
		tbl[0].Learn(randomMAC(rnd), 1, 1)
	}
	if b.Used() != all || tbl[0].Len() != all {
		t.Fatalf("%d entries of %d, %d in the table that floods", b.Used(), all, tbl[0].Len())
	}
	for i := 1; i < tables; i++ {
		for n := range 10 {
			if res := tbl[i].Learn(testMAC(n), 7, 2); res.Outcome != LearnNew {
				t.Fatalf("table %d, address %d: %v", i, n, res.Outcome)
			}
		}
		if lost[i] > 0 {
			t.Errorf("table %d lost %d entries", i, lost[i])
		}
	}
	if n := tbl[0].Len(); b.Used() != all || n != all-10*(tables-1) {
		t.Errorf("%d entries of %d, %d in the table that floods", b.Used(), all, n)
	}
	// All flood: each has its part, but for the few places between two looks.
	for range 20 * all {
		tbl[rnd.IntN(tables)].Learn(randomMAC(rnd), 1, 3)
	}
	for i := range tbl {
		if n := tbl[i].Len(); n < all/tables*8/10 || n > all/tables*12/10 {
			t.Errorf("table %d of %d has %d of %d entries", i, tables, n, all)
		}
	}
	// What was given stays, and takes the place of what was learned.
	for n := range all {
		mustDo(t, tbl[1].Add(testMAC(1000+n), 1, Static, FlagUser, 4))
	}
	if err := tbl[1].Add(testMAC(9999), 1, Static, FlagUser, 4); !errors.Is(err, ErrFull) {
		t.Errorf("Add where all is given: %v", err)
	}
	if res := tbl[2].Learn(testMAC(9999), 1, 4); res.Outcome != LearnFull {
		t.Errorf("Learn where all is given: %v", res.Outcome)
	}
	tbl[1].Close()
	if res := tbl[1].Learn(testMAC(9999), 1, 4); res.Outcome != LearnFull || b.Used() != 0 || len(b.tables) != tables-1 {
		t.Errorf("a closed table learns: %v; %d entries are left of %d tables", res.Outcome, b.Used(), len(b.tables))
	}
	b.SetMax(3)
	for n := range 10 {
		tbl[2].Learn(testMAC(n), 1, 5)
	}
	if b.Used() != 3 || b.Max() != 3 {
		t.Errorf("%d of %d", b.Used(), b.Max())
	}
}

// TestBudgetUnderConcurrency: workers of several tables cannot exceed the budget
// together, while tables are closed and made.
func TestBudgetUnderConcurrency(t *testing.T) {
	const limit = 300
	b := NewBudget(limit)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 1))
			for range rounds / 100 {
				tbl := New(Config{Budget: b, Shards: 4, MaxAddresses: 200})
				for i := range limit {
					tbl.Learn(randomMAC(rnd), RemoteID(i%3), 1)
					if n := b.Used(); n > limit {
						t.Errorf("%d entries, the budget being %d", n, limit)
						return
					}
				}
				tbl.Close()
			}
		})
	}
	wg.Wait()
	if b.Used() != 0 || len(b.tables) != 0 {
		t.Errorf("%d entries are left in %d tables", b.Used(), len(b.tables))
	}
}

// TestNothingLeft: a million entries of 65,536 remotes that were there leave no
// memory behind.
func TestNothingLeft(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector adds to the heap and finds nothing in one goroutine")
	}
	const n = 1_000_000
	before := heap()
	tbl := New(Config{})
	for i := range n {
		tbl.Learn(testMAC(i), RemoteID(i)&0xffff, 1)
	}
	most := int64(heap() - before)
	for i := range n {
		if i != 77 { // one stays
			mustDo(t, tbl.Delete(testMAC(i)))
		}
	}
	tbl.Age(2, 300)
	left := int64(heap() - before)
	t.Logf("%d entries: %.1f MiB, then %.1f KiB for one", n, float64(most)/(1<<20), float64(left)/(1<<10))
	if left > 64<<10 {
		t.Errorf("%d bytes are left", left)
	}
	runtime.KeepAlive(tbl)
}

// TestSpoofedSources: where each remote has one address alone, as where sources
// are made up (`accept any`), an entry in use stays, and one that is idle gives its
// place.
func TestSpoofedSources(t *testing.T) {
	tbl := New(Config{MaxAddresses: 100})
	rnd := rand.New(rand.NewPCG(1, 2))
	remote := RemoteID(1)
	flood := func(now Tick) (learned int) {
		for range 1000 {
			if remote++; tbl.Learn(randomMAC(rnd), remote, now).Outcome == LearnNew {
				learned++
			}
		}
		return learned
	}
	tbl.Learn(testMAC(1), 0, 1)
	for now := Tick(1); now < 60; now++ {
		if got := flood(now); now > 1 && got > 99 {
			t.Fatalf("at %d %d places changed hands", now, got)
		}
		if res := tbl.Learn(testMAC(1), 0, now); res.Outcome != LearnRefreshed {
			t.Fatalf("the entry in use was lost at %d: %v", now, res.Outcome)
		}
	}
	if res := tbl.Learn(testMAC(2), remote+1, 75); res.Outcome != LearnNew {
		t.Errorf("a new address where the others are idle: %v", res.Outcome)
	}
	if err := tbl.Add(testMAC(3), remote+2, Dynamic, FlagUser, 75); err != nil {
		t.Errorf("an entry that is given: %v", err)
	}
}

// BenchmarkEvict is what a flood of new addresses costs a full table, by how many
// remotes have a share.
func BenchmarkEvict(b *testing.B) {
	for name, remotes := range map[string]int{"1-remote": 1, "1000-remotes": 1000} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			tbl := New(Config{MaxAddresses: 16384})
			rnd := rand.New(rand.NewPCG(1, 2))
			i := 0
			next := func() encap.MAC { i++; return randomMAC(rnd) }
			for range 40_000 {
				tbl.Learn(next(), RemoteID(i%remotes), 1)
			}
			for b.Loop() {
				tbl.Learn(next(), RemoteID(i%remotes), 2)
			}
		})
	}
}
