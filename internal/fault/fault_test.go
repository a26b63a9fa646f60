package fault_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/internal/fault"
)

// TestCatch: a panic is counted and told with where it was; what ends by itself is
// neither.
func TestCatch(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	before := fault.Caught()
	if fault.Catch(log, "nothing", func() {}) || fault.Caught() != before || text.Len() > 0 {
		t.Errorf("a function without a panic: %d caught, log %q", fault.Caught()-before, &text)
	}
	if !fault.Catch(log, "a worker", func() { _ = []int{}[len(text.Bytes())] }) || fault.Caught() != before+1 {
		t.Errorf("%d caught, want 1", fault.Caught()-before)
	}
	for _, want := range []string{"level=ERROR", `in="a worker"`, "index out of range", "TestCatch"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the log says %q, without %q", &text, want)
		}
	}
}

// TestRestart: a part that goes on panicking rests longer and longer, one that ran
// well for a while rests shortly, and one that returns is not started again.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rests []time.Duration
		runs := 0
		rest := func(d time.Duration) bool {
			rests = append(rests, d)
			time.Sleep(d)
			return true
		}
		fault.Restart(slog.New(slog.DiscardHandler), "x", rest, func() {
			switch runs++; runs {
			case 11:
				time.Sleep(time.Hour)
			case 13:
				return
			}
			panic("x")
		})
		ms := func(n time.Duration) time.Duration { return n * time.Millisecond }
		want := []time.Duration{ms(10), ms(20), ms(40), ms(80), ms(160), ms(320), ms(640), ms(1000), ms(1000), ms(1000), ms(10), ms(20)}
		if runs != 13 || !slices.Equal(rests, want) {
			t.Errorf("%d runs, rests %v, want %v", runs, rests, want)
		}
		fault.Restart(slog.New(slog.DiscardHandler), "x", func(time.Duration) bool { return false }, func() {
			runs++
			panic("x")
		})
		if runs != 14 {
			t.Errorf("started again where nothing is to start")
		}
	})
}
