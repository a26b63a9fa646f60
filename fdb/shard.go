package fdb

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

// shard is an independently locked part of a table. Readers use slots and
// groups without the lock. 64 bytes: one cache line, so that a write to one
// shard does not slow the readers of its neighbour.
type shard struct {
	slots  atomic.Pointer[slots]                // nil while empty; replaced whole when it grows or shrinks
	groups atomic.Pointer[map[encap.MAC]*group] // nil while empty; the map is immutable, replaced whole

	// resizing is set while rebuild copies slots, to show lock-free
	// refreshers that the copy may have missed them.
	resizing atomic.Bool

	// mu guards the fields below and all writes but the two lock-free ones:
	// Learn's refresh of updated, Lookup's and Group's mark of used. No other
	// lock is taken while it is held.
	mu    sync.Mutex
	live  uint32 // slots with an entry
	taken uint32 // slots that have or had an entry

	_ [28]byte
}

// locked calls fn with the lock held. A panic of fn, or of OnChange, releases the lock,
// since the data path waits for it.
func (s *shard) locked(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
}

// slots is an open-addressed array with linear probing. At least a quarter of
// it was never taken, which ends every probe.
type slots struct{ s []slot }

// find returns the slot that has or had the entry of k, or nil. Without the shard's
// lock the caller reads it with slot.load.
func (a *slots) find(k, h uint64) *slot {
	if a == nil {
		return nil
	}
	i := a.home(h)
	for {
		sl := &a.s[i]
		w := sl.key.Load()
		if w == 0 {
			return nil
		}
		if w.bits() == k {
			return sl
		}
		if i++; i == uint64(len(a.s)) {
			i = 0
		}
	}
}

// home is where the probe for a hash starts: its low half scaled to the
// array's length, which need not be a power of two (the shard was chosen by
// the high bits).
func (a *slots) home(h uint64) uint64 {
	return uint64(uint32(h)) * uint64(len(a.s)) >> 32
}

// free returns the first slot on h's path without an entry, and whether it was
// taken by a MAC before.
func (a *slots) free(h uint64) (sl *slot, taken bool) {
	i := a.home(h)
	for {
		sl := &a.s[i]
		if sl.key.Load() == 0 {
			return sl, false
		}
		if !sl.value.Load().live() {
			return sl, true
		}
		if i++; i == uint64(len(a.s)) {
			i = 0
		}
	}
}

// vacant returns the first slot on h's path that was never taken.
func (a *slots) vacant(h uint64) *slot {
	i := a.home(h)
	for a.s[i].key.Load() != 0 {
		if i++; i == uint64(len(a.s)) {
			i = 0
		}
	}
	return &a.s[i]
}

const minCapacity = 8

// capacityFor is the array size for n entries: the smallest of the form
// {8,9,...,15} << i that n fills to at most 2/3. As the next smaller form is at
// least 8/9 of it, n fills it to at least 16/27 (beyond minCapacity), and
// 1/12 of it can be taken before the next rebuild at 3/4.
func capacityFor(n uint32) uint32 {
	want := (uint64(n)*3 + 1) / 2
	if want <= minCapacity {
		return minCapacity
	}
	step := uint64(1) << (bits.Len64(want-1) - 4)
	return uint32((want + step - 1) / step * step)
}

// insert makes an entry of k: in the slot that it had, in one that another MAC left,
// or in one that was never taken. It must not have a live entry. The lock is held.
func (s *shard) insert(t *Table, k, h uint64, w key, v value) {
	a := s.slots.Load()
	sl := a.find(k, h)
	if sl == nil && a != nil {
		var taken bool
		if sl, taken = a.free(h); !taken {
			sl = nil
		}
	}
	if sl == nil {
		if a == nil || (uint64(s.taken)+1)*4 > uint64(len(a.s))*3 {
			a = s.rebuild(t, s.live+1)
		}
		sl = a.vacant(h)
		s.taken++
	}
	sl.key.Store(w)
	sl.value.Store(v) // the entry is there from here on
	s.live++
}

// remove clears sl if its value is still v. The lock is held.
func (s *shard) remove(t *Table, sl *slot, v value) bool {
	if !sl.value.CompareAndSwap(v, 0) {
		return false
	}
	s.live--
	s.untake(t, sl)
	return true
}

// untake makes sl, which was cleared, and those without an entry before it slots
// that were never taken where a probe that comes to them ends with the next. So
// the array of a full table in which entries come and go lasts. The lock is held.
func (s *shard) untake(t *Table, sl *slot) {
	a := s.slots.Load().s
	i := int(s.slots.Load().home(t.hash(sl.key.Load().bits())))
	for &a[i] != sl {
		i = after(i, len(a))
	}
	for a[after(i, len(a))].key.Load() == 0 && a[i].key.Load() != 0 && !a[i].value.Load().live() {
		a[i].key.Store(0)
		s.taken--
		i = (i + len(a) - 1) % len(a)
	}
}

// after is the place behind i in an array of n.
func after(i, n int) int {
	if i++; i == n {
		return 0
	}
	return i
}

// shrink frees memory after removals. The lock is held.
func (s *shard) shrink(t *Table) {
	a := s.slots.Load()
	switch {
	case a == nil:
	case s.live == 0:
		s.slots.Store(nil)
		s.taken = 0
	case len(a.s) > minCapacity && uint64(s.live)*4 < uint64(len(a.s)):
		s.rebuild(t, s.live)
	}
}

// rebuild moves the live entries to an array for n entries. Readers go on with
// the old array until the new one is complete. The lock is held.
//
// A refresh that hits the old array after its slot was copied would be lost:
// the refresher looks at resizing and slots after its write, and repeats it
// under the lock if either shows a rebuild (see Learn). If both show none, the
// rebuild starts after the write and copies it.
func (s *shard) rebuild(t *Table, n uint32) *slots {
	s.resizing.Store(true)
	old := s.slots.Load()
	a := &slots{s: make([]slot, capacityFor(n))}
	if old != nil {
		for i := range old.s {
			from := &old.s[i]
			if v := from.value.Load(); v.live() {
				w := from.key.Load()
				to := a.vacant(t.hash(w.bits()))
				to.key.Store(w)
				to.value.Store(v)
			}
		}
	}
	s.taken = s.live
	s.slots.Store(a)
	s.resizing.Store(false)
	return a
}

// liveSlot returns the slot of k's entry, or nil if it has none. The lock is
// held.
func (s *shard) liveSlot(k, h uint64) *slot {
	if sl := s.slots.Load().find(k, h); sl != nil && sl.value.Load().live() {
		return sl
	}
	return nil
}

// eachSlot calls fn for the slots with an entry; fn may remove that entry but
// nothing else. The lock is held.
func (s *shard) eachSlot(fn func(*slot)) {
	a := s.slots.Load()
	if a == nil {
		return
	}
	for i := range a.s {
		if sl := &a.s[i]; sl.value.Load().live() {
			fn(sl)
		}
	}
}
