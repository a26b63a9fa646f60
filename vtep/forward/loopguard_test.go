package forward

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// numberedBroadcast is a broadcast frame of which n is the only difference.
func numberedBroadcast(n, size int) encap.Frame {
	b := make([]byte, size)
	copy(b, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5})
	binary.BigEndian.PutUint32(b[14:], uint32(n))
	return encap.Frame{Data: b}
}

// TestLoopGuard: copies of a frame beyond so many within a second are found, among
// others, however many those are; others pass, and so does the frame in the next
// second.
func TestLoopGuard(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{18, 64, 300, 9000} {
		for _, others := range []int{0, 10, 1000} {
			var g loopGuard
			looping := numberedBroadcast(0, size)
			for second := range 3 {
				passed, refused := 0, 0
				for range 20_000 {
					first := g.takes(&looping, 7)
					if first != g.takes(&looping, 7) {
						continue // the last that passes
					}
					if others > 0 && rnd.IntN(4) == 0 {
						f := numberedBroadcast(1+rnd.IntN(others), size)
						if others == 1000 && !g.takes(&f, 7) {
							refused++
						}
					}
				}
				g = loopGuard{}
				for range 20_000 {
					if g.takes(&looping, 8) {
						passed++
					}
					if others > 0 {
						f := numberedBroadcast(1+rnd.IntN(1_000_000), size) // each once or so
						if !g.takes(&f, 8) {
							refused++
						}
					}
				}
				if others == 0 && passed != maxSame || passed < maxSame || passed > 4*maxSame || refused != 0 {
					t.Errorf("size %d, %d others, second %d: %d copies passed, %d others were refused", size, others, second, passed, refused)
				}
			}
			if !g.takes(&looping, 9) {
				t.Errorf("size %d: refused in the next second", size)
			}
		}
	}
}

// TestLoopGuardAllocs: the table is made once.
func TestLoopGuardAllocs(t *testing.T) {
	var g loopGuard
	f := numberedBroadcast(1, 64)
	g.takes(&f, 1)
	if n := testing.AllocsPerRun(100, func() { g.takes(&f, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLoopGuard(b *testing.B) {
	var g loopGuard
	for _, size := range []int{64, 1500} {
		b.Run(map[int]string{64: "64B", 1500: "1500B"}[size], func(b *testing.B) {
			f := numberedBroadcast(1, size)
			for b.Loop() {
				g.takes(&f, 1)
			}
		})
	}
}
