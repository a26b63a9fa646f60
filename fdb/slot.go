package fdb

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

// slot is one place for a unicast entry: 16 bytes without a pointer, so the
// garbage collector never scans a table and four slots share a cache line.
//
// Budget: 48 (MAC) + 2 (state) + 14 (flags, with the mark) bits in key, 24 (remote) + 20 (used)
// + 20 (updated) bits in value. A shard's array is filled to between 16/27
// and 3/4 (see capacityFor), hence 21 to 27 bytes an entry, and 1,000,000
// entries take at most 25.8 MiB.
//
// Reading needs no lock: removal clears value and leaves key, and a slot goes to
// another MAC only while value is clear, key being written first. So whoever
// finds its MAC in key, then reads value, and then its MAC in key again (load)
// has read a value of that MAC. A reader that loses the slot after that, and
// then compares and swaps the value, changes at most a tick of the new entry, and
// only where the new entry has the remote and the ticks of the old one.
// State and flags in key change under the shard's lock. A reader without the lock
// that acts on them reads them again under the lock.
type slot struct {
	key   atomicKey
	value atomicValue
}

// load returns the value that the slot has for the MAC k, not a live one where it
// is another MAC's by now.
func (sl *slot) load(k uint64) value {
	v := sl.value.Load()
	if sl.key.Load().bits() != k {
		return 0
	}
	return v
}

// key is MAC<<16 | flags<<2 | state; 0 is a slot that nobody ever had (the
// all-zeros MAC is a group and never in a slot).
type key uint64

const (
	stateBits = 2
	stateMask = 1<<stateBits - 1
)

// keyOf returns the 48 bits of mac, the first octet highest.
func keyOf(mac encap.MAC) uint64 {
	return uint64(binary.BigEndian.Uint32(mac[:4]))<<16 | uint64(binary.BigEndian.Uint16(mac[4:]))
}

func makeKey(k uint64, st State, fl Flags) key {
	return key(k<<16 | uint64(fl)<<stateBits | uint64(st))
}

func (k key) bits() uint64 { return uint64(k) >> 16 }
func (k key) state() State { return State(k & stateMask) }
func (k key) flags() Flags { return Flags(uint16(k) >> stateBits) }

// unmarked is k without the mark.
func (k key) unmarked() key { return k &^ (key(markFlags) << stateBits) }

func (k key) mac() (m encap.MAC) {
	binary.BigEndian.PutUint32(m[:4], uint32(k>>32))
	binary.BigEndian.PutUint16(m[4:], uint16(k>>16))
	return m
}

// ages reports whether an entry with this state and these flags ages
// (vxlan_cleanup in vxlan_core.c).
func ages(st State, fl Flags) bool { return st == Dynamic && fl&FlagExternLearn == 0 }

// value is (remote+1)<<40 | used<<20 | updated; 0 in the remote's place is an
// entry that is not there. Liveness stands here and not in key so that a
// removal is one compare-and-swap, which fails when a lock-free refresh came
// before it.
type value uint64

const (
	tickBits = 20
	tickMask = 1<<tickBits - 1
	// aheadTicks is how far a stored tick may lie in the future of whoever
	// reads it: workers and the ageing scan read coarse clocks of their own.
	// Ages up to MaxAge and such futures share the 2^20 values; the gap
	// between them, 1<<15 seconds (9 hours), is the time within which
	// [Table.Age] must be called so that an age does not turn into a future.
	aheadTicks = 1 << 15
)

func makeValue(r RemoteID, used, updated Tick) value {
	return value(r+1)<<(2*tickBits) | value(used&tickMask)<<tickBits | value(updated&tickMask)
}

func (v value) owner() uint32    { return uint32(v >> (2 * tickBits)) } // remote+1, 0 for none
func (v value) live() bool       { return v>>(2*tickBits) != 0 }
func (v value) remote() RemoteID { return RemoteID(v>>(2*tickBits)) - 1 }
func (v value) used() Tick       { return Tick(v >> tickBits & tickMask) }
func (v value) updated() Tick    { return Tick(v & tickMask) }

func (v value) withUsed(now Tick) value {
	return v&^(tickMask<<tickBits) | value(now&tickMask)<<tickBits
}

func (v value) withUpdated(now Tick) value {
	return v&^tickMask | value(now&tickMask)
}

// advances reports whether now is later than the stored tick; a worker with a
// slow clock must not set an entry back.
func advances(stored, now Tick) bool {
	d := (now - stored) & tickMask
	return d != 0 && d <= tickMask-aheadTicks
}

// age is how long before now the stored tick was: 0 for one in the future, at
// most MaxAge.
func age(stored, now Tick) Tick {
	d := (now - stored) & tickMask
	if d > tickMask-aheadTicks {
		return 0
	}
	return min(d, MaxAge)
}

// expand returns the full tick of a stored one, from a tick near the present.
func expand(stored, near Tick) Tick {
	d := (near - stored) & tickMask
	if d > tickMask-aheadTicks {
		return near + (tickMask + 1 - d)
	}
	return near - d
}

// entry makes the caller's view of a slot; one backs its Remotes.
func (t *Table) entry(k key, v value, one []RemoteID) Entry {
	near := Tick(t.latest.Load())
	one[0] = v.remote()
	return Entry{
		MAC: k.mac(), Remotes: one[:1:1], State: k.state(), Flags: k.flags(),
		Used: expand(v.used(), near), Updated: expand(v.updated(), near),
	}
}

// hash mixes the 48 bits of a MAC in all 64. It is keyed with random seeds, so
// that a sender cannot choose MACs that meet in one shard or one run of slots.
func (t *Table) hash(k uint64) uint64 {
	hi, lo := bits.Mul64(k^t.seed[0], t.seed[1]|1)
	hi, lo = bits.Mul64(hi^lo^t.seed[1], t.seed[0]|1)
	return hi ^ lo
}

// atomicKey and atomicValue are atomic.Uint64 with the words' types.
type atomicKey struct{ w atomic.Uint64 }

func (a *atomicKey) Load() key   { return key(a.w.Load()) }
func (a *atomicKey) Store(k key) { a.w.Store(uint64(k)) }

type atomicValue struct{ w atomic.Uint64 }

func (a *atomicValue) Load() value   { return value(a.w.Load()) }
func (a *atomicValue) Store(v value) { a.w.Store(uint64(v)) }
func (a *atomicValue) CompareAndSwap(old, v value) bool {
	return a.w.CompareAndSwap(uint64(old), uint64(v))
}
