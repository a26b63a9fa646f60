package bgp

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// TestTableAgainstOracle: whatever the order of changes and of sessions that come, take and
// go, each session has in the end been told what there is, and nothing that went stays.
func TestTableAgainstOracle(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		tab, want := newTable(), map[Key]uint32{}
		told := map[*cursor]map[Key]uint32{}
		marks := map[*cursor]int{}
		var b batch
		take := func(c *cursor) {
			tab.take(c, &b)
			for i := range b.withdrawn {
				delete(told[c], b.withdrawn[i].Key())
			}
			for _, g := range b.groups {
				for i := range g.Announced {
					told[c][g.Announced[i].Key()] = g.Attributes.MED
				}
			}
			if b.mark {
				marks[c]++
			}
		}
		anyone := func() *cursor {
			for c := range told {
				return c
			}
			return nil
		}
		for range 400 {
			k := rng.IntN(30)
			r := number(k)
			switch rng.IntN(10) {
			case 0:
				c := tab.join()
				told[c] = map[Key]uint32{}
			case 1:
				if c := anyone(); c != nil && rng.IntN(2) == 0 {
					tab.leave(c)
					delete(told, c)
				}
			case 2, 3:
				if c := anyone(); c != nil {
					take(c)
				}
			case 4:
				if c := anyone(); c != nil && rng.IntN(4) == 0 {
					tab.rewind(c)
				}
			case 5, 6:
				tab.withdraw(r.Key())
				delete(want, r.Key())
			default:
				a := plain
				a.MED = 1 + rng.Uint32N(4)
				tab.announce(r, &a)
				want[r.Key()] = a.MED
			}
		}
		for c, got := range told {
			take(c)
			if !reflect.DeepEqual(got, want) || marks[c] == 0 || tab.announced(c) != len(want) {
				t.Fatalf("seed %d: told %v, want %v, %d marks", seed, got, want, marks[c])
			}
		}
		if len(tab.routes) != len(want) || len(tab.shared) > 4 {
			t.Fatalf("seed %d: %d places of %d routes, %d attributes", seed, len(tab.routes), len(want), len(tab.shared))
		}
		for k := range want {
			tab.withdraw(k)
		}
		for c := range told {
			take(c)
		}
		if len(tab.routes) != 0 || len(tab.shared) != 0 {
			t.Fatalf("seed %d: %d places, %d attributes of nothing", seed, len(tab.routes), len(tab.shared))
		}
	}
}

// TestManyAndNone: maps that were large are small again when nothing is in them.
func TestManyAndNone(t *testing.T) {
	tab := newTable()
	rec := received{limit: 1 << 30, ownID: 1, drops: map[DropReason]uint64{}}
	for i := range 20_000 {
		tab.announce(number(i), &plain)
		if err := rec.take(&Update{Announced: []Route{number(i)}, Attributes: &plain}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20_000 {
		tab.withdraw(keyOf(number(i)))
	}
	had := rec.routes.len()
	rec.sweep(true, func(*Update) {})
	if places := rec.routes.tables[0].places; tab.peak > 1024 || places > smallTable || len(tab.routes) != 0 || had != 20_000 {
		t.Errorf("%d and %d", tab.peak, places)
	}
}

// TestSweep withdraws what did not come again, in updates of a bounded size.
func TestSweep(t *testing.T) {
	rec := received{limit: 1 << 30, ownID: 1, drops: map[DropReason]uint64{}}
	put := func(from, to int) {
		if err := rec.take(&Update{Announced: numbers(from, to), Attributes: &plain}); err != nil {
			t.Fatal(err)
		}
	}
	put(0, 5000)
	rec.keep(time.Now())
	put(4000, 6000)
	n := 0
	rec.sweep(false, func(u *Update) {
		if len(u.Withdrawn) > maxSwept || len(u.Announced) > 0 {
			t.Errorf("%d and %d routes in an update", len(u.Withdrawn), len(u.Announced))
		}
		n += len(u.Withdrawn)
	})
	if n != 4000 || rec.routes.len() != 2000 || !rec.staleUntil.IsZero() {
		t.Errorf("%d withdrawn, %d left", n, rec.routes.len())
	}
}
