package fdb

import (
	"bytes"
	"slices"
)

// walkChunk is how many unicast entries Walk picks at a time, in 128 KiB at most
// however large the table is.
const walkChunk = 8192

// Walk calls fn for each entry until it returns false, in the order of their MACs:
// the group entries first, hence the all-zeros entry first of all, then the unicast
// entries. Each entry is told as it is at that moment, once; of what is added
// meanwhile some may be missing. No lock is held while fn runs: it may call the
// table.
//
// It takes bounded memory: of a large table it looks for the next few thousand
// addresses again and again, a million entries 122 times, which costs less than to
// write them.
func (t *Table) Walk(fn func(*Entry) bool) {
	for _, e := range t.groupEntries() {
		if !fn(&e) {
			return
		}
	}
	var keys []uint64
	var e Entry // one for all calls: it escapes to fn
	var one [1]RemoteID
	for after := uint64(0); ; {
		keys = t.following(keys[:0], after)
		for _, k := range keys {
			if k == after {
				continue // it was removed and added in another place meanwhile
			}
			h := t.hash(k)
			s := &t.shards[h>>t.shift]
			there := false
			s.locked(func() {
				if sl := s.liveSlot(k, h); sl != nil {
					there, e = true, t.entry(sl.key.Load(), sl.value.Load(), one[:])
				}
			})
			if there && !fn(&e) {
				return
			}
			after = k
		}
		if len(keys) < walkChunk {
			return
		}
	}
}

// following appends to keys, which is empty, the addresses of the first walkChunk
// unicast entries after one, in order. It takes no lock.
func (t *Table) following(keys []uint64, after uint64) []uint64 {
	first := func() {
		slices.Sort(keys)
		keys = keys[:min(len(keys), walkChunk)]
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
			if keys = append(keys, k); len(keys) == 2*walkChunk {
				first()
				upTo = keys[walkChunk-1]
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
