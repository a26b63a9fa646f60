package fdb

import (
	"errors"

	"github.com/uvtep/uvtep/encap"
)

// Errors of the control methods.
var (
	// ErrExist: there is such an entry, or such a remote of the group, already.
	ErrExist = errors.New("fdb: entry exists")
	// ErrNotExist: there is no such entry, or no such remote of it.
	ErrNotExist = errors.New("fdb: no such entry")
	// ErrNotGroup: a unicast MAC has one remote; use Replace to change it.
	ErrNotGroup = errors.New("fdb: a unicast address has one remote: replace it instead of appending")
	// ErrGroup: Replace is for unicast MACs; use Append and DeleteRemote.
	ErrGroup = errors.New("fdb: an all-zeros or multicast entry cannot be replaced: append and delete its remotes")
	// ErrFull: the table has MaxAddresses unicast entries, or the Budget is used up,
	// and no entry that was learned is left to give its place.
	ErrFull = errors.New("fdb: table is full: raise maxaddress")
	// ErrInvalid: no such state, no such flag, or a handle beyond MaxRemoteID.
	ErrInvalid = errors.New("fdb: invalid state, flag or remote handle")
)

// Add creates the entry of mac, unicast or group. ErrExist if there is one,
// learned or configured, with whatever remote (NLM_F_CREATE|NLM_F_EXCL in
// vxlan_fdb_update, vxlan_core.c).
func (t *Table) Add(mac encap.MAC, r RemoteID, st State, fl Flags, now Tick) error {
	return t.create(mac, r, st, fl, now, func(*shard, *slot, *group) error { return ErrExist })
}

// Append adds a remote to the group entry of mac and sets the state and the flags of
// the whole entry; ErrExist if it has the remote, which Linux
// ignores. Without an entry it creates one, for a unicast MAC too, as recipes
// for static entries rely on; a unicast MAC that has one is refused with
// ErrNotGroup, where Linux silently does nothing (conformance L12).
func (t *Table) Append(mac encap.MAC, r RemoteID, st State, fl Flags, now Tick) error {
	return t.create(mac, r, st, fl, now, func(_ *shard, _ *slot, g *group) error {
		if g == nil {
			return ErrNotGroup
		}
		return t.appendGroup(g, r, st, fl, now)
	})
}

// Replace sets remote, state and flags of the unicast address mac, whether
// it has an entry or not. One that changes nothing is no update and leaves the
// age as it is (conformance L07). ErrGroup for a group (L12).
func (t *Table) Replace(mac encap.MAC, r RemoteID, st State, fl Flags, now Tick) error {
	if IsGroup(mac) {
		return ErrGroup
	}
	return t.create(mac, r, st, fl, now, func(_ *shard, sl *slot, _ *group) error {
		w, old := sl.key.Load(), sl.value.Load().remote()
		n := makeKey(w.bits(), st, fl)
		if n.unmarked() == w.unmarked() && old == r {
			sl.key.Store(n)
			return nil
		}
		t.hold(w, old, -1)
		sl.key.Store(n)
		v := sl.change(r, now)
		t.hold(n, r, 1)
		t.notifyChange(Updated, ReasonUser, n, v, old, w.flags())
		return nil
	})
}

// create makes the entry of mac, or calls existing if there is one. A configured entry
// takes the place of a learned one where the table is full.
func (t *Table) create(mac encap.MAC, r RemoteID, st State, fl Flags, now Tick,
	existing func(*shard, *slot, *group) error) error {
	if st > Permanent || fl&^knownFlags != 0 || r > MaxRemoteID {
		return ErrInvalid
	}
	t.advance(now)
	for range evictTries {
		lack, err := t.createOnce(mac, r, st, fl, now, existing)
		if lack == none {
			return err
		}
		if !t.makeRoom(lack, Nobody, now) {
			break
		}
	}
	return ErrFull
}

