package vtep

import (
	"fmt"
	"slices"
	"testing"

	"github.com/uvtep/uvtep/fdb"
)

// TestCondition: it is told where it begins, each minute that it goes on, and
// where nothing was counted for a while.
func TestCondition(t *testing.T) {
	var c condition
	var got []string
	counter := uint64(0)
	grows := func(now fdb.Tick) bool { return now >= 5 && now < 70 || now >= 200 && now < 202 }
	for now := range fdb.Tick(300) {
		if grows(now) {
			counter += 10
		}
		if p, n := c.step(now, counter); p != unchanged {
			got = append(got, fmt.Sprintf("%d: %v %d", now, p, n))
		}
	}
	want := []string{"5: 1 10", "65: 2 600", "79: 3 650", "200: 1 10", "211: 3 20"}
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	if n := testing.AllocsPerRun(100, func() { c.step(1000, counter) }); n != 0 {
		t.Errorf("%v allocations where nothing is told", n)
	}
}
