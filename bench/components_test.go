package bench

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

func BenchmarkHeader(b *testing.B) {
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		var sum byte
		for vni := encap.VNI(0); b.Loop(); vni++ {
			h := encap.HeaderFor(vni & encap.MaxVNI)
			sum += h[6]
		}
		sink = int(sum)
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		packet := encap.HeaderFor(42)
		valid := 0
		for b.Loop() {
			if h, ok := encap.DecodeHeader(packet[:]); ok && h.Valid() && !h.ReservedSet() {
				valid++
			}
		}
		sink = valid
	})
}

// sink keeps results alive.
var sink int

// stationMAC is the i-th of a set of unicast addresses without a pattern that
// a hash could profit from.
func stationMAC(i int) encap.MAC {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(i)*0x9e3779b97f4a7c15)
	return encap.MAC{0x02, b[0], b[1], b[2], b[3], b[4]}
}

func BenchmarkFDB(b *testing.B) {
	for _, size := range []int{1_000, 100_000, 1_000_000} {
		table := fdb.New(fdb.Config{})
		for i := range size {
			if r := table.Learn(stationMAC(i), fdb.RemoteID(i%100), 1); r.Outcome == fdb.LearnFull {
				b.Fatal("the table is full")
			}
		}
		name := fmt.Sprintf("%dk", size/1000)
		look := func(first int) func(*testing.B) {
			return func(b *testing.B) {
				b.ReportAllocs()
				// Addresses made ahead, visited in an order that caches do not foresee.
				macs := make([]encap.MAC, min(size, 1<<16))
				for i := range macs {
					macs[i] = stationMAC(first + i*7919%size)
				}
				found := 0
				for i := 0; b.Loop(); i++ {
					if _, ok := table.Lookup(macs[i%len(macs)], 1); ok {
						found++
					}
				}
				sink = found
			}
		}
		b.Run(name+"/hit", look(0))
		b.Run(name+"/miss", look(size))
		b.Run(name+"/refresh", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				n := i * 7919 % size
				table.Learn(stationMAC(n), fdb.RemoteID(n%100), 1)
			}
		})
	}
}