// createOnce is create where the table has a place.
func (t *Table) createOnce(mac encap.MAC, r RemoteID, st State, fl Flags, now Tick,
	existing func(*shard, *slot, *group) error) (shortage, error) {
	k := keyOf(mac)
	h := t.hash(k)
	s := &t.shards[h>>t.shift]
	s.mu.Lock()
	defer s.mu.Unlock()
	if IsGroup(mac) {
		if g := s.group(mac); g != nil {
			return none, existing(s, nil, g)
		}
		t.addGroup(s, mac, r, st, fl, now)
		return none, nil
	}
	if sl := s.liveSlot(k, h); sl != nil {
		return none, existing(s, sl, nil)
	}
	if lack := t.reserve(); lack != none {
		return lack, nil
	}
	w, v := makeKey(k, st, fl), makeValue(r, now, now)
	s.insert(t, k, h, w, v)
	t.hold(w, r, 1)
	t.notify(Added, ReasonUser, w, v, r)
	return none, nil
}

// Delete removes the whole entry of mac, whatever its state; ErrNotExist if
// there is none.
func (t *Table) Delete(mac encap.MAC) error {
	return t.drop(mac, func(RemoteID) bool { return true })
}

// DeleteRemote removes one remote of mac, and the entry with its last remote.
// ErrNotExist if it has no such remote, where Linux silently does nothing
// (conformance L12).
func (t *Table) DeleteRemote(mac encap.MAC, r RemoteID) error {
	return t.drop(mac, func(has RemoteID) bool { return has == r })
}

// drop removes the remotes of mac that match.
func (t *Table) drop(mac encap.MAC, match func(RemoteID) bool) error {
	k := keyOf(mac)
	h := t.hash(k)
	s := &t.shards[h>>t.shift]
	s.mu.Lock()
	defer s.mu.Unlock()
	if IsGroup(mac) {
		if g := s.group(mac); g == nil || t.filterGroup(s, g, ReasonUser, func(_ int, r RemoteID) bool { return match(r) }) == 0 {
			return ErrNotExist
		}
		return nil
	}
	sl := s.liveSlot(k, h)
	if sl == nil || !match(sl.value.Load().remote()) {
		return ErrNotExist
	}
	t.removeIf(s, sl, ReasonUser, always)
	s.shrink(t)
	return nil
}

// Change gives the entry of the unicast address mac another remote, and no other state or
// flags. It reports false where there is no entry.
func (t *Table) Change(mac encap.MAC, r RemoteID) bool {
	k := keyOf(mac)
	h := t.hash(k)
	s := &t.shards[h>>t.shift]
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.liveSlot(k, h)
	if sl == nil {
		return false
	}
	w, v := sl.key.Load(), sl.value.Load()
	old := v.remote()
	if old == r {
		return true
	}
	v = sl.change(r, v.updated())
	if ages(w.state(), w.flags()) {
		t.shares.Move(old, r)
	}
	t.notify(Updated, ReasonUser, w, v, old)
	return true
}

// GiveWay removes the entry of the unicast address mac, which is elsewhere now, if may holds
// for it, and reports it. may is called with the shard's lock held.
func (t *Table) GiveWay(mac encap.MAC, may func(RemoteID, State, Flags) bool) bool {
	k := keyOf(mac)
	h := t.hash(k)
	s := &t.shards[h>>t.shift]
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.liveSlot(k, h)
	if sl == nil {
		return false
	}
	w := sl.key.Load()
	if !may(sl.value.Load().remote(), w.state(), w.flags()) {
		return false
	}
	t.removeIf(s, sl, ReasonMoved, always)
	s.shrink(t)
	return true
}

// removeIf removes the live entry in sl if cond holds for its value, and
// reports it. A lock-free refresh that comes between is looked at again, so
// that ageing cannot remove what was refreshed just now. The shard's lock is
// held.
func (t *Table) removeIf(s *shard, sl *slot, why Reason, cond func(value) bool) bool {
	for {
		v := sl.value.Load()
		if !cond(v) {
			return false
		}
		w := sl.key.Load()
		if s.remove(t, sl, v) {
			t.release(1)
			t.hold(w, v.remote(), -1)
			t.notify(Removed, why, w, v, v.remote())
			return true
		}
	}
}
