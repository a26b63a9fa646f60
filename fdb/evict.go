package fdb

// What a full table does with a new address: an entry that was learned gives its
// place, one of the remote that holds most of them. So a remote that floods the
// table with addresses evicts its own, and the others' are learned at once
// (conformance L06). What does not age never gives its place.
//
// An entry is looked for from where the last search ended on (a clock's hand),
// without a lock: slots are read as by Lookup, and what was found is looked at
// again under its shard's lock before it goes.
//
// With KeepSeen only what was seen in one tick alone may go.

const (
	// smallTable is how many unicast entries a table has at most in which a search
	// looks at all of them.
	smallTable = 256
	// A search in a larger table ends with the oldest of searchLeast entries that
	// may go, or of those it has met by searchSlots slots.
	searchLeast = 32
	searchSlots = 1 << 9
	// searchMost bounds a search, in slots: who holds most has one in so many
	// entries as there are remotes. Where none is met the new address has to wait
	// for its next frame, and the next search goes on from here.
	searchMost = 1 << 13
	// evictTries is how often a new address makes room that others then take.
	evictTries = 4
)

// LastIdle is how long the only entry of a remote must have been without traffic
// to give its place to another remote's first: those in use stay, be there ever so
// many sources that were made up.
const LastIdle Tick = 10

// shortage is why there is no place for a new entry.
type shortage uint8

const (
	none     shortage = iota // there is one
	ofTable                  // of Config.MaxAddresses
	ofBudget                 // of the Budget
	closed
)

// reserve takes a place for a unicast entry unless there is a shortage.
func (t *Table) reserve() shortage {
	if t.closed.Load() {
		return closed
	}
	for {
		n, limit := t.unicast.Load(), t.max.Load()
		if limit > 0 && n >= limit {
			return ofTable
		}
		if t.unicast.CompareAndSwap(n, n+1) {
			break
		}
	}
	if !t.budget.Take() {
		t.unicast.Add(-1)
		return ofBudget
	}
	return none
}

// release returns n places.
func (t *Table) release(n int) {
	t.unicast.Add(int64(-n))
	t.budget.Give(n)
}

// makeRoom ends a shortage at the cost of an entry that was learned; newcomer is
// the remote that a new address was learned from, or Nobody for one that was configured.
// false: no entry can go. No shard's lock is held.
func (t *Table) makeRoom(lack shortage, newcomer RemoteID, now Tick) bool {
	switch lack {
	case ofTable:
		return t.evict(newcomer, now)
	case ofBudget:
		switch from := t.budget.giver(t); from {
		case nil:
			return false
		case t:
			return t.evict(newcomer, now)
		default:
			return from.evict(Nobody, now)
		}
	default:
		return false
	}
}

// evict removes an entry so that there is room for one of newcomer.
func (t *Table) evict(newcomer RemoteID, now Tick) bool {
	for range evictTries {
		giver, last, ok := t.shares.Giver(newcomer)
		if !ok {
			return false
		}
		var idle Tick
		if last && newcomer != Nobody {
			idle = LastIdle
		}
		w, v := t.oldest(giver, last, idle, now)
		if w == 0 {
			return false
		}
		if t.evictEntry(w, v) {
			return true
		}
	}
	return false
}

// evictEntry removes the entry that was found to have the words w and v, unless
// it was refreshed, moved or changed since.
func (t *Table) evictEntry(w key, v value) bool {
	h := t.hash(w.bits())
	s := &t.shards[h>>t.shift]
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.liveSlot(w.bits(), h)
	return sl != nil && sl.key.Load() == w && t.removeIf(s, sl, ReasonEvicted, func(is value) bool {
		return is.remote() == v.remote() && is.updated() == v.updated()
	})
}

// oldest searches for the entry of a remote, or of any one, that was updated
// longest ago and at least idle before now; 0: none was met.
func (t *Table) oldest(of RemoteID, anyOne bool, idle, now Tick) (w key, v value) {
	hand := t.hand.Load()
	at, first := int(hand>>32), int(uint32(hand))
	met, looked, oldest := 0, 0, Tick(0)
	owner := makeValue(of, 0, 0).owner()
	least, slots := searchLeast, searchSlots
	if t.unicast.Load() <= smallTable {
		least, slots = smallTable, searchMost
	}
	for n := 0; n <= len(t.shards); n++ { // the first shard's beginning comes last
		var s []slot
		if a := t.shards[at].slots.Load(); a != nil {
			s = a.s
		}
		i, end := 0, len(s)
		if n == 0 {
			i = min(first, end)
		} else if n == len(t.shards) {
			end = min(first, end)
		}
		for ; i < end; i++ {
			if looked++; looked > searchMost || met >= least || met > 0 && looked > slots {
				t.hand.Store(uint64(at)<<32 | uint64(i))
				return w, v
			}
			is := s[i].value.Load()
			if is.owner() != owner && (!anyOne || !is.live()) {
				continue
			}
			k, old := s[i].key.Load(), age(is.updated(), now)
			if !ages(k.state(), k.flags()) || old < idle || t.keepSeen && is.updated() != is.used() {
				continue
			}
			if met++; w == 0 || old > oldest {
				w, v, oldest = k, is, old
			}
		}
		if at++; at == len(t.shards) {
			at = 0
		}
	}
	return w, v
}

// hold counts entry w of remote r for, or with n -1 no longer for, the shares of
// those that may have to give their places.
func (t *Table) hold(w key, r RemoteID, n int) {
	if ages(w.state(), w.flags()) {
		t.shares.Add(r, n)
	}
}
