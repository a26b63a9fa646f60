package fdb

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// scripted is a source of random numbers that come from fuzzed bytes, two for each number, so that a change of two bytes
// changes one choice.
type scripted struct {
	b    []byte
	rest *rand.PCG // behind the end, where a number may be asked for still
}

func (s *scripted) Uint64() uint64 {
	if len(s.b) < 2 {
		return s.rest.Uint64()
	}
	n := uint64(binary.BigEndian.Uint16(s.b)) + 1
	s.b = s.b[2:]
	n *= 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio: all bits count
	return n ^ n>>29
}

// FuzzOperations: a small table does what the oracle does, whatever operations come in whatever order: results, events,
// content and shares.
func FuzzOperations(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{20, 200, 2000} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 || len(b) > 1<<14 {
			return
		}
		script := &scripted{b: b[1:], rest: rand.NewPCG(3, 4)}
		o := &fuzzer{t: t, rnd: rand.New(script), clock: 1, macs: 40}
		c := Config{MaxAddresses: 1 + int(b[0]&31), Shards: 1 << (b[0] >> 6), SameAddr: sameAddr}
		o.slow = newSlow(c)
		c.OnChange = func(e Event) {
			o.events = append(o.events, e)
			if e.Reason == ReasonEvicted {
				o.slow.evicted = append(o.slow.evicted, e.MAC)
			}
		}
		o.fast = New(c)
		for len(script.b) > 1 {
			o.step()
		}
		o.compareAll()
	})
}
