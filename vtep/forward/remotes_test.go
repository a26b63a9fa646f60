package forward

import (
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// TestPeerStaysPeer: an entry that moves between two remotes of one address leaves that address a peer all the while, so
// that none of its packets is a stranger's.
func TestPeerStaysPeer(t *testing.T) {
	var f peerLog
	r := newRemotes(nil, &f)
	addr := encap.AddrFrom(netip.MustParseAddr("192.0.2.2"))
	a, b := r.Intern(RemoteKey{Addr: addr, Port: 4789}), r.Intern(RemoteKey{Addr: addr, Port: 4790})
	r.follow(fdb.Event{Kind: fdb.Added, Remote: a.ID, Flags: fdb.FlagUser})
	for _, e := range []fdb.Event{
		{Kind: fdb.Moved, Old: a.ID, Remote: b.ID, Flags: fdb.FlagUser},
		{Kind: fdb.Updated, Old: b.ID, Remote: a.ID, Flags: fdb.FlagUser, OldFlags: fdb.FlagUser},
		{Kind: fdb.Updated, Old: a.ID, Remote: a.ID, Flags: fdb.FlagUser, OldFlags: fdb.FlagUser},
	} {
		r.follow(e)
		if n := a.peer.configured.Load(); n != 1 || len(f.left) != 0 {
			t.Errorf("after %+v the peer is configured %d times, and was gone %d times", e, n, len(f.left))
		}
	}
	r.follow(fdb.Event{Kind: fdb.Removed, Remote: a.ID, Flags: fdb.FlagUser})
	if len(f.left) != 1 {
		t.Error("a peer without entries is one still")
	}
}

// TestLearnedZone: a remote is learned with the link's device where its address says
// nothing without one, and else without.
func TestLearnedZone(t *testing.T) {
	l := newTestLink(NewPlane(1), Tables{})
	s := *l.State.Load()
	s.Learned.Zone = 5
	l.State.Store(&s)
	for from, want := range map[string]uint32{"192.0.2.77": 0, "fe80::77": 5} {
		if got := l.firstLearned(ip(from)); got == nil || got.Zone != want {
			t.Errorf("%s is learned as %+v, want zone %d", from, got, want)
		}
	}
}
