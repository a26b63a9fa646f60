package fdb

import (
	"bytes"
	"slices"
)

// Walk calls fn for each entry until it returns false: the group entries in
// the order of their MACs, hence the all-zeros entry first of all, then the
// unicast entries in no order. Each shard is seen at one moment, different
// shards at different ones. No lock is held while fn runs: it may call the table,
// and it is not told what changes meanwhile.
func (t *Table) Walk(fn func(*Entry) bool) {
	for _, e := range t.groupEntries() {
		if !fn(&e) {
			return
		}
	}
	type words struct {
		key   key
		value value
	}
	var buf []words // 16 bytes an entry of one shard, to let go of its lock soon
	var e Entry     // one for all calls: it escapes to fn
	var one [1]RemoteID
	for i := range t.shards {
		s := &t.shards[i]
		buf = buf[:0]
		s.locked(func() {
			s.eachSlot(func(sl *slot) { buf = append(buf, words{sl.key.Load(), sl.value.Load()}) })
		})
		for _, w := range buf {
			if e = t.entry(w.key, w.value, one[:]); !fn(&e) {
				return
			}
		}
	}
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
