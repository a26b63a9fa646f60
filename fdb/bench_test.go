package fdb

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

var sizes = []struct {
	name string
	n    int
}{{"1k", 1000}, {"100k", 100_000}, {"1M", 1_000_000}}

// filled is a table of n entries and their addresses in random order, so that
// a walk over them jumps through memory.
func filled(n int) (*Table, []encap.MAC) {
	tbl := New(Config{})
	macs := make([]encap.MAC, n)
	for i := range macs {
		macs[i] = testMAC(i)
		tbl.Learn(macs[i], RemoteID(i)&0xffff, 1)
	}
	rand.Shuffle(n, func(i, j int) { macs[i], macs[j] = macs[j], macs[i] })
	return tbl, macs
}

// BenchmarkLookup looks up addresses that are there (hit), that are not
// (miss), and each at the address that the one before gave (chain): that shows
// the latency of a look-up, which the processor cannot overlap. A plain map
// without locks or marks (gomap) is the yardstick on a machine of unknown speed.
func BenchmarkLookup(b *testing.B) {
	for _, s := range sizes {
		tbl, macs := filled(s.n)
		b.Run("hit/"+s.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, ok := tbl.Lookup(macs[i], 1); !ok {
					b.Fatal("not found")
				}
				if i++; i == len(macs) {
					i = 0
				}
			}
		})
		b.Run("chain/"+s.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				r, _ := tbl.Lookup(macs[i], 1)
				if i += 1 + int(r>>20); i >= len(macs) {
					i = 0
				}
			}
		})
		plain := make(map[encap.MAC]RemoteID, len(macs))
		for i, m := range macs {
			plain[m] = RemoteID(i)
		}
		b.Run("gomap/"+s.name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				if _, ok := plain[macs[i]]; !ok {
					b.Fatal("not found")
				}
				if i++; i == len(macs) {
					i = 0
				}
			}
		})
		for i := range macs {
			macs[i][0] ^= 4
		}
		b.Run("miss/"+s.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, ok := tbl.Lookup(macs[i], 1); ok {
					b.Fatal("found")
				}
				if i++; i == len(macs) {
					i = 0
				}
			}
		})
	}
}

// BenchmarkLearn refreshes: in the same tick, which is no write, and in a new
// tick for each round.
func BenchmarkLearn(b *testing.B) {
	for _, s := range sizes {
		tbl, macs := filled(s.n)
		for _, every := range []string{"same-tick", "new-tick"} {
			b.Run(fmt.Sprintf("refresh/%s/%s", every, s.name), func(b *testing.B) {
				b.ReportAllocs()
				i, now := 0, Tick(1)
				remotes := make([]RemoteID, len(macs))
				for i, m := range macs {
					remotes[i], _ = tbl.Lookup(m, 1)
				}
				for b.Loop() {
					if res := tbl.Learn(macs[i], remotes[i], now); res.Outcome != LearnRefreshed {
						b.Fatal(res)
					}
					if i++; i == len(macs) {
						i = 0
						if every == "new-tick" {
							now++
						}
					}
				}
			})
		}
	}
	b.Run("new", func(b *testing.B) {
		tbl := New(Config{})
		n := 0
		for b.Loop() {
			tbl.Learn(testMAC(n), 1, 1)
			if n++; n == 1<<20 {
				n = 0
				tbl.Flush(nil)
			}
		}
	})
}

// BenchmarkGroup reads the flood list.
func BenchmarkGroup(b *testing.B) {
	tbl := New(Config{})
	for r := range RemoteID(100) {
		if err := tbl.Append(encap.MAC{}, r, Permanent, 0, 1); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(tbl.Group(encap.MAC{}, 1)) != 100 {
			b.Fatal("wrong group")
		}
	}
}

// BenchmarkParallel is what the workers of a link do together: look up and
// refresh, with one in 1,024 frames making or moving an entry.
func BenchmarkParallel(b *testing.B) {
	for _, s := range sizes {
		tbl, macs := filled(s.n)
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			var worker atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				i := int(worker.Add(1)) * 7919 % len(macs)
				for n := 0; pb.Next(); n++ {
					r, _ := tbl.Lookup(macs[i], 2)
					if n%1024 == 0 {
						r = RemoteID(n) & 0xffff
					}
					tbl.Learn(macs[i], r, 2)
					if i++; i == len(macs) {
						i = 0
					}
				}
			})
		})
	}
}

// BenchmarkAge scans a million entries, none of which is due.
func BenchmarkAge(b *testing.B) {
	tbl, _ := filled(1_000_000)
	for b.Loop() {
		if tbl.Age(2, 300) != 0 {
			b.Fatal("aged")
		}
	}
}

// BenchmarkWalk lists a million entries in order.
func BenchmarkWalk(b *testing.B) {
	tbl, macs := filled(1_000_000)
	for b.Loop() {
		n := 0
		tbl.Walk(func(*Entry) bool { n++; return true })
		if n != len(macs) {
			b.Fatal(n)
		}
	}
}
