package fdb

import (
	"bytes"
	"slices"

	"github.com/uvtep/uvtep/encap"
)

// slow is the oracle: a table as one would write it without a thought of
// speed, memory or concurrency.
type slow struct {
	entries  map[encap.MAC]*slowEntry
	unicast  int
	max      int
	sameAddr func(a, b RemoteID) bool
	events   []Event
}

type slowEntry struct {
	remotes       []RemoteID
	state         State
	flags         Flags
	used, updated Tick
}

func newSlow(c Config) *slow {
	return &slow{entries: map[encap.MAC]*slowEntry{}, max: c.MaxAddresses, sameAddr: c.SameAddr}
}

func (o *slow) full() bool { return o.max > 0 && o.unicast >= o.max }

func (o *slow) event(k EventKind, why Reason, m encap.MAC, r, old RemoteID) {
	e := o.entries[m]
	o.events = append(o.events, Event{
		Kind: k, Reason: why, MAC: m, Remote: r, Old: old,
		State: e.state, Flags: e.flags, OldFlags: e.flags, Used: e.used, Updated: e.updated,
	})
}

func (o *slow) Lookup(m encap.MAC, now Tick) (RemoteID, bool) {
	e := o.entries[m]
	if e == nil || IsGroup(m) {
		return 0, false
	}
	e.used = max(e.used, now)
	return e.remotes[0], true
}

func (o *slow) Group(m encap.MAC, now Tick) []RemoteID {
	e := o.entries[m]
	if e == nil || !IsGroup(m) {
		return nil
	}
	e.used = max(e.used, now)
	return slices.Clone(e.remotes)
}

func (o *slow) create(m encap.MAC, why Reason, r RemoteID, st State, fl Flags, now Tick) {
	o.entries[m] = &slowEntry{[]RemoteID{r}, st, fl, now, now}
	if !IsGroup(m) {
		o.unicast++
	}
	o.event(Added, why, m, r, r)
}

func (o *slow) Learn(m encap.MAC, from RemoteID, now Tick) LearnResult {
	if IsGroup(m) {
		return LearnResult{Outcome: LearnRefusedInvalid}
	}
	e := o.entries[m]
	if e == nil {
		if o.full() {
			return LearnResult{Outcome: LearnFull}
		}
		o.create(m, ReasonLearned, from, Dynamic, 0, now)
		return LearnResult{Outcome: LearnNew}
	}
	old := e.remotes[0]
	switch {
	case old == from || o.sameAddr(old, from):
		e.updated = max(e.updated, now)
		return LearnResult{Outcome: LearnRefreshed}
	case e.state != Dynamic:
		return LearnResult{LearnRefusedStatic, old}
	}
	e.remotes[0], e.updated = from, now
	o.event(Moved, ReasonLearned, m, from, old)
	return LearnResult{LearnMoved, old}
}

func (o *slow) Add(m encap.MAC, r RemoteID, st State, fl Flags, now Tick) error {
	switch {
	case o.entries[m] != nil:
		return ErrExist
	case !IsGroup(m) && o.full():
		return ErrFull
	}
	o.create(m, ReasonUser, r, st, fl, now)
	return nil
}

func (o *slow) Append(m encap.MAC, r RemoteID, st State, fl Flags, now Tick) error {
	e := o.entries[m]
	switch {
	case e == nil:
		return o.Add(m, r, st, fl, now)
	case !IsGroup(m):
		return ErrNotGroup
	case slices.Contains(e.remotes, r):
		return ErrExist
	}
	e.remotes = append(e.remotes, r)
	e.state, e.flags, e.updated = st, fl, now
	o.event(Added, ReasonUser, m, r, r)
	return nil
}

func (o *slow) Replace(m encap.MAC, r RemoteID, st State, fl Flags, now Tick) error {
	e := o.entries[m]
	switch {
	case IsGroup(m):
		return ErrGroup
	case e == nil:
		return o.Add(m, r, st, fl, now)
	case e.remotes[0] == r && e.state == st && e.flags == fl:
		return nil
	}
	old, oldFlags := e.remotes[0], e.flags
	*e = slowEntry{[]RemoteID{r}, st, fl, e.used, now}
	o.event(Updated, ReasonUser, m, r, old)
	o.events[len(o.events)-1].OldFlags = oldFlags
	return nil
}

func (o *slow) removeRemote(m encap.MAC, r RemoteID, why Reason) bool {
	e := o.entries[m]
	i := slices.Index(e.remotes, r)
	if i < 0 {
		return false
	}
	o.event(Removed, why, m, r, r)
	if e.remotes = slices.Delete(e.remotes, i, i+1); len(e.remotes) == 0 {
		delete(o.entries, m)
		if !IsGroup(m) {
			o.unicast--
		}
	}
	return true
}

func (o *slow) Delete(m encap.MAC) error {
	e := o.entries[m]
	if e == nil {
		return ErrNotExist
	}
	for _, r := range slices.Clone(e.remotes) {
		o.removeRemote(m, r, ReasonUser)
	}
	return nil
}

func (o *slow) DeleteRemote(m encap.MAC, r RemoteID) error {
	if o.entries[m] == nil || !o.removeRemote(m, r, ReasonUser) {
		return ErrNotExist
	}
	return nil
}

func (o *slow) Age(now, maxAge Tick) (removed int) {
	for m, e := range o.entries {
		if !IsGroup(m) && now > MaxAge { // ages are told apart up to MaxAge
			e.used, e.updated = max(e.used, now-MaxAge), max(e.updated, now-MaxAge)
		}
		if maxAge == 0 || maxAge >= MaxAge || e.state != Dynamic || e.flags&FlagExternLearn != 0 ||
			e.updated+maxAge >= now {
			continue
		}
		removed++
		for _, r := range slices.Clone(e.remotes) {
			o.removeRemote(m, r, ReasonAged)
		}
	}
	return removed
}

func (o *slow) Flush(filter func(*Entry) bool) (removed int) {
	for m, e := range o.entries {
		for _, r := range slices.Clone(e.remotes) {
			if filter(&Entry{m, []RemoteID{r}, e.state, e.flags, e.used, e.updated}) {
				o.removeRemote(m, r, ReasonFlushed)
				removed++
			}
		}
	}
	return removed
}

func (o *slow) Get(m encap.MAC) (Entry, bool) {
	e := o.entries[m]
	if e == nil {
		return Entry{}, false
	}
	return Entry{m, slices.Clone(e.remotes), e.state, e.flags, e.used, e.updated}, true
}

// all returns the entries in the order of their MACs.
func (o *slow) all() []Entry {
	var all []Entry
	for m := range o.entries {
		e, _ := o.Get(m)
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Entry) int { return bytes.Compare(a.MAC[:], b.MAC[:]) })
	return all
}
