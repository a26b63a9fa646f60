package fdb

import (
	"bytes"
	"fmt"
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
	// evicted are the addresses that the table evicted for this operation. Which of
	// several it takes is its own choice: the oracle judges it.
	evicted []encap.MAC
	wrong   string // what was evicted and may not be, or was not and could be
}

type slowEntry struct {
	remotes       []RemoteID
	state         State
	flags         Flags
	used, updated Tick
	of            []Flags // of each remote of a group
}

// own are the flags that a remote has for itself.
func (e *slowEntry) own(r RemoteID) Flags {
	if i := slices.Index(e.remotes, r); i >= 0 && e.of != nil {
		return e.of[i]
	}
	return 0
}

func newSlow(c Config) *slow {
	return &slow{entries: map[encap.MAC]*slowEntry{}, max: c.MaxAddresses, sameAddr: c.SameAddr}
}

func (o *slow) full() bool { return o.max > 0 && o.unicast >= o.max }

// room reports whether there is a place for a new entry of a remote, after what the
// table evicted for it; given says that it is no learned one.
func (o *slow) room(newcomer RemoteID, given bool, now Tick) bool {
	for range evictTries {
		if !o.full() {
			return true
		}
		may := o.mayGo(newcomer, given, now)
		if len(o.evicted) == 0 {
			if len(may) > 0 {
				o.wrong = fmt.Sprint("nothing was evicted; these could be: ", may)
			}
			return false
		}
		m := o.evicted[0]
		o.evicted = o.evicted[1:]
		if !slices.Contains(may, m) {
			o.wrong = fmt.Sprintf("%v was evicted, which is none of %v", m, may)
			return false
		}
		o.removeRemote(m, o.entries[m].remotes[0], ReasonEvicted)
	}
	return false // over the limit: the rest goes with the next
}

// mayGo are the entries that may give their place.
func (o *slow) mayGo(newcomer RemoteID, given bool, now Tick) (may []encap.MAC) {
	held := map[RemoteID]int{}
	for m, e := range o.entries {
		if !IsGroup(m) && ages(e.state, e.flags) {
			held[e.remotes[0]]++
		}
	}
	most := 0
	for _, n := range held {
		most = max(most, n)
	}
	gives := func(r RemoteID) bool { return held[r] == most }
	if own := held[newcomer]; !given && own > 0 && most < own+2 {
		gives = func(r RemoteID) bool { return r == newcomer }
	}
	oldest := map[RemoteID]Tick{} // of each remote, or with one entry each of all
	of := func(r RemoteID) RemoteID {
		if most == 1 {
			return 0
		}
		return r
	}
	for pass := range 2 {
		for m, e := range o.entries {
			r := e.remotes[0]
			old := now - e.updated
			if e.updated > now {
				old = 0
			}
			switch {
			case IsGroup(m) || !ages(e.state, e.flags) || !gives(r):
			case most == 1 && !given && held[newcomer] == 0 && old < LastIdle:
			case pass == 0:
				oldest[of(r)] = max(oldest[of(r)], old)
			case o.unicast > smallTable || old == oldest[of(r)]:
				may = append(may, m)
			}
		}
	}
	return may
}

func (o *slow) event(k EventKind, why Reason, m encap.MAC, r, old RemoteID) {
	e := o.entries[m]
	o.events = append(o.events, Event{
		Kind: k, Reason: why, MAC: m, Remote: r, Old: old,
		State: e.state, Flags: e.flags | e.own(r), OldFlags: e.flags | e.own(r), Used: e.used, Updated: e.updated,
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
	var flood []RemoteID
	for i, r := range e.remotes {
		if e.of[i]&FlagNoFlood == 0 {
			flood = append(flood, r)
		}
	}
	return flood
}

func (o *slow) create(m encap.MAC, why Reason, r RemoteID, st State, fl Flags, now Tick) {
	e := &slowEntry{remotes: []RemoteID{r}, state: st, flags: fl, used: now, updated: now}
	if o.entries[m] = e; !IsGroup(m) {
		o.unicast++
	} else {
		e.flags, e.of = fl&^ofRemote, []Flags{fl & ofRemote}
	}
	o.event(Added, why, m, r, r)
}

func (o *slow) Learn(m encap.MAC, from RemoteID, now Tick) LearnResult {
	if IsGroup(m) {
		return LearnResult{Outcome: LearnRefusedInvalid}
	}
	e := o.entries[m]
	if e == nil {
		if !o.room(from, false, now) {
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
	case !IsGroup(m) && !o.room(r, true, now):
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
	}
	if i := slices.Index(e.remotes, r); i >= 0 {
		was, is := e.of[i], fl&ofRemote
		if was == is {
			return ErrExist
		}
		if e.of[i] = is; was&FlagNoFlood != is&FlagNoFlood {
			e.updated = now
			o.event(Updated, ReasonUser, m, r, r)
		}
		return nil
	}
	e.remotes, e.of = append(e.remotes, r), append(e.of, fl&ofRemote)
	e.state, e.flags, e.updated = st, fl&^ofRemote, now
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
	case e.remotes[0] == r && e.state == st && e.flags.WithMark(0) == fl.WithMark(0):
		e.flags = fl
		return nil
	}
	old, oldFlags := e.remotes[0], e.flags
	*e = slowEntry{remotes: []RemoteID{r}, state: st, flags: fl, used: e.used, updated: now}
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
	if e.of != nil {
		e.of = slices.Delete(e.of, i, i+1)
	}
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
			if filter(&Entry{MAC: m, Remotes: []RemoteID{r}, State: e.state, Flags: e.flags | e.own(r), Used: e.used, Updated: e.updated}) {
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
	return Entry{MAC: m, Remotes: slices.Clone(e.remotes), State: e.state, Flags: e.flags, Used: e.used, Updated: e.updated, ofRemotes: slices.Clone(e.of)}, true
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
