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
	// flood are the remotes without those of FlagNoFlood: an immutable snapshot, nil
	// where there is none, replaced whole.
	flood atomic.Pointer[[]RemoteID]
	used  atomic.Uint32 // Tick

	// Guarded by the shard's lock.
	remotes   []RemoteID // never empty; replaced whole, as ofRemotes
	ofRemotes []Flags    // of each remote, those of ofRemote
	state     State
	flags     Flags // of all remotes
	updated   Tick
}

// Group returns the remotes of the all-zeros or a multicast MAC (conformance
// L11, L14) for a frame that is to be sent at now, in the order of their
// addition, without those of FlagNoFlood; nil if there are none. It marks the entry used, at most once a
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
	return *g.flood.Load()
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
		MAC: g.mac, Remotes: g.remotes, State: g.state, Flags: g.flags,
		Used: Tick(g.used.Load()), Updated: g.updated, ofRemotes: g.ofRemotes,
	}
}

// set replaces the remotes by r, and their own flags by of: both are the group's from then
// on.
func (g *group) set(r []RemoteID, of []Flags) {
	g.remotes, g.ofRemotes = slices.Clip(r), slices.Clip(of)
	flood := g.remotes
	if slices.ContainsFunc(of, func(f Flags) bool { return f&FlagNoFlood != 0 }) {
		flood = nil
		for i := range r {
			if of[i]&FlagNoFlood == 0 {
				flood = append(flood, r[i])
			}
		}
	}
	g.flood.Store(&flood)
}

// addGroup creates a group entry with one remote. The shard's lock is held.
func (t *Table) addGroup(s *shard, mac encap.MAC, r RemoteID, st State, fl Flags, now Tick) {
	g := &group{mac: mac, state: st, flags: fl &^ ofRemote, updated: now}
	g.used.Store(uint32(now))
	g.set([]RemoteID{r}, []Flags{fl & ofRemote})
	s.editGroups(func(m map[encap.MAC]*group) { m[mac] = g })
	t.groups.Add(1)
	t.notifyGroup(Added, ReasonUser, g, r, fl&ofRemote)
}

// appendGroup adds a remote to g, or gives the one that is there other flags of its own; state and flags of the whole entry become
// the new ones (vxlan_fdb_update_existing in vxlan_core.c). The shard's lock
// is held.
func (t *Table) appendGroup(g *group, r RemoteID, st State, fl Flags, now Tick) error {
	own := fl & ofRemote
	if i := slices.Index(g.remotes, r); i >= 0 {
		was := g.ofRemotes[i]
		if was == own {
			return ErrExist
		}
		of := slices.Clone(g.ofRemotes)
		of[i] = own
		g.set(g.remotes, of)
		if (was^own)&FlagNoFlood != 0 {
			g.updated = now
			t.notifyGroup(Updated, ReasonUser, g, r, own)
		}
		return nil
	}
	g.state, g.flags, g.updated = st, fl&^ofRemote, now
	g.set(append(slices.Clone(g.remotes), r), append(slices.Clone(g.ofRemotes), own))
	t.notifyGroup(Added, ReasonUser, g, r, own)
	return nil
}

// filterGroup removes the remotes of g for which drop holds, by their place, and g with
// the last of them; it returns how many. The shard's lock is held.
func (t *Table) filterGroup(s *shard, g *group, why Reason, drop func(i int, r RemoteID) bool) int {
	var keep, gone []RemoteID
	var keepOf, goneOf []Flags
	for i, r := range g.remotes {
		if drop(i, r) {
			gone, goneOf = append(gone, r), append(goneOf, g.ofRemotes[i])
		} else {
			keep, keepOf = append(keep, r), append(keepOf, g.ofRemotes[i])
		}
	}
	switch {
	case len(gone) == 0:
		return 0
	case len(keep) == 0:
		s.editGroups(func(m map[encap.MAC]*group) { delete(m, g.mac) })
		t.groups.Add(-1)
	default:
		g.set(keep, keepOf)
	}
	for i, r := range gone {
		t.notifyGroup(Removed, why, g, r, goneOf[i])
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
