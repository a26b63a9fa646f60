package fdb

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/uvtep/uvtep/encap"
)

// sameAddr for tests: handles that differ in the low two bits only are one
// address with different ports.
func sameAddr(a, b RemoteID) bool { return a>>2 == b>>2 }

// fuzzer drives a table and the oracle with the same random operations.
type fuzzer struct {
	t      *testing.T
	rnd    *rand.Rand
	fast   *Table
	slow   *slow
	events []Event // of fast, since the last operation
	clock  Tick
	macs   int
	gone   int // entries that were evicted
}

// TestAgainstOracle compares the table with the oracle over 1.2 million random
// operations: results, events and content. FDB_SEED=n repeats a failed round.
func TestAgainstOracle(t *testing.T) {
	seeds := []uint64{1, 2, 3, rand.Uint64()}
	if s := os.Getenv("FDB_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds = []uint64{n}
	}
	ops := 300_000
	if raceDetector {
		ops = 20_000
	}
	for i, seed := range seeds {
		shards := []int{1, 4, 64, 0}[i]
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Logf("seed %d, %d shards, %d operations", seed, shards, ops)
			f := &fuzzer{t: t, rnd: rand.New(rand.NewPCG(seed, 0)), clock: 1, macs: 2000}
			c := Config{MaxAddresses: 1200, Shards: shards, SameAddr: sameAddr}
			f.slow = newSlow(c)
			c.OnChange = func(e Event) {
				f.events = append(f.events, e)
				if e.Reason == ReasonEvicted {
					f.slow.evicted = append(f.slow.evicted, e.MAC)
					f.gone++
				}
			}
			f.fast = New(c)
			for n := range ops {
				f.step()
				if n%2000 == 0 {
					f.compareAll()
				}
			}
			f.compareAll()
			t.Logf("%d entries were evicted", f.gone)
			if f.gone < ops/100 {
				t.Error("the table was hardly ever full")
			}
			if !raceDetector && f.clock < 3<<tickBits {
				t.Errorf("the clock came to %d only: stored ticks did not wrap", f.clock)
			}
		})
	}
}

func (f *fuzzer) mac() encap.MAC {
	switch n := f.rnd.IntN(f.macs); f.rnd.IntN(20) {
	case 0:
		return encap.MAC{}
	case 1:
		return encap.MAC{0x01, 0x00, 0x5e, 0, 0, byte(n % 6)}
	default:
		return encap.MAC{0x02, 0, byte(n), 0, byte(n >> 8), 7}
	}
}

// step does one operation on both and compares what it says.
func (f *fuzzer) step() {
	f.events, f.slow.events = f.events[:0], f.slow.events[:0]
	f.slow.evicted, f.slow.wrong = nil, ""
	m := f.mac()
	r := RemoteID(f.rnd.IntN(40))
	if f.rnd.IntN(50) == 0 {
		r = MaxRemoteID - r
	}
	st, fl := State(f.rnd.IntN(3)), Flags(f.rnd.IntN(8)).WithMark(Mark(f.rnd.IntN(3)))
	if f.rnd.IntN(4) == 0 {
		fl |= FlagNoFlood
	}
	// A worker's clock may be a little behind the others'.
	now := f.clock - Tick(f.rnd.IntN(2))
	var got, want any
	var op string
	switch n := f.rnd.IntN(1000); {
	case n < 250:
		op = "Learn"
		got, want = f.fast.Learn(m, r, now), f.slow.Learn(m, r, now)
	case n < 450:
		op = "Lookup"
		got, want = pair(f.fast.Lookup(m, now)), pair(f.slow.Lookup(m, now))
	case n < 550:
		op = "Group"
		got, want = f.fast.Group(m, now), f.slow.Group(m, now)
	case n < 620:
		op = "Add"
		got, want = f.fast.Add(m, r, st, fl, now), f.slow.Add(m, r, st, fl, now)
	case n < 700:
		op = "Append"
		got, want = f.fast.Append(m, r, st, fl, now), f.slow.Append(m, r, st, fl, now)
	case n < 800:
		op = "Replace"
		got, want = f.fast.Replace(m, r, st, fl, now), f.slow.Replace(m, r, st, fl, now)
	case n < 850:
		op = "Delete"
		got, want = f.fast.Delete(m), f.slow.Delete(m)
	case n < 940:
		op = "DeleteRemote"
		got, want = f.fast.DeleteRemote(m, r), f.slow.DeleteRemote(m, r)
	default:
		op, got, want = f.rare(n)
	}
	if f.slow.wrong != "" || len(f.slow.evicted) > 0 {
		f.t.Fatalf("%s(%v, %d, %v, %d) at %d: %s; evicted beyond that: %v", op, m, r, st, fl, now, f.slow.wrong, f.slow.evicted)
	}
	if !same(got, want) {
		f.t.Fatalf("%s(%v, %d, %v, %d) at %d = %v, want %v", op, m, r, st, fl, now, got, want)
	}
	f.compareEvents(op)
	e, ok := f.fast.Get(m)
	o, exists := f.slow.Get(m)
	if ok != exists || !reflect.DeepEqual(o, e) {
		f.t.Fatalf("after %s(%v) at %d: entry %v %+v, want %v %+v", op, m, now, ok, e, exists, o)
	}
}

