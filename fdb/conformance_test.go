package fdb

import (
	"errors"
	"slices"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

var (
	zeroMAC  = encap.MAC{}
	groupMAC = encap.MAC{0x01, 0x00, 0x5e, 0x01, 0x01, 0x01}
	hostMAC  = encap.MAC{0x02, 0, 0, 0, 0, 0x07}
)

// mustDo ends the test if a step that prepares it fails.
func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, tbl *Table, mac encap.MAC) Entry {
	t.Helper()
	e, ok := tbl.Get(mac)
	if !ok {
		t.Fatalf("no entry %v", mac)
	}
	return e
}

// L04: a permanent or static entry with another remote stays as it is.
func TestL04StaticEntryRefusesAnotherRemote(t *testing.T) {
	for _, st := range []State{Static, Permanent} {
		t.Run(st.String(), func(t *testing.T) {
			events := 0
			tbl := New(Config{SameAddr: sameAddr, OnChange: func(Event) { events++ }})
			mustDo(t, tbl.Add(hostMAC, 4, st, FlagUser, 10))
			if got := tbl.Learn(hostMAC, 8, 20); got != (LearnResult{LearnRefusedStatic, 4}) {
				t.Errorf("another address: %v", got)
			}
			if e := get(t, tbl, hostMAC); e.Remotes[0] != 4 || e.State != st || e.Updated != 10 {
				t.Errorf("the entry changed: %+v", e)
			}
			if got := tbl.Learn(hostMAC, 5, 30); got.Outcome != LearnRefreshed {
				t.Errorf("the same address from another port: %v", got)
			}
			if e := get(t, tbl, hostMAC); e.Remotes[0] != 4 || e.Updated != 30 {
				t.Errorf("want remote 4 refreshed at 30: %+v", e)
			}
			if events != 1 {
				t.Errorf("%d events, want the addition alone", events)
			}
		})
	}
}

// L05: a dynamic entry moves, and the move is reported with both remotes.
func TestL05DynamicEntryMoves(t *testing.T) {
	var events []Event
	tbl := New(Config{OnChange: func(e Event) { events = append(events, e) }})
	tbl.Learn(hostMAC, 4, 10)
	tbl.Lookup(hostMAC, 15)
	if got := tbl.Learn(hostMAC, 8, 20); got != (LearnResult{LearnMoved, 4}) {
		t.Errorf("Learn = %v", got)
	}
	if r, ok := tbl.Lookup(hostMAC, 20); !ok || r != 8 {
		t.Errorf("Lookup = %d, %v", r, ok)
	}
	want := []Event{
		{Kind: Added, Reason: ReasonLearned, MAC: hostMAC, Remote: 4, Old: 4, Used: 10, Updated: 10},
		{Kind: Moved, Reason: ReasonLearned, MAC: hostMAC, Remote: 8, Old: 4, Used: 15, Updated: 20},
	}
	if !slices.Equal(events, want) {
		t.Errorf("events %+v, want %+v", events, want)
	}
}

