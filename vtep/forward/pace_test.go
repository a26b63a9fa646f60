package forward

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestPace: however frames come, in batches, at once or evenly, no second sees more
// than a twentieth over the limit, and ten of them no more and no less than a
// fiftieth, where more was there all the time.
func TestPace(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, limit := range []uint32{100, 1000, 30_000, 1_000_000} {
		for name, gap := range map[string]func() time.Duration{
			"evenly":  func() time.Duration { return 200 * time.Microsecond },
			"bursts":  func() time.Duration { return 10 * time.Millisecond },
			"at will": func() time.Duration { return time.Duration(rnd.ExpFloat64() * float64(2*time.Millisecond)) },
			"late":    func() time.Duration { return time.Duration(rnd.IntN(30)) * time.Millisecond },
		} {
			var p pace
			const seconds = 13
			taken := make([]int, seconds*1000) // by millisecond
			now := 1234567 * time.Microsecond
			begin := now
			for now-begin < seconds*time.Second {
				offered := int(float64(limit)*0.05) + 20
				for range offered {
					if !p.takes(limit, 1, now) {
						break // nor are those that come at the same time
					}
					taken[(now-begin)/time.Millisecond]++
				}
				now += gap()
			}
			sum := func(from, n int) (all float64) {
				for _, k := range taken[from:min(from+n, len(taken))] {
					all += float64(k)
				}
				return all
			}
			for from := 0; from+1000 <= len(taken); from += 7 {
				if got := sum(from, 1000); got > 1.05*float64(limit) {
					t.Errorf("limit %d, %s: %.0f frames in the second from %d ms on", limit, name, got, from)
					break
				}
			}
			for from := 0; from <= 3000; from += 100 {
				if got := sum(from, 10_000); got > 10.2*float64(limit) || got < 9.8*float64(limit) {
					t.Errorf("limit %d, %s: %.0f frames in ten seconds from %d ms on", limit, name, got, from)
					break
				}
			}
		}
	}
}

// TestPaceOfSuperframes: one passes whole, and is paid for by those after it.
func TestPaceOfSuperframes(t *testing.T) {
	var p pace
	sent := 0
	for now := time.Duration(0); now < 10*time.Second; now += time.Millisecond {
		if p.takes(100, 64, now) {
			sent += 64
		}
	}
	if sent < 1000-64 || sent > 1000+64 {
		t.Errorf("%d segments in ten seconds, want about 1000", sent)
	}
	if n := testing.AllocsPerRun(100, func() { p.takes(100, 1, 0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPace(b *testing.B) {
	var p pace
	for b.Loop() {
		p.takes(1_000_000_000, 1, time.Duration(b.N))
	}
}
