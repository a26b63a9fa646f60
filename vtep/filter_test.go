package vtep

import (
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// TestPeerStaysPeer: an entry that moves between two remotes of one address leaves that address a peer all the while, so
// that none of its packets is a stranger's.
func TestPeerStaysPeer(t *testing.T) {
	f := peerFilter{peers: true} // as if there were a rule
	r := newRemotes(nil, &f)
	addr := encap.AddrFrom(netip.MustParseAddr("192.0.2.2"))
	a, b := r.intern(remoteKey{addr: addr, port: 4789}), r.intern(remoteKey{addr: addr, port: 4790})
	r.follow(fdb.Event{Kind: fdb.Added, Remote: a.id, Flags: fdb.FlagUser})
	for _, e := range []fdb.Event{
		{Kind: fdb.Moved, Old: a.id, Remote: b.id, Flags: fdb.FlagUser},
		{Kind: fdb.Updated, Old: b.id, Remote: a.id, Flags: fdb.FlagUser, OldFlags: fdb.FlagUser},
		{Kind: fdb.Updated, Old: a.id, Remote: a.id, Flags: fdb.FlagUser, OldFlags: fdb.FlagUser},
	} {
		r.follow(e)
		if n := a.peer.configured.Load(); n != 1 || len(f.gone) != 0 {
			t.Errorf("after %+v the peer is configured %d times, and was gone %d times", e, n, len(f.gone))
		}
	}
	r.follow(fdb.Event{Kind: fdb.Removed, Remote: a.id, Flags: fdb.FlagUser})
	if len(f.gone) != 1 {
		t.Error("a peer without entries is one still")
	}
}
