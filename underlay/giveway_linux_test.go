package underlay

import (
	"testing"
	"time"
)

// TestNextRest: a thread rests longer each time that it finds others waiting, and soon no more where nobody does.
func TestNextRest(t *testing.T) {
	rest := time.Duration(0)
	for _, c := range []struct {
		ran, waited int64
		want        time.Duration
	}{
		{80_000, 10_000, 0},
		{80_000, 10_001, leastRest},
		{80_000, 80_000, 2 * leastRest},
		{80_000, 0, leastRest},
		{80_000, 0, 0},
		{0, 0, 0},
	} {
		if rest = nextRest(rest, c.ran, c.waited); rest != c.want {
			t.Errorf("ran %d, waited %d: %v, want %v", c.ran, c.waited, rest, c.want)
		}
	}
	for range 10 {
		rest = nextRest(rest, 1, 1)
	}
	if rest != mostRest {
		t.Errorf("the longest rest is %v", rest)
	}
}

// TestSchedstat: the file of the kernel is read, and nothing else.
func TestSchedstat(t *testing.T) {
	if ran, waited, ok := schedstat([]byte("46131 2514 3\n")); ran != 46131 || waited != 2514 || !ok {
		t.Error(ran, waited, ok)
	}
	for _, b := range []string{"", "1", "a b c", "1 b c"} {
		if _, _, ok := schedstat([]byte(b)); ok {
			t.Errorf("%q was read", b)
		}
	}
	done := make(chan error)
	go func() {
		g, err := Background()
		if err == nil && g.stat != nil {
			g.Rest(true)
			if g.ran == 0 {
				t.Error("the thread has not run")
			}
			g.rest = mostRest
			if g.Rest(false); g.rest > 0 || g.ran > 0 {
				t.Error("a thread that nobody waits for remembers its rest")
			}
		}
		_ = g.Close()
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
