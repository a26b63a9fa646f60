package tunnelgso

import (
	"math/rand/v2"
	"testing"
	"time"
)

// run tries superframes of 64 KiB until there is a verdict: pieces take about a time, and whole ones that part of it.
func (t *trial) run(tb testing.TB, rnd *rand.Rand, part float64) bool {
	tb.Helper()
	const size = 64 << 10
	for range 2 * trialPairs {
		whole, timed := t.turn(size)
		if !timed {
			tb.Fatal("it ended early")
		}
		if other, twice := t.turn(size); twice || other != t.whole.Load() {
			tb.Fatal("another worker's superframe is timed at once")
		}
		took := 20_000 * (0.8 + 0.4*rnd.Float64())
		if rnd.IntN(8) == 0 {
			took *= 1 + 50*rnd.Float64() // something else ran
		}
		if whole {
			took *= part
		}
		t.took(time.Duration(took), size)
	}
	if _, timed := t.turn(size); timed || !t.decided.Load() {
		tb.Fatal("it did not end")
	}
	return t.whole.Load()
}

// TestTrial: superframes leave whole where that takes less time, from the verdict on that says so, and until one that says
// that it takes more; small ones are not tried, and follow the verdict.
func TestTrial(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	tr := newTrial(Auto)
	if whole, timed := tr.turn(leastTried - 1); whole || timed {
		t.Error("a small superframe is tried")
	}
	for i, c := range []struct {
		part float64
		want bool
	}{{2.1, false}, {0.65, true}, {0.65, true}, {2.1, false}, {1.1, false}, {0.4, true}} {
		if got := tr.run(t, rnd, c.part); got != c.want {
			t.Errorf("trial %d: whole %v where that takes %v of the time", i, got, c.part)
		}
		if whole, timed := tr.turn(leastTried - 1); whole != c.want || timed {
			t.Errorf("trial %d: a small superframe leaves whole: %v, timed %v", i, whole, timed)
		}
		tr.again(Auto)
	}
	if tr = newTrial(On); !tr.taken() {
		t.Error("with on something is tried")
	}
	if tr.again(On); !tr.taken() {
		t.Error("with on something is tried again")
	}
}

// taken reports whether a large superframe leaves whole untimed.
func (t *trial) taken() bool {
	whole, timed := t.turn(64 << 10)
	return whole && !timed
}