// rare does what concerns the whole table; n is in [940, 1000).
func (f *fuzzer) rare(n int) (op string, got, want any) {
	switch {
	case n < 980:
		f.clock++
		return "tick", nil, nil
	case n < 990:
		// Up to the longest pause between two calls of Age, less the single
		// ticks since the last one.
		f.clock += Tick(f.rnd.IntN(aheadTicks - 1000))
		maxAge := []Tick{0, 300, 20000, 500000, MaxAge}[f.rnd.IntN(5)]
		return "Age", f.fast.Age(f.clock, maxAge), f.slow.Age(f.clock, maxAge)
	case n < 992:
		limit := []int{0, 30, 200, 1200}[f.rnd.IntN(4)] // 30: fewer than there are remotes
		f.fast.SetMaxAddresses(limit)
		f.slow.max = limit
		return "SetMaxAddresses", nil, nil
	case n < 993:
		mod := RemoteID(1 + f.rnd.IntN(6))
		filter := func(e *Entry) bool { return e.Remotes[0]%mod == 0 && e.State != Permanent }
		return "Flush", f.fast.Flush(filter), f.slow.Flush(filter)
	case n == 993 && f.rnd.IntN(10) == 0:
		return "Flush all", f.fast.Flush(nil), f.slow.Flush(func(*Entry) bool { return true })
	}
	return "Len", f.fast.Len(), len(f.slow.entries)
}

func pair(r RemoteID, ok bool) any { return [2]any{r, ok} }

func same(got, want any) bool {
	if e, ok := got.(error); ok {
		w, _ := want.(error)
		return errors.Is(e, w)
	}
	return reflect.DeepEqual(want, got)
}

// compareEvents compares what the operation reported; the order between MACs
// is that of shards in one and of a map in the other.
func (f *fuzzer) compareEvents(op string) {
	order := func(a, b Event) int {
		return cmp.Or(bytes.Compare(a.MAC[:], b.MAC[:]), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Remote, b.Remote))
	}
	slices.SortFunc(f.events, order)
	slices.SortFunc(f.slow.events, order)
	if !slices.Equal(f.events, f.slow.events) {
		f.t.Fatalf("%s: events (-want +got):\n%s", op, gocmp.Diff(f.slow.events, f.events))
	}
}

// compareAll compares the whole content by Walk, and its order.
func (f *fuzzer) compareAll() {
	var got []Entry
	f.fast.Walk(func(e *Entry) bool {
		c := *e
		c.Remotes = slices.Clone(e.Remotes)
		got = append(got, c)
		return true
	})
	inOrder := func(a, b Entry) int { return bytes.Compare(a.MAC[:], b.MAC[:]) }
	if !slices.IsSortedFunc(got, inOrder) {
		f.t.Fatalf("Walk: not in order: %v", got)
	}
	if want := f.slow.all(); !reflect.DeepEqual(want, got) {
		f.t.Fatalf("content (-want +got):\n%s", gocmp.Diff(want, got))
	}
	f.compareShares(got)
	if n := f.fast.Len(); n != len(got) {
		f.t.Fatalf("Len() = %d, Walk gave %d", n, len(got))
	}
}

// compareShares compares what the table counts of each remote with its content.
func (f *fuzzer) compareShares(all []Entry) {
	held := map[RemoteID]uint32{}
	total := 0
	for _, e := range all {
		if !IsGroup(e.MAC) && ages(e.State, e.Flags) {
			held[e.Remotes[0]]++
			total++
		}
	}
	s := &f.fast.shares
	for i, h := range s.heap {
		if held[h.id] != h.n || s.place(h.id) != uint32(i+1) || i > 0 && s.heap[(i-1)/2].n < h.n {
			f.t.Fatalf("remote %d is said to hold %d entries at place %d, it holds %d", h.id, h.n, i, held[h.id])
		}
	}
	if s.Total() != total || len(s.heap) != len(held) {
		f.t.Fatalf("%d remotes are said to hold %d entries, %d hold %d", len(s.heap), s.Total(), len(held), total)
	}
}