// L06: in a full table a new address takes the place of the oldest that was
// learned from the remote that holds most, or from its own remote; what does not
// age stays, and where there is nothing else the table learns nothing new.
func TestL06FullTable(t *testing.T) {
	tbl := New(Config{MaxAddresses: 5})
	mustDo(t, tbl.Add(testMAC(1), 1, Static, FlagUser, 1))
	mustDo(t, tbl.Add(testMAC(2), 1, Dynamic, FlagUser|FlagExternLearn, 1))
	for n := range 3 {
		tbl.Learn(testMAC(10+n), 1, Tick(10-n)) // the last is the oldest
	}
	gone := func(what string, mac encap.MAC) {
		t.Helper()
		if _, ok := tbl.Get(mac); ok || tbl.Len() != 5 {
			t.Errorf("%s: %v is there %v, %d entries", what, mac, ok, tbl.Len())
		}
	}
	if got := tbl.Learn(testMAC(20), 2, 11); got.Outcome != LearnNew {
		t.Errorf("Learn of another remote's into a full table: %v", got)
	}
	gone("learned from another remote", testMAC(12))
	if got := tbl.Learn(testMAC(13), 1, 11); got.Outcome != LearnNew {
		t.Errorf("Learn of the same remote's into a full table: %v", got)
	}
	gone("learned from the same remote", testMAC(11))
	mustDo(t, tbl.Add(testMAC(3), 1, Permanent, FlagUser, 12))
	gone("given", testMAC(10))
	if got := tbl.Learn(testMAC(20), 1, 12); got.Outcome != LearnMoved {
		t.Errorf("move in a full table: %v", got)
	}
	mustDo(t, tbl.Append(zeroMAC, 1, Permanent, FlagUser, 1))
	mustDo(t, tbl.Replace(testMAC(13), 1, Static, FlagUser, 12))
	mustDo(t, tbl.Replace(testMAC(20), 1, Static, FlagUser, 12))
	if got := tbl.Learn(testMAC(30), 1, 13); got.Outcome != LearnFull {
		t.Errorf("Learn where nothing ages: %v", got)
	}
	if err := tbl.Add(testMAC(30), 1, Permanent, FlagUser, 13); !errors.Is(err, ErrFull) {
		t.Errorf("Add where nothing ages: %v", err)
	}
	if _, ok := tbl.Lookup(testMAC(30), 13); ok {
		t.Error("the refused address is found")
	}
	mustDo(t, tbl.Delete(testMAC(2)))
	if got := tbl.Learn(testMAC(30), 1, 14); got.Outcome != LearnNew {
		t.Errorf("Learn after a removal: %v", got)
	}
	tbl.SetMaxAddresses(0)
	if got := tbl.Learn(testMAC(31), 1, 14); got.Outcome != LearnNew {
		t.Errorf("Learn without a limit: %v", got)
	}
	tbl.SetMaxAddresses(4)
	if n := tbl.Len(); n != 7 {
		t.Errorf("lowering the limit left %d entries, want 7", n)
	}
	if got := tbl.Learn(testMAC(32), 1, 14); got.Outcome != LearnFull || tbl.Len() != 5 {
		t.Errorf("Learn beyond a lower limit: %v, %d entries, want those that do not age", got, tbl.Len())
	}
}

// L07: received traffic and user updates that change something keep an entry
// alive; transmission and a replace that changes nothing do not.
func TestL07AgeingCountsReceivedTrafficOnly(t *testing.T) {
	steps := map[string]struct {
		do    func(*Table)
		stays bool
	}{
		"nothing":                  {func(*Table) {}, false},
		"transmission":             {func(t *Table) { t.Lookup(hostMAC, 200) }, false},
		"received":                 {func(t *Table) { t.Learn(hostMAC, 4, 200) }, true},
		"moved":                    {func(t *Table) { t.Learn(hostMAC, 8, 200) }, true},
		"replace, nothing changes": {func(t *Table) { _ = t.Replace(hostMAC, 4, Dynamic, 0, 200) }, false},
		"replace, other remote":    {func(t *Table) { _ = t.Replace(hostMAC, 8, Dynamic, 0, 200) }, true},
		"replace, other flag":      {func(t *Table) { _ = t.Replace(hostMAC, 4, Dynamic, FlagRouter, 200) }, true},
		"refused add":              {func(t *Table) { _ = t.Add(hostMAC, 4, Dynamic, 0, 200) }, false},
		"refused append":           {func(t *Table) { _ = t.Append(hostMAC, 4, Dynamic, 0, 200) }, false},
	}
	for name, c := range steps {
		t.Run(name, func(t *testing.T) {
			var last Event
			tbl := New(Config{OnChange: func(e Event) { last = e }})
			tbl.Learn(hostMAC, 4, 10)
			c.do(tbl)
			if n := tbl.Age(310, 300); n != 0 {
				t.Fatalf("Age removed %d at the age of 300", n)
			}
			removed := tbl.Age(311, 300)
			if _, ok := tbl.Get(hostMAC); ok != c.stays || removed == 1 == c.stays {
				t.Errorf("at the age of 301: there %v, removed %d, want there %v", ok, removed, c.stays)
			}
			if !c.stays && (last.Kind != Removed || last.Reason != ReasonAged || last.Updated != 10) {
				t.Errorf("the last event is %+v", last)
			}
		})
	}
}

