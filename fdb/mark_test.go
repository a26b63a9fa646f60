package fdb

import (
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// TestMarks: a mark stays with its entry through look-ups, moves and growth, for each remote
// of a group apart, and a change of nothing else is no event.
func TestMarks(t *testing.T) {
	events := 0
	tbl := New(Config{OnChange: func(Event) { events++ }})
	marked := (FlagUser | FlagExternLearn).WithMark(MaxMark)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(tbl.Replace(testMAC(1), 1, Dynamic, marked, 1))
	for n := 2; n < 1000; n++ {
		must(tbl.Replace(testMAC(n), 1, Static, FlagUser, 1))
	}
	tbl.Learn(testMAC(1), 2, 2)
	if e, _ := tbl.Get(testMAC(1)); e.Flags != marked || e.Flags.Mark() != MaxMark || e.Remotes[0] != 2 {
		t.Errorf("entry %+v", e)
	}
	events = 0
	must(tbl.Replace(testMAC(1), 2, Dynamic, marked.WithMark(7), 9))
	if e, _ := tbl.Get(testMAC(1)); e.Flags.Mark() != 7 || e.Updated != 2 || events != 0 {
		t.Errorf("after another mark: %+v, %d events", e, events)
	}
	var zero encap.MAC
	must(tbl.Append(zero, 1, Permanent, FlagUser.WithMark(3), 1))
	must(tbl.Append(zero, 2, Permanent, FlagUser.WithMark(4)|FlagNoFlood, 1))
	if err := tbl.Append(zero, 1, Permanent, FlagUser.WithMark(3), 1); err != ErrExist { //nolint:errorlint // it is never wrapped
		t.Errorf("the same again: %v", err)
	}
	e, _ := tbl.Get(zero)
	if len(e.Remotes) != 2 || e.FlagsOf(0) != FlagUser.WithMark(3) || e.FlagsOf(1) != FlagUser.WithMark(4)|FlagNoFlood {
		t.Errorf("group %+v: %v %v", e, e.FlagsOf(0), e.FlagsOf(1))
	}
	if flood := tbl.Group(zero, 1); len(flood) != 1 || flood[0] != 1 {
		t.Errorf("flooded to %v", flood)
	}
	if n := tbl.Flush(func(e *Entry) bool { return e.Flags.Mark() == 3 }); n != 1 || tbl.Group(zero, 1) != nil {
		t.Errorf("%d flushed, flooded to %v", n, tbl.Group(zero, 1))
	}
}

// TestKeepSeen: in a full table a new address evicts one that was seen in one tick alone, and
// where there is none of those, none.
func TestKeepSeen(t *testing.T) {
	tbl := New(Config{MaxAddresses: 8, KeepSeen: true})
	for n := range 8 {
		tbl.Learn(testMAC(n+1), 0, 1)
	}
	for n := range 7 {
		tbl.Refresh(testMAC(n+1), 0, 2)
	}
	for n := range 100 {
		if got := tbl.Learn(testMAC(100+n), 0, 2).Outcome; got != LearnNew {
			t.Fatalf("new address %d: outcome %d", n, got)
		}
	}
	for n := range 7 {
		if _, _, ok := tbl.Peek(testMAC(n + 1)); !ok {
			t.Errorf("an address that was seen twice gave way")
		}
	}
	tbl.Refresh(testMAC(199), 0, 3)
	if got := tbl.Learn(testMAC(300), 0, 3).Outcome; got != LearnFull {
		t.Errorf("where all were seen twice: outcome %d", got)
	}
}

// TestGiveWay: an entry goes where it may, with a reason of its own.
func TestGiveWay(t *testing.T) {
	var last Event
	tbl := New(Config{OnChange: func(e Event) { last = e }})
	if err := tbl.Add(testMAC(1), 5, Static, FlagExternLearn, 1); err != nil {
		t.Fatal(err)
	}
	no := func(RemoteID, State, Flags) bool { return false }
	yes := func(r RemoteID, st State, fl Flags) bool { return r == 5 && st == Static && fl == FlagExternLearn }
	if tbl.GiveWay(testMAC(1), no) || tbl.GiveWay(testMAC(2), yes) || !tbl.GiveWay(testMAC(1), yes) {
		t.Error("GiveWay removed what it must not, or not what it must")
	}
	if last.Kind != Removed || last.Reason != ReasonMoved || tbl.Len() != 0 {
		t.Errorf("told %+v, %d entries", last, tbl.Len())
	}
}
