package fdb

import "github.com/uvtep/uvtep/encap"

// Outcome says what [Table.Learn] did.
type Outcome uint8

const (
	// LearnRefreshed: the address is known behind that remote; its age starts
	// anew.
	LearnRefreshed Outcome = iota
	// LearnNew: the address was not known and is now.
	LearnNew
	// LearnMoved: the address was behind another remote.
	LearnMoved
	// LearnRefusedStatic: a static or permanent entry names another remote;
	// the frame is to be dropped (conformance L04).
	LearnRefusedStatic
	// LearnRefusedInvalid: not an address that can be learned (all zeros or
	// multicast, conformance L01), or a handle beyond [MaxRemoteID].
	LearnRefusedInvalid
	// LearnFull: the address was not known, the table is full, and no entry of it
	// can give its place; the frame is to be delivered all the same (conformance L06).
	LearnFull
)

// LearnResult is what [Table.Learn] did.
type LearnResult struct {
	Outcome Outcome
	// Old is the remote that the entry had before LearnMoved, or keeps at
	// LearnRefusedStatic; else it is 0.
	Old RemoteID
}

// Learn notes that a frame whose inner source address is mac came from a
// remote at now (RFC 7348 section 4.1). A known address behind the same remote,
// whatever its state, is refreshed without a lock, and without a write if it
// was refreshed in this tick already. A dynamic entry moves; a static or
// permanent one does not (vxlan_snoop in vxlan_core.c).
func (t *Table) Learn(mac encap.MAC, from RemoteID, now Tick) LearnResult {
	if t.Refresh(mac, from, now) {
		return LearnResult{Outcome: LearnRefreshed}
	}
	return t.learn(&t.shards[t.hash(keyOf(mac))>>t.shift], mac, from, now)
}

// Refresh is Learn where no more is needed than to refresh an entry, which takes no lock. It
// reports whether that was so.
func (t *Table) Refresh(mac encap.MAC, from RemoteID, now Tick) bool {
	k := keyOf(mac)
	h := t.hash(k)
	s := &t.shards[h>>t.shift]
	a := s.slots.Load()
	sl := a.find(k, h)
	if sl == nil {
		return false
	}
	same, wrote := t.refresh(sl, k, from, now)
	// A rebuild of the shard may have copied the slot before the write:
	// then do it again under the lock (see shard.rebuild).
	return same && (!wrote || !s.resizing.Load() && s.slots.Load() == a)
}

// refresh sets the updated tick of sl if it is k's live entry and of the same
// remote. It needs no lock: it changes no more than the tick, and not at all if
// the entry was removed or changed meanwhile.
func (t *Table) refresh(sl *slot, k uint64, from RemoteID, now Tick) (same, wrote bool) {
	for {
		v := sl.load(k)
		if !v.live() {
			return false, false
		}
		if r := v.remote(); r != from && (t.sameAddr == nil || !t.sameAddr(r, from)) {
			return false, false
		}
		if !advances(v.updated(), now) {
			return true, false
		}
		if sl.value.CompareAndSwap(v, v.withUpdated(now)) {
			return true, true
		}
	}
}

// learn is Learn for all that is not a plain refresh.
func (t *Table) learn(s *shard, mac encap.MAC, from RemoteID, now Tick) LearnResult {
	if IsGroup(mac) || from > MaxRemoteID {
		return LearnResult{Outcome: LearnRefusedInvalid}
	}
	t.advance(now)
	for range evictTries {
		res, lack := t.learnOnce(s, mac, from, now)
		if lack == none {
			return res
		}
		if !t.makeRoom(lack, from, now) {
			break
		}
	}
	return LearnResult{Outcome: LearnFull}
}

// learnOnce is learn where there is a place.
func (t *Table) learnOnce(s *shard, mac encap.MAC, from RemoteID, now Tick) (LearnResult, shortage) {
	k := keyOf(mac)
	h := t.hash(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl := s.liveSlot(k, h); sl != nil {
		if same, _ := t.refresh(sl, k, from, now); same {
			return LearnResult{Outcome: LearnRefreshed}, none
		}
		w, old := sl.key.Load(), sl.value.Load().remote()
		if w.state() != Dynamic {
			return LearnResult{Outcome: LearnRefusedStatic, Old: old}, none
		}
		v := sl.change(from, now)
		if ages(w.state(), w.flags()) {
			t.shares.Move(old, from)
		}
		t.notify(Moved, ReasonLearned, w, v, old)
		return LearnResult{Outcome: LearnMoved, Old: old}, none
	}
	if lack := t.reserve(); lack != none {
		return LearnResult{}, lack
	}
	w, v := makeKey(k, Dynamic, 0), makeValue(from, now, now)
	s.insert(t, k, h, w, v)
	t.hold(w, from, 1)
	t.notify(Added, ReasonLearned, w, v, from)
	return LearnResult{Outcome: LearnNew}, none
}

// change sets the remote and the updated tick of the entry and returns the new
// value. The shard's lock is held and the entry is live, so that only lock-free
// writes of ticks compete; the used tick survives.
func (sl *slot) change(r RemoteID, now Tick) value {
	for {
		v := sl.value.Load()
		n := makeValue(r, v.used(), now)
		if sl.value.CompareAndSwap(v, n) {
			return n
		}
	}
}
