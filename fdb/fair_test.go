package fdb

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// randomMAC is a unicast address that no other test gives out.
func randomMAC(rnd *rand.Rand) encap.MAC {
	r := rnd.Uint64()
	return encap.MAC{0x06, byte(r), byte(r >> 8), byte(r >> 16), byte(r >> 24), byte(r >> 32)}
}

// TestFloodEvictsTheFlooder: one remote sends a million source addresses, or as
// many as FDB_FLOOD says, into a table that others use, too. It never exceeds the
// limit, nobody but the flooder loses an entry, and what the others send is learned
// at once.
func TestFloodEvictsTheFlooder(t *testing.T) {
	const limit, flooder, others = 16384, 1, 10
	flood := 1_000_000
	if raceDetector {
		flood = 50_000
	}
	if n := os.Getenv("FDB_FLOOD"); n != "" {
		var err error
		flood, err = strconv.Atoi(n)
		mustDo(t, err)
	}
	lost, evicted := 0, 0
	tbl := New(Config{MaxAddresses: limit, OnChange: func(e Event) {
		if e.Kind == Removed {
			evicted++
			if e.Remote != flooder || e.State != Dynamic {
				lost++
			}
		}
	}})
	mustDo(t, tbl.Add(testMAC(1<<20), flooder, Static, FlagUser, 1))
	mustDo(t, tbl.Add(testMAC(1<<20+1), flooder, Dynamic, FlagUser|FlagExternLearn, 1))
	for i := range 1000 {
		tbl.Learn(testMAC(i), RemoteID(2+i%others), 1)
	}
	before := heap()
	rnd := rand.New(rand.NewPCG(1, 2))
	learned := 0
	for i := range flood {
		now := Tick(2 + i/100_000)
		tbl.Learn(randomMAC(rnd), flooder, now)
		if n := tbl.Len(); n > limit {
			t.Fatalf("%d entries, the limit being %d", n, limit)
		}
		if i%(flood/others) == flood/others-1 { // in the middle of it a new host of another remote
			n := i / (flood / others)
			if tbl.Learn(testMAC(5000+n), RemoteID(2+n), now).Outcome == LearnNew {
				learned++
			}
		}
	}
	if learned != others {
		t.Errorf("%d of %d new addresses of other remotes were learned", learned, others)
	}
	if lost > 0 || evicted == 0 {
		t.Errorf("of %d entries that gave way %d were not learned from the flooder", evicted, lost)
	}
	for i := range 1000 {
		if _, ok := tbl.Get(testMAC(i)); !ok {
			t.Fatalf("entry %d of another remote is gone", i)
		}
	}
	each := float64(int64(heap()-before)) / limit
	t.Logf("%d addresses of one remote: %d evicted, %.1f bytes an entry", flood, evicted, each)
	if each > 128 {
		t.Errorf("%.1f bytes an entry, want at most 128", each)
	}
	if n := testing.AllocsPerRun(20_000, func() { tbl.Learn(randomMAC(rnd), flooder, 1000) }); n != 0 {
		t.Errorf("%v allocations to learn in a full table", n)
	}
	runtime.KeepAlive(tbl)
}
