package fdb

import (
	"bytes"
	"slices"
)

// Walk picks walkChunk unicast entries at a time, or of a large table the
// walkRounds'th part: 64 KiB of addresses, or 256 KiB of a million.
const (
	walkChunk  = 4096
	walkRounds = 64
)

// Walk calls fn for each entry until it returns false, in the order of their MACs,
// hence the all-zeros entry first of all. Each entry is told as it is at that moment,
// once; of what is added meanwhile some may be missing. No lock is held while fn
// runs: it may call the table.
//
// It takes little memory: of a large table it looks for the next few thousand
// addresses again and again, some 64 times, which costs less than to write them.
func (t *Table) Walk(fn func(*Entry) bool) {
	groups, chunk := t.groupEntries(), max(walkChunk, t.Len()/walkRounds)
	var keys []uint64
	var e Entry // one for all calls: it escapes to fn
	var one [1]RemoteID
	for after := uint64(0); ; {
		keys = t.following(keys[:0], after, chunk)
		for _, k := range keys {
			if k == after {
				continue // it was removed and added in another place meanwhile
			}
			for ; len(groups) > 0 && keyOf(groups[0].MAC) < k; groups = groups[1:] {
				if !fn(&groups[0]) {
					return
				}
			}
			if e = t.unicastEntry(k, one[:]); e.Remotes != nil && !fn(&e) {
				return
			}
			after = k
		}
		if len(keys) < chunk {
			break
		}
	}
	for i := range groups {
		if !fn(&groups[i]) {
			return
		}
	}
}

// unicastEntry is the entry of the address k as it is now, without Remotes where there
// is none any more; one backs its Remotes.
func (t *Table) unicastEntry(k uint64, one []RemoteID) (e Entry) {
	h := t.hash(k)
	s := &t.shards[h>>t.shift]
	s.locked(func() {
		if sl := s.liveSlot(k, h); sl != nil {
			e = t.entry(sl.key.Load(), sl.value.Load(), one)
		}
	})
	return e
}

// following appends to keys, which is empty, the addresses of the first n unicast
// entries after one, in order. It takes no lock.
func (t *Table) following(keys []uint64, after uint64, n int) []uint64 {
	first := func() {
		slices.Sort(keys)
		keys = keys[:min(len(keys), n)]
	}
	upTo := ^uint64(0)
	for i := range t.shards {
		a := t.shards[i].slots.Load()
		if a == nil {
			continue
		}
		for j := range a.s {
			if !a.s[j].value.Load().live() {
				continue
			}
			k := a.s[j].key.Load().bits()
			if k <= after || k > upTo {
				continue
			}
			if keys = append(keys, k); len(keys) == 2*n {
				first()
				upTo = keys[n-1]
			}
		}
	}
	first()
	return keys
}

// groupEntries returns all group entries in the order of their MACs.
func (t *Table) groupEntries() []Entry {
	var all []Entry
	for i := range t.shards {
		s := &t.shards[i]
		s.locked(func() { s.eachGroup(func(g *group) { all = append(all, g.entry()) }) })
	}
	slices.SortFunc(all, func(a, b Entry) int { return bytes.Compare(a.MAC[:], b.MAC[:]) })
	return all
}