// L07: static, permanent and externally learned entries never age, nor does
// anything with an ageing time of 0 or of MaxAge.
func TestL07WhatDoesNotAge(t *testing.T) {
	tbl := New(Config{})
	mustDo(t, tbl.Add(testMAC(1), 1, Static, FlagUser, 0))
	mustDo(t, tbl.Add(testMAC(2), 1, Permanent, FlagUser, 0))
	mustDo(t, tbl.Add(testMAC(3), 1, Dynamic, FlagUser|FlagExternLearn, 0))
	mustDo(t, tbl.Add(zeroMAC, 1, Permanent, FlagUser, 0))
	mustDo(t, tbl.Add(testMAC(4), 1, Dynamic, FlagUser, 0))
	mustDo(t, tbl.Add(groupMAC, 1, Dynamic, FlagUser, 0))
	for _, maxAge := range []Tick{0, MaxAge, MaxAge + 1} {
		// In steps, as Age wants to be called.
		for now := Tick(0); now < 3<<tickBits; now += aheadTicks - 1 {
			if n := tbl.Age(now, maxAge); n != 0 {
				t.Fatalf("ageing time %d: Age(%d) removed %d", maxAge, now, n)
			}
		}
	}
	if n := tbl.Age(3<<tickBits, 300); n != 2 || tbl.Len() != 4 {
		t.Errorf("Age removed %d and left %d entries, want 2 and 4", n, tbl.Len())
	}
}

// L12: append is for groups, replace for unicast, and what is not there cannot
// be deleted. A refusal changes nothing.
func TestL12Refusals(t *testing.T) {
	tbl := New(Config{})
	mustDo(t, tbl.Add(zeroMAC, 1, Permanent, FlagUser, 1))
	mustDo(t, tbl.Add(groupMAC, 1, Permanent, FlagUser, 1))
	mustDo(t, tbl.Add(hostMAC, 1, Permanent, FlagUser, 1))
	tbl.Learn(testMAC(1), 1, 1)
	before := tbl.groupEntries()
	const now = 9
	add, appendTo, replace := tbl.Add, tbl.Append, tbl.Replace
	cases := []struct {
		name string
		err  error
		want error
	}{
		{"add zero", add(zeroMAC, 2, Permanent, FlagUser, now), ErrExist},
		{"add group", add(groupMAC, 2, Permanent, FlagUser, now), ErrExist},
		{"add unicast", add(hostMAC, 2, Permanent, FlagUser, now), ErrExist},
		{"add over a learned entry", add(testMAC(1), 1, Dynamic, FlagUser, now), ErrExist},
		{"append to unicast", appendTo(hostMAC, 2, Permanent, FlagUser, now), ErrNotGroup},
		{"append to unicast, same remote", appendTo(hostMAC, 1, Permanent, FlagUser, now), ErrNotGroup},
		{"append what is there", appendTo(zeroMAC, 1, Static, FlagUser, now), ErrExist},
		{"replace zero", replace(zeroMAC, 2, Permanent, FlagUser, now), ErrGroup},
		{"replace group", replace(groupMAC, 2, Permanent, FlagUser, now), ErrGroup},
		{"replace broadcast that is not there", replace(encap.MAC{255, 255, 255, 255, 255, 255}, 2, Permanent, 0, now), ErrGroup},
		{"delete missing unicast", tbl.Delete(testMAC(9)), ErrNotExist},
		{"delete missing group", tbl.Delete(encap.MAC{1}), ErrNotExist},
		{"delete another remote", tbl.DeleteRemote(hostMAC, 2), ErrNotExist},
		{"delete another remote of a group", tbl.DeleteRemote(zeroMAC, 2), ErrNotExist},
		{"unknown state", add(testMAC(9), 1, Permanent+1, 0, now), ErrInvalid},
		{"unknown flag", add(testMAC(9), 1, Static, knownFlags+1, now), ErrInvalid},
		{"remote beyond 24 bits", add(testMAC(9), MaxRemoteID+1, Static, 0, now), ErrInvalid},
	}
	for _, c := range cases {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
	}
	if tbl.Len() != 4 || !slices.EqualFunc(before, tbl.groupEntries(), func(a, b Entry) bool {
		return a.MAC == b.MAC && slices.Equal(a.Remotes, b.Remotes) && a.State == b.State && a.Updated == b.Updated
	}) {
		t.Errorf("a refusal changed the table: %+v", tbl.groupEntries())
	}
	if e := get(t, tbl, hostMAC); e.Remotes[0] != 1 || e.Updated != 1 {
		t.Errorf("a refusal changed the entry: %+v", e)
	}
}

