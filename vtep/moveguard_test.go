package vtep

import (
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// TestMoveGuardWindow: six moves within the window hold a MAC for the rest of
// it, fewer or slower ones do not.
func TestMoveGuardWindow(t *testing.T) {
	var g moveGuard
	m, other := encap.MAC{2, 1}, encap.MAC{2, 2}
	for now := range maxMoves {
		g.note(m, 100+fdb.Tick(now))
		g.note(other, 100+fdb.Tick(now)*40) // one window is over before the sixth
	}
	if g.holds(m) || g.holds(other) {
		t.Fatal("held after as many moves as are allowed")
	}
	g.note(m, 105)
	g.note(other, 300)
	if !g.holds(m) || g.holds(other) {
		t.Errorf("held: %v, the slow one %v", g.holds(m), g.holds(other))
	}
	if n, one := g.expire(106, false); n != 1 || one != m {
		t.Errorf("told of %d, %s", n, one)
	}
	if n, _ := g.expire(107, false); n != 0 || !g.holds(m) {
		t.Errorf("told again of %d, held %v", n, g.holds(m))
	}
	g.expire(100+guardWindow, false)
	if g.holds(m) || g.held.Load() != 0 {
		t.Error("held after its time")
	}
}

// TestMoveGuardIsBounded: of more MACs than there are places those that are
// held stay, and one that goes on moving is found.
func TestMoveGuardIsBounded(t *testing.T) {
	var g moveGuard
	mac := func(n int) encap.MAC { return encap.MAC{2, 0, 0, 0, byte(n >> 8), byte(n)} }
	for range maxMoves + 1 {
		g.note(mac(0), 1)
	}
	for n := range 10 * guardEntries {
		g.note(mac(1+n), 2)
	}
	if !g.holds(mac(0)) {
		t.Error("let go for others")
	}
	for range maxMoves + 1 {
		g.note(mac(5000), 3)
	}
	if !g.holds(mac(5000)) || g.held.Load() != 2 {
		t.Errorf("%d held", g.held.Load())
	}
	for n := range 2 * guardEntries {
		for range maxMoves + 1 {
			g.note(mac(6000+n), 4)
		}
	}
	if n := g.held.Load(); n != guardEntries {
		t.Errorf("%d held, want %d", n, guardEntries)
	}
	if g.expire(5, true); g.held.Load() != 0 || g.holds(mac(0)) {
		t.Error("not let go")
	}
}

func TestFloodLimit(t *testing.T) {
	var f floodLimit
	for i, tt := range []struct {
		n    int
		now  uint32
		want bool
	}{{1, 1, true}, {8, 1, true}, {2, 1, false}, {1, 1, true}, {1, 1, false}, {10, 2, true}, {1, 2, false}, {50, 3, true}, {1, 3, false}, {1, 4, true}} {
		if got := f.takes(10, tt.n, fdb.Tick(tt.now)); got != tt.want {
			t.Errorf("%d: %d frames in second %d: %v", i, tt.n, tt.now, got)
		}
	}
}
