package forward

import (
	"bytes"
	"slices"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// unforeseen are the reasons that no rehearsal can give, and why.
func unforeseen() map[DropReason]string {
	return map[DropReason]string{
		TxPortOverflow:   "the kernel drops the frame before it is read",
		TxUnreadable:     "what was read is no frame",
		RxSocketOverflow: "the kernel drops the datagram before it is read",
		RxUnreadable:     "what was read is no datagram",
		RxPort:           "whether the host takes a frame shows as it is written",
	}
}

// reasons are those that a course names.
func (c *Course) reasons() (all []DropReason) {
	if c.Dropped {
		all = append(all, c.Reason)
	}
	for _, copied := range c.Copies {
		if copied.Dropped && !slices.Contains(all, copied.Reason) {
			all = append(all, copied.Reason)
		}
	}
	return all
}

// TestRehearsalIsTheDataPath: a rehearsal foretells each drop reason, each packet and each
// frame that the data path then gives for the same frame, and changes nothing.
func TestRehearsalIsTheDataPath(t *testing.T) {
	seen := unforeseen()
	for _, sc := range scenes() {
		name := sc.name
		if sc.reason != noDrop {
			name = sc.reason.String() + " " + sc.name
			seen[sc.reason] = "shown"
		}
		t.Run(name, func(t *testing.T) {
			s := newSetting(t, &sc)
			before := s.link.entries()
			course, again := s.rehearse(&sc), s.rehearse(&sc)
			if n := s.counted(); len(n) > 0 || len(s.net.sent) > 0 || len(s.port.frames) > 0 || !slices.EqualFunc(before, s.link.entries(), sameEntry) {
				t.Fatalf("the rehearsal counted %v, sent %d packets, wrote %d frames, or changed the entries", n, len(s.net.sent), len(s.port.frames))
			}
			var want []DropReason
			if sc.reason != noDrop {
				want = []DropReason{sc.reason}
			}
			if got := course.reasons(); !slices.Equal(got, want) || !slices.Equal(again.reasons(), want) {
				t.Errorf("foretold %v and then %v, want %v", got, again.reasons(), want)
			}
			s.play(&sc)
			if got := s.counted(); !slices.Equal(got, want) {
				t.Errorf("the data path counted %v, want %v", got, want)
			}
			s.compare(t, &course)
		})
	}
	for _, r := range DropReasons() {
		if seen[r] == "" {
			t.Errorf("no scene ends with %s, and no word says why none can", r)
		}
	}
}

// compare holds what a rehearsal foretold to what came.
func (s *setting) compare(t *testing.T, c *Course) {
	t.Helper()
	var sent []encap.Packet
	for _, copied := range c.Copies {
		if copied.Sent {
			sent = append(sent, copied.Packet)
		}
	}
	samePacket := func(a, b encap.Packet) bool {
		return a.Header == b.Header && a.Dst == b.Dst && a.Port == b.Port && a.Hash == b.Hash && a.TOS == b.TOS && a.TTL == b.TTL && bytes.Equal(a.Frame.Data, b.Frame.Data)
	}
	if !slices.EqualFunc(sent, s.net.sent, samePacket) {
		t.Errorf("foretold %+v, sent %+v", sent, s.net.sent)
	}
	var frames [][]byte
	for _, w := range c.ToPort {
		frames = append(frames, w.Frame.Data)
	}
	if !slices.EqualFunc(frames, s.port.frames, bytes.Equal) {
		t.Errorf("foretold the frames %x, the port has %x", frames, s.port.frames)
	}
	for _, e := range c.Changes {
		id, _, ok := s.link.FDB.Peek(e.MAC)
		if e.Link != s.link {
			continue
		}
		if r := s.link.Remotes.At(id); ok == (e.Kind == fdb.Removed) || ok && e.To != nil && r != e.To {
			t.Errorf("foretold %+v, the entry is %v of %+v", e, ok, r)
		}
	}
}

func (l *Link) entries() (all []fdb.Entry) {
	l.FDB.Walk(func(e *fdb.Entry) bool {
		all = append(all, fdb.Entry{MAC: e.MAC, Remotes: slices.Clone(e.Remotes), State: e.State, Flags: e.Flags, Used: e.Used, Updated: e.Updated})
		return true
	})
	return all
}

func sameEntry(a, b fdb.Entry) bool {
	return a.MAC == b.MAC && slices.Equal(a.Remotes, b.Remotes) && a.State == b.State && a.Flags == b.Flags && a.Used == b.Used && a.Updated == b.Updated
}

// TestRehearsalOfManyCopies: a long flood list is cut, and told so.
func TestRehearsalOfManyCopies(t *testing.T) {
	s := newSetting(t, &scene{})
	for i := range 100 {
		r := s.link.Remotes.Intern(RemoteKey{Addr: ip("198.51.100.1"), Port: uint16(1000 + i), VNI: 42})
		if err := s.link.FDB.Append(encap.MAC{}, r.ID, fdb.Permanent, fdb.FlagUser, 1); err != nil {
			t.Fatal(err)
		}
	}
	c := s.link.Rehearse(encap.Frame{Data: flooded}, s.net)
	if !c.Flooded || len(c.Copies) != MostCopies || c.More != 101-MostCopies {
		t.Errorf("%d copies and %d more", len(c.Copies), c.More)
	}
}