// L12: append and replace create what is missing.
func TestL12CreateWhatIsMissing(t *testing.T) {
	tbl := New(Config{})
	mustDo(t, tbl.Append(testMAC(1), 3, Static, FlagUser, 1))
	mustDo(t, tbl.Replace(testMAC(2), 4, Permanent, FlagRouter, 1))
	if e := get(t, tbl, testMAC(1)); e.Remotes[0] != 3 || e.State != Static {
		t.Errorf("appended: %+v", e)
	}
	if e := get(t, tbl, testMAC(2)); e.Remotes[0] != 4 || e.Flags != FlagRouter {
		t.Errorf("replaced: %+v", e)
	}
}

// L12: deleting one remote keeps the rest, deleting the last removes the entry.
// L14: a multicast MAC holds several remotes as the all-zeros MAC does.
func TestL12L14GroupRemotes(t *testing.T) {
	for _, mac := range []encap.MAC{zeroMAC, groupMAC, {0x33, 0x33, 0, 0, 0, 1}, {255, 255, 255, 255, 255, 255}} {
		t.Run(mac.String(), func(t *testing.T) {
			var kinds []EventKind
			tbl := New(Config{OnChange: func(e Event) { kinds = append(kinds, e.Kind) }})
			if g := tbl.Group(mac, 1); g != nil {
				t.Errorf("Group of an empty table = %v", g)
			}
			for r := range RemoteID(4) {
				mustDo(t, tbl.Append(mac, r, Permanent, FlagUser, Tick(r)))
			}
			all := tbl.Group(mac, 20)
			if !slices.Equal(all, []RemoteID{0, 1, 2, 3}) || tbl.Len() != 1 {
				t.Errorf("Group = %v, %d entries", all, tbl.Len())
			}
			if e := get(t, tbl, mac); e.Used != 20 || e.Updated != 3 {
				t.Errorf("want used 20, updated 3: %+v", e)
			}
			if _, ok := tbl.Lookup(mac, 1); ok {
				t.Error("Lookup found a group")
			}
			if got := tbl.Learn(mac, 1, 1); got.Outcome != LearnRefusedInvalid {
				t.Errorf("Learn of a group address: %v", got)
			}
			mustDo(t, tbl.DeleteRemote(mac, 1))
			if g := tbl.Group(mac, 1); !slices.Equal(g, []RemoteID{0, 2, 3}) {
				t.Errorf("after deleting 1: %v", g)
			}
			if !slices.Equal(all, []RemoteID{0, 1, 2, 3}) {
				t.Errorf("the old snapshot changed: %v", all)
			}
			if n := tbl.Flush(func(e *Entry) bool { return e.Remotes[0] == 2 }); n != 1 {
				t.Errorf("Flush of remote 2 removed %d", n)
			}
			mustDo(t, tbl.DeleteRemote(mac, 0))
			mustDo(t, tbl.DeleteRemote(mac, 3))
			if g := tbl.Group(mac, 1); g != nil || tbl.Len() != 0 {
				t.Errorf("after deleting the last: %v, %d entries", g, tbl.Len())
			}
			want := []EventKind{Added, Added, Added, Added, Removed, Removed, Removed, Removed}
			if !slices.Equal(kinds, want) {
				t.Errorf("events %v, want %v", kinds, want)
			}
			mustDo(t, tbl.Append(mac, 1, Permanent, FlagUser, 1))
			mustDo(t, tbl.Append(mac, 2, Permanent, FlagUser, 1))
			mustDo(t, tbl.Delete(mac))
			if tbl.Len() != 0 {
				t.Error("Delete left remotes")
			}
		})
	}
}
