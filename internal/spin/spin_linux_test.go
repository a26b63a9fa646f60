package spin

import (
	"testing"
	"time"
)

// spell is how often a spinner looks, one look each step, before it gives up.
func spell(s *Spinner, now *time.Duration, step time.Duration) int {
	for n := 0; ; n++ {
		if !s.decide(*now) {
			return n
		}
		*now += step
	}
}

func TestSpinnerLimit(t *testing.T) {
	s := Spinner{limit: 20 * time.Microsecond}
	var now time.Duration
	if n := spell(&s, &now, time.Microsecond); n != 21 {
		t.Errorf("%d looks of 1 us each, want 21", n)
	}
	// Without success: 1, 3, 7, 15, 15 waits without spinning follow.
	for _, want := range []int{1, 3, 7, 15, 15} {
		for i := range want {
			if n := spell(&s, &now, time.Microsecond); n != 0 {
				t.Fatalf("wait %d of %d after a failure: %d looks, want none", i, want, n)
			}
		}
		if n := spell(&s, &now, time.Microsecond); n != 21 {
			t.Fatalf("after %d waits: %d looks, want 21", want, n)
		}
	}
}

// Other work on the processor ends it at once.
func TestSpinnerGivesWay(t *testing.T) {
	s := Spinner{limit: time.Millisecond}
	var now time.Duration
	if n := spell(&s, &now, 2*foreignGap); n != 1 {
		t.Errorf("%d looks with 200 us between them, want 1", n)
	}
	if n := spell(&s, &now, time.Microsecond); n != 0 {
		t.Errorf("%d looks right after that, want none", n)
	}
}

func TestSpinnerOffWhenBusy(t *testing.T) {
	for _, tt := range []struct {
		name          string
		frames, bytes int
		want          int
	}{
		{"one small frame", 1, 128, 21},
		{"several frames", 2, 256, 0},
		{"superframe", 1, 60_000, 0},
	} {
		s := Spinner{limit: 20 * time.Microsecond}
		var now time.Duration
		s.Done(tt.frames, tt.bytes)
		if n := spell(&s, &now, time.Microsecond); n != tt.want {
			t.Errorf("after %s: %d looks, want %d", tt.name, n, tt.want)
		}
	}
}

// A spell that finds a frame takes the penalty away.
func TestSpinnerSuccess(t *testing.T) {
	s := Spinner{limit: 20 * time.Microsecond, penalty: maxSpinSkip}
	var now time.Duration
	for range 5 {
		if !s.decide(now) {
			t.Fatal("no spinning after success")
		}
		now += time.Microsecond
		s.Done(1, 64)
	}
	if s.penalty != 0 {
		t.Errorf("penalty %d after success, want 0", s.penalty)
	}
	if s := New(0); s.Again() {
		t.Error("spins although no limit was given")
	}
}
