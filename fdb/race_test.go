package fdb

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// testMAC is the n-th of a set of unicast addresses.
func testMAC(n int) encap.MAC {
	return encap.MAC{0x02, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), 0x11}
}

// rounds is how often a concurrent test repeats: enough to meet a race, cheap
// under the race detector.
const rounds = 1000

// TestConcurrentReadersAndWriters holds stable entries up against readers while
// writers add, move and remove others in the same shards, so that these grow and
// shrink all the time. A stable entry is never missed, and a remote never comes
// from another MAC.
func TestConcurrentReadersAndWriters(t *testing.T) {
	const stable, churn = 64, 512
	tbl := New(Config{Shards: 2, OnChange: func(Event) {}})
	for i := range stable {
		if err := tbl.Add(testMAC(i), RemoteID(i), Static, FlagUser, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := tbl.Append(encap.MAC{}, 1, Permanent, FlagUser, 1); err != nil {
		t.Fatal(err)
	}
	var done atomic.Bool
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for now := Tick(1); !done.Load(); now++ {
				for i := range stable {
					if r, ok := tbl.Lookup(testMAC(i), now); !ok || r != RemoteID(i) {
						t.Errorf("Lookup of stable entry %d = %d, %v", i, r, ok)
						return
					}
					if res := tbl.Learn(testMAC(i), RemoteID(i), now); res.Outcome != LearnRefreshed {
						t.Errorf("Learn of stable entry %d: %v", i, res.Outcome)
						return
					}
				}
				for i := stable; i < churn; i++ {
					if r, ok := tbl.Lookup(testMAC(i), now); ok && int(r)/2 != i {
						t.Errorf("Lookup of entry %d gave remote %d of another MAC", i, r)
						return
					}
				}
				if g := tbl.Group(encap.MAC{}, now); len(g) == 0 || g[0] != 1 {
					t.Errorf("Group = %v, want 1 first", g)
					return
				}
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			for n := range rounds / 100 {
				now := Tick(n + 2)
				for i := stable; i < churn; i++ {
					tbl.Learn(testMAC(i), RemoteID(2*i+w), now)
				}
				_ = tbl.Append(encap.MAC{}, RemoteID(2+w), Permanent, FlagUser, now)
				tbl.Walk(func(e *Entry) bool {
					if !IsGroup(e.MAC) && e.State == Dynamic && testMAC(int(e.Remotes[0])/2) != e.MAC {
						t.Errorf("Walk: %v has remote %d", e.MAC, e.Remotes[0])
					}
					return true
				})
				tbl.Age(now+1000, 300)
				_ = tbl.DeleteRemote(encap.MAC{}, RemoteID(2+w))
				tbl.Flush(func(e *Entry) bool { return e.State == Dynamic })
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
	if n := tbl.Len(); n != stable+1 {
		t.Errorf("%d entries are left, want %d", n, stable+1)
	}
}

// TestRefreshSurvivesRebuild: a refresh that Learn reported is there
// afterwards, though the shard is being copied to a new array all the time.
func TestRefreshSurvivesRebuild(t *testing.T) {
	const others = 2000
	tbl := New(Config{Shards: 1})
	for i := range others {
		tbl.Learn(testMAC(i), 1, 0)
	}
	mac := testMAC(1 << 20)
	tbl.Learn(mac, 5, 0)
	s := &tbl.shards[0]
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !done.Load() {
			s.mu.Lock()
			s.rebuild(tbl, s.live)
			s.mu.Unlock()
		}
	})
	for now := Tick(1); now < rounds; now++ {
		// The Get below ends with the start of a rebuild: go on to some moment
		// within it.
		for i := range int(now * 7919 % others) {
			tbl.Lookup(testMAC(i), now)
		}
		if res := tbl.Learn(mac, 5, now); res.Outcome != LearnRefreshed {
			t.Errorf("Learn at %d: %v", now, res.Outcome)
			break
		}
		if e, ok := tbl.Get(mac); !ok || e.Updated != now {
			t.Errorf("refreshed at %d, the entry says %v %d", now, ok, e.Updated)
			break
		}
	}
	done.Store(true)
	wg.Wait()
}

// TestRefreshAcrossRebuild: a whole rebuild comes between a refresher's look
// at the slot and its write, which then hits the old array.
func TestRefreshAcrossRebuild(t *testing.T) {
	var tbl *Table
	calls := 0
	tbl = New(Config{Shards: 1, SameAddr: func(a, b RemoteID) bool {
		if calls++; calls == 1 {
			s := &tbl.shards[0]
			s.mu.Lock()
			s.rebuild(tbl, s.live)
			s.mu.Unlock()
		}
		return sameAddr(a, b)
	}})
	mac := testMAC(1)
	tbl.Learn(mac, 4, 0)
	res := tbl.Learn(mac, 5, 9)
	if e, ok := tbl.Get(mac); res.Outcome != LearnRefreshed || !ok || e.Updated != 9 || e.Remotes[0] != 4 {
		t.Errorf("Learn said %v, the entry is %v %+v", res.Outcome, ok, e)
	}
}

// TestRefreshBetweenLookAndRemoval: ageing looks at an entry, a lock-free
// refresh follows, and the removal must not go through.
func TestRefreshBetweenLookAndRemoval(t *testing.T) {
	tbl := New(Config{Shards: 1})
	mac := testMAC(1)
	tbl.Learn(mac, 1, 0)
	s := &tbl.shards[0]
	k := keyOf(mac)
	s.mu.Lock()
	sl := s.liveSlot(k, tbl.hash(k))
	looks := 0
	removed := tbl.removeIf(s, sl, ReasonAged, func(v value) bool {
		due := age(v.updated(), 400) > 300
		if looks++; looks == 1 {
			tbl.Learn(mac, 1, 400)
		}
		return due
	})
	s.mu.Unlock()
	if e, ok := tbl.Get(mac); removed || looks != 2 || !ok || e.Updated != 400 {
		t.Errorf("removed %v after %d looks, the entry is %v %+v", removed, looks, ok, e)
	}
}

// TestAgeAgainstRefresh lets Age and Learn meet on entries that are due: what
// Learn refreshed or made, Age has not removed.
func TestAgeAgainstRefresh(t *testing.T) {
	const n = 300
	tbl := New(Config{Shards: 1})
	for i := range n {
		tbl.Learn(testMAC(i), 1, 0)
	}
	for round := range Tick(rounds / 10) {
		now := (round + 1) * 400
		var wg sync.WaitGroup
		wg.Go(func() { tbl.Age(now, 300) })
		for i := range n {
			tbl.Learn(testMAC(i), 1, now)
		}
		wg.Wait()
		for i := range n {
			if e, ok := tbl.Get(testMAC(i)); !ok || e.Updated != now {
				t.Fatalf("at %d the entry learned just now is %v %+v", now, ok, e)
			}
		}
	}
}

// TestLimitUnderConcurrency: writers in different shards cannot exceed the
// limit together.
func TestLimitUnderConcurrency(t *testing.T) {
	const limit = 500
	tbl := New(Config{MaxAddresses: limit})
	var learned atomic.Int64
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range limit {
				if tbl.Learn(testMAC(w*limit+i), 1, 1).Outcome == LearnNew {
					learned.Add(1)
				}
				if n := tbl.Len(); n > limit {
					t.Errorf("%d entries", n)
				}
			}
		})
	}
	wg.Wait()
	// One may find the place that it made taken by another, as often as it tries.
	if n := learned.Load(); n < 4*limit*9/10 || tbl.Len() != limit {
		t.Errorf("learned %d of %d, Len() = %d, want %d", n, 4*limit, tbl.Len(), limit)
	}
}
