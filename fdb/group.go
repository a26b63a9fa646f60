package fdb

import (
	"maps"
	"slices"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

// group is the entry of the all-zeros or a multicast MAC.
type group struct {
	mac encap.MAC
	// remotes is an immutable snapshot, never empty, replaced whole.
	remotes atomic.Pointer[[]RemoteID]
	used    atomic.Uint32 // Tick

	// Guarded by the shard's lock.
	state   State
	flags   Flags
	updated Tick
}

// Group returns the remotes of the all-zeros or a multicast MAC (conformance
// L11, L14) for a frame that is to be sent at now, in the order of their
// addition; nil if there are none. It marks the entry used, at most once a
// tick. The slice is an immutable snapshot: it may be kept but not modified.
func (t *Table) Group(mac encap.MAC, now Tick) []RemoteID {
	s := &t.shards[t.hash(keyOf(mac))>>t.shift]
	g := s.group(mac)
	if g == nil {
		return nil
	}
	if u := g.used.Load(); int32(uint32(now)-u) > 0 {
		// One attempt, as in Lookup.
		g.used.CompareAndSwap(u, uint32(now))
	}
	return *g.remotes.Load()
}

// group returns the group entry of mac or nil, without a lock.
func (s *shard) group(mac encap.MAC) *group {
	if m := s.groups.Load(); m != nil {
		return (*m)[mac]
	}
	return nil
}

// entry is the caller's view of g. The shard's lock is held; the Remotes stay
// valid without it.
func (g *group) entry() Entry {
	return Entry{
		MAC: g.mac, Remotes: *g.remotes.Load(), State: g.state, Flags: g.flags,
		Used: Tick(g.used.Load()), Updated: g.updated,
	}
}

// set replaces the remotes by r, which is the group's from then on.
func (g *group) set(r []RemoteID) {
	r = slices.Clip(r)
	g.remotes.Store(&r)
}

// addGroup creates a group entry with one remote. The shard's lock is held.
func (t *Table) addGroup(s *shard, mac encap.MAC, r RemoteID, st State, fl Flags, now Tick) {
	g := &group{mac: mac, state: st, flags: fl, updated: now}
	g.used.Store(uint32(now))
	g.set([]RemoteID{r})
	s.editGroups(func(m map[encap.MAC]*group) { m[mac] = g })
	t.groups.Add(1)
	t.notifyGroup(Added, ReasonUser, g, r)
}

// appendGroup adds a remote to g; state and flags of the whole entry become
// the new ones (vxlan_fdb_update_existing in vxlan_core.c). The shard's lock
// is held.
func (t *Table) appendGroup(g *group, r RemoteID, st State, fl Flags, now Tick) error {
	old := *g.remotes.Load()
	if slices.Contains(old, r) {
		return ErrExist
	}
	g.state, g.flags, g.updated = st, fl, now
	g.set(append(slices.Clone(old), r))
	t.notifyGroup(Added, ReasonUser, g, r)
	return nil
}

// filterGroup removes the remotes of g for which drop holds, and g with the
// last of them; it returns how many. The shard's lock is held.
func (t *Table) filterGroup(s *shard, g *group, why Reason, drop func(RemoteID) bool) int {
	old := *g.remotes.Load()
	var keep, gone []RemoteID
	for _, r := range old {
		if drop(r) {
			gone = append(gone, r)
		} else {
			keep = append(keep, r)
		}
	}
	switch {
	case len(gone) == 0:
		return 0
	case len(keep) == 0:
		s.editGroups(func(m map[encap.MAC]*group) { delete(m, g.mac) })
		t.groups.Add(-1)
	default:
		g.set(keep)
	}
	for _, r := range gone {
		t.notifyGroup(Removed, why, g, r)
	}
	return len(gone)
}

// editGroups replaces the shard's map of groups by an edited copy. The copy
// is of one shard's groups only, which keeps many multicast entries cheap to
// add. The lock is held.
func (s *shard) editGroups(edit func(map[encap.MAC]*group)) {
	m := make(map[encap.MAC]*group)
	if old := s.groups.Load(); old != nil {
		m = maps.Clone(*old)
	}
	edit(m)
	if len(m) == 0 {
		s.groups.Store(nil)
		return
	}
	s.groups.Store(&m)
}

// eachGroup calls fn for the shard's groups; fn may remove groups. The lock is
// held.
func (s *shard) eachGroup(fn func(*group)) {
	if m := s.groups.Load(); m != nil {
		for _, g := range *m { // the map is immutable: fn changes another
			fn(g)
		}
	}
}
