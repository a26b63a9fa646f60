package fdb

// Age removes the entries that age (dynamic, not FlagExternLearn) and were
// updated longer than maxAge before now, and returns how many. A maxAge of 0, as
// the kernel's `ageing 0`, or of [MaxAge] and more removes none.
//
// The owner calls Age every few seconds (Linux: 10, FDB_AGE_INTERVAL in
// vxlan_core.c), and at least every 9 hours even where nothing ages: it also
// holds back the ticks of old entries, which are stored modulo 2^20. No entry
// goes before its time: ticks are whole seconds, so one of age maxAge may be a
// part of a second younger and stays.
func (t *Table) Age(now, maxAge Tick) (removed int) {
	if maxAge == 0 || maxAge > MaxAge {
		maxAge = MaxAge // what no age exceeds
	}
	t.advance(now)
	for i := range t.shards {
		s := &t.shards[i]
		s.locked(func() {
			removed += t.ageGroups(s, now, maxAge) + t.ageSlots(s, now, maxAge)
			s.shrink(t)
		})
	}
	t.shares.Trim()
	return removed
}

// ageSlots is Age for the unicast entries of a shard. The lock is held.
func (t *Table) ageSlots(s *shard, now, maxAge Tick) (removed int) {
	s.eachSlot(func(sl *slot) {
		sl.saturate(now)
		w := sl.key.Load()
		if !ages(w.state(), w.flags()) {
			return
		}
		if t.removeIf(s, sl, ReasonAged, func(v value) bool { return age(v.updated(), now) > maxAge }) {
			removed++
		}
	})
	return removed
}

// ageGroups is Age for the group entries of a shard. The lock is held.
func (t *Table) ageGroups(s *shard, now, maxAge Tick) (removed int) {
	s.eachGroup(func(g *group) {
		old := int32(now - g.updated) // negative: a controller's clock ahead of the scan's
		if maxAge < MaxAge && ages(g.state, g.flags) && old > int32(maxAge) {
			t.filterGroup(s, g, ReasonAged, func(int, RemoteID) bool { return true })
			removed++
		}
	})
	return removed
}

// saturate pulls stored ticks older than MaxAge up to it, so that they do not
// come round to the future.
func (sl *slot) saturate(now Tick) {
	for {
		v := sl.value.Load()
		n := v
		if age(v.used(), now) == MaxAge {
			n = n.withUsed(now - MaxAge)
		}
		if age(v.updated(), now) == MaxAge {
			n = n.withUpdated(now - MaxAge)
		}
		if n == v || sl.value.CompareAndSwap(v, n) {
			return
		}
	}
}

// Flush removes what filter selects, all if it is nil, and returns how many
// remotes were removed. The filter sees an entry once for each of its remotes,
// with that one alone in Remotes, so that one remote of a group can be flushed
// (vxlan_fdb_flush_match_remotes in vxlan_core.c). It is called with a shard's
// lock held and must not call the table.
func (t *Table) Flush(filter func(*Entry) bool) (removed int) {
	if filter == nil {
		filter = func(*Entry) bool { return true }
	}
	var e Entry // one for all calls: it escapes to the filter
	var one [1]RemoteID
	for i := range t.shards {
		s := &t.shards[i]
		s.locked(func() {
			s.eachGroup(func(g *group) {
				removed += t.filterGroup(s, g, ReasonFlushed, func(i int, r RemoteID) bool {
					e, one[0] = g.entry(), r
					e.Flags, e.Remotes, e.ofRemotes = e.FlagsOf(i), one[:], nil
					return filter(&e)
				})
			})
			s.eachSlot(func(sl *slot) {
				e = t.entry(sl.key.Load(), sl.value.Load(), one[:])
				if filter(&e) && t.removeIf(s, sl, ReasonFlushed, always) {
					removed++
				}
			})
			s.shrink(t)
		})
	}
	t.shares.Trim()
	return removed
}

// always is the condition of a removal that asks for nothing.
func always(value) bool { return true }
