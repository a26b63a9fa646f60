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
	for from, want := range map[string]uint32{"192.0.2.77": 0, "fe80::77": 5} {
		if got := l.firstLearned(&arrived{src: ip(from), device: 5}); got == nil || got.Zone != want {
			t.Errorf("%s is learned as %+v, want zone %d", from, got, want)
		}
	}
}

// counted notes how often an address became a peer, and was one no more.
type counted struct{ came, left int }

func (c *counted) Came(encap.Addr) { c.came++ }
func (c *counted) Left(encap.Addr) { c.left++ }

// TestPeersAreTold: an address is told to be a peer when the first user's entry names
// it, and to be none when the last is gone; what is learned makes nobody one.
func TestPeersAreTold(t *testing.T) {
	var c counted
	r := newRemotes(nil, &c)
	addr := ip("192.0.2.2")
	a, b := r.Intern(RemoteKey{Addr: addr, Port: 4789}), r.Intern(RemoteKey{Addr: addr, Port: 4790})
	zero, mac := encap.MAC{}, encap.MAC{2, 7}
	for i, tt := range []struct {
		e                fdb.Event
		came, left, refs int
	}{
		{fdb.Event{Kind: fdb.Added, MAC: mac, Remote: a.ID}, 0, 0, 0},
		{fdb.Event{Kind: fdb.Updated, MAC: mac, Old: a.ID, Remote: a.ID, Flags: fdb.FlagUser}, 1, 0, 1}, // a user takes over what was learned
		{fdb.Event{Kind: fdb.Added, MAC: zero, Remote: b.ID, Flags: fdb.FlagUser}, 1, 0, 2},
		{fdb.Event{Kind: fdb.Updated, MAC: zero, Old: b.ID, Remote: b.ID, Flags: fdb.FlagUser}, 1, 0, 2}, // its state
		{fdb.Event{Kind: fdb.Removed, MAC: zero, Remote: b.ID, Flags: fdb.FlagUser}, 1, 0, 1},
		{fdb.Event{Kind: fdb.Removed, MAC: mac, Remote: a.ID, Flags: fdb.FlagUser}, 1, 1, 0},
		{fdb.Event{Kind: fdb.Added, MAC: mac, Remote: a.ID}, 1, 1, 0},
		{fdb.Event{Kind: fdb.Removed, MAC: mac, Remote: a.ID}, 1, 1, 0},
		{fdb.Event{Kind: fdb.Added, MAC: mac, Remote: 9999, Flags: fdb.FlagUser}, 1, 1, 0}, // given up
	} {
		if r.follow(tt.e); c.came != tt.came || c.left != tt.left || int(a.peer.configured.Load()) != tt.refs {
			t.Errorf("event %d: %+v, configured %d times, want %+v", i, c, a.peer.configured.Load(), tt)
		}
	}
}

// TestRemotesAreGivenUp: an unused remote is found by its number for two sweeps, and by
// its key for one; then its number means nobody, and its share of the pool is back.
func TestRemotesAreGivenUp(t *testing.T) {
	pool := fdb.NewBudget(100)
	r := newRemotes(pool, unwatched{})
	var last RemoteKey
	for i := range ownRemotes + 1 {
		last = RemoteKey{Addr: ip("192.0.2.2"), Port: uint16(1 + i)}
		if r.learned(last, 0) == nil {
			t.Fatal("none is made")
		}
	}
	rem := r.Find(last)
	for sweep, want := range []struct{ found, there bool }{{true, true}, {false, true}, {false, false}} {
		r.sweep()
		if found, there := r.Find(last) != nil, r.At(rem.ID) != nil; found != want.found || there != want.there {
			t.Errorf("sweep %d: found %v, there %v, want %v", sweep, found, there, want)
		}
	}
	if n := pool.Used(); n != 0 {
		t.Errorf("%d of the pool are in use", n)
	}
	kept := r.Intern(last)
	if r.At(9999) != nil || r.sameAddr(kept.ID, 9999) || r.sameAddr(9999, kept.ID) || !r.sameAddr(kept.ID, kept.ID) {
		t.Error("a number that nobody has is somebody's")
	}
}

// TestLinkLocalPeers: one link-local address behind two devices is two hosts', of which
// one may be a peer and the other not; another address is its host's by whatever device.
func TestLinkLocalPeers(t *testing.T) {
	r := newRemotes(nil, unwatched{})
	near, far := r.Intern(RemoteKey{Addr: ip("fe80::2"), Zone: 3}), r.Intern(RemoteKey{Addr: ip("fe80::2"), Zone: 4})
	global := r.Intern(RemoteKey{Addr: ip("2001:db8::2"), Zone: 3})
	if near.peer == far.peer || r.sameAddr(near.ID, far.ID) {
		t.Error("fe80::2 by device 3 is taken for fe80::2 by device 4")
	}
	r.count(far.ID, 1, 1)
	for _, tt := range []struct {
		addr   string
		device uint32
		want   *Peer
	}{{"fe80::2", 3, near.peer}, {"fe80::2", 4, far.peer}, {"fe80::2", 5, nil}, {"2001:db8::2", 3, global.peer}, {"2001:db8::2", 9, global.peer}} {
		if got := r.peers.lookup(ip(tt.addr), tt.device); got != tt.want {
			t.Errorf("%s by device %d is %v, want %v", tt.addr, tt.device, got, tt.want)
		}
	}
	if p := r.Peer(ip("fe80::2")); p != far.peer || near.peer.IsPeer() {
		t.Errorf("of the two the peer is %v", p)
	}
}
