package fdb

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/uvtep/uvtep/encap"
)

// TestSizes holds the representation to what the comments on slot and shard
// promise.
func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(slot{}); n != 16 {
		t.Errorf("a slot has %d bytes, want 16", n)
	}
	if n := unsafe.Sizeof(shard{}); unsafe.Sizeof(uintptr(0)) == 8 && n != 64 {
		t.Errorf("a shard has %d bytes, want 64", n)
	}
	if stateBits+bits.Len16(uint16(knownFlags))+48 > 64 || Permanent > stateMask {
		t.Error("state and flags do not fit the key beside the MAC")
	}
}

// TestWordsRoundTrip: the two words give back what was put in, the extremes
// included.
func TestWordsRoundTrip(t *testing.T) {
	macs := []encap.MAC{{0x02}, {0, 0, 0, 0, 0, 1}, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x02, 0x34, 0x56, 0x78, 0x9a, 0xbc}}
	for _, m := range macs {
		for st := Dynamic; st <= Permanent; st++ {
			for fl := range knownFlags + 1 {
				k := makeKey(keyOf(m), st, fl)
				if k.mac() != m || k.state() != st || k.flags() != fl || k == 0 {
					t.Fatalf("%v %v %d became %v %v %d", m, st, fl, k.mac(), k.state(), k.flags())
				}
			}
		}
	}
	for _, r := range []RemoteID{0, 1, MaxRemoteID - 1, MaxRemoteID} {
		for _, tick := range []Tick{0, 1, tickMask} {
			v := makeValue(r, tick, tickMask-tick)
			if !v.live() || v.remote() != r || v.used() != tick || v.updated() != tickMask-tick {
				t.Fatalf("remote %d, used %d became %v %d %d %d", r, tick, v.live(), v.remote(), v.used(), v.updated())
			}
			v = v.withUsed(7).withUpdated(9)
			if v.remote() != r || v.used() != 7 || v.updated() != 9 {
				t.Fatalf("remote %d: changed ticks gave %d %d %d", r, v.remote(), v.used(), v.updated())
			}
		}
	}
	if value(0).live() {
		t.Error("the zero value is live")
	}
}

// TestTickArithmetic: stored ticks work across the wrap of 2^20 and of the
// full 32 bits, and tell a slow clock from a long time.
func TestTickArithmetic(t *testing.T) {
	for _, now := range []Tick{0, 1, 1 << 19, tickMask, tickMask + 1, 5<<20 + 3, 1<<32 - 1} {
		for _, d := range []Tick{0, 1, 300, MaxAge - 1, MaxAge} {
			stored := (now - d) & tickMask
			if got := age(stored, now); got != d {
				t.Errorf("now %d: age of %d is %d", now, d, got)
			}
			if got := expand(stored, now); got != now-d {
				t.Errorf("now %d: tick %d expanded to %d", now, now-d, got)
			}
			if got := advances(stored, now); got != (d != 0) {
				t.Errorf("now %d: advances over %d before = %v", now, d, got)
			}
		}
		for _, ahead := range []Tick{1, 10, aheadTicks - 1} {
			stored := (now + ahead) & tickMask
			if got := age(stored, now); got != 0 {
				t.Errorf("now %d: age of a tick %d ahead is %d", now, ahead, got)
			}
			if got := expand(stored, now); got != now+ahead {
				t.Errorf("now %d: tick %d ahead expanded to %d", now, ahead, got)
			}
			if advances(stored, now) {
				t.Errorf("now %d would set a tick %d ahead back", now, ahead)
			}
		}
	}
	const now = MaxAge + 105
	if got := age(5, now); got != MaxAge {
		t.Errorf("an age beyond MaxAge counts as %d, want MaxAge", got)
	}
}

// TestSlowWorkerDoesNotSetBack: a worker whose clock is behind changes no
// tick.
func TestSlowWorkerDoesNotSetBack(t *testing.T) {
	tbl := New(Config{})
	tbl.Learn(hostMAC, 1, 100)
	tbl.Lookup(hostMAC, 100)
	tbl.Learn(hostMAC, 1, 99)
	tbl.Lookup(hostMAC, 99)
	mustDo(t, tbl.Add(zeroMAC, 1, Permanent, 0, 100))
	tbl.Group(zeroMAC, 99)
	for _, m := range []encap.MAC{hostMAC, zeroMAC} {
		if e := get(t, tbl, m); e.Used != 100 || e.Updated != 100 {
			t.Errorf("%v: used %d, updated %d, want 100", m, e.Used, e.Updated)
		}
	}
	if n := tbl.Age(98, 1); n != 0 {
		t.Error("Age by a slow clock removed an entry of the future")
	}
}

// TestCapacity: an array for n entries is filled by them to between 16/27
// and 2/3, the bound that the memory budget rests on.
func TestCapacity(t *testing.T) {
	for n := range uint32(200_000) {
		c := capacityFor(n)
		if c < minCapacity || uint64(n)*3 > uint64(c)*2 || c > minCapacity && uint64(n)*27 < uint64(c)*16 {
			t.Fatalf("capacityFor(%d) = %d", n, c)
		}
	}
}

// TestHashSpreads: neighbouring addresses, as one vendor or one orchestrator
// gives them out, fill the shards evenly and meet short probes.
func TestHashSpreads(t *testing.T) {
	const n = 1 << 16
	for name, mac := range map[string]func(i int) encap.MAC{
		"last octets": func(i int) encap.MAC { return encap.MAC{0x02, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)} },
		"first octets": func(i int) encap.MAC {
			return encap.MAC{byte(i >> 16 << 1), byte(i >> 8), byte(i), 0, 0, 1}
		},
		"random": func(int) encap.MAC {
			r := rand.Uint64()
			return encap.MAC{0x02, byte(r), byte(r >> 8), byte(r >> 16), byte(r >> 24), byte(r >> 32)}
		},
	} {
		tbl := New(Config{})
		for i := range n {
			tbl.Learn(mac(i), 1, 1)
		}
		var longest int
		sizes := make([]uint32, 0, len(tbl.shards))
		for i := range tbl.shards {
			s := &tbl.shards[i]
			sizes = append(sizes, s.live)
			run := 0
			for j := range s.slots.Load().s {
				if s.slots.Load().s[j].key.Load() == 0 {
					run = -1
				}
				run++
				longest = max(longest, run)
			}
		}
		const mean = n / defaultShards // 1024, standard deviation 32
		if slices.Min(sizes) < mean*3/4 || slices.Max(sizes) > mean*5/4 {
			t.Errorf("%s: shards hold %d to %d entries, mean %d", name, slices.Min(sizes), slices.Max(sizes), mean)
		}
		if longest > 400 {
			t.Errorf("%s: a run of %d slots", name, longest)
		}
	}
}

// TestWordsForPeople: each constant has a name of its own.
func TestWordsForPeople(t *testing.T) {
	var words []string
	for s := Dynamic; s <= Permanent+1; s++ {
		words = append(words, "state "+s.String())
	}
	for r := ReasonLearned; r <= ReasonFlushed+1; r++ {
		words = append(words, "reason "+r.String())
	}
	n := len(words)
	slices.Sort(words)
	if len(slices.Compact(words)) != n {
		t.Errorf("two constants share a name: %v", words)
	}
}
