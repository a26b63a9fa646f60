package vtep

import (
	"net/netip"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// PanicOnChange has the changes of a link's FDB panic that match, a shard's lock being
// held. It is called before frames flow.
func (v *VTEP) PanicOnChange(link string, match func(*fdb.Event) bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.links[link]
	before := l.OnChange
	l.OnChange = func(e fdb.Event) {
		before(e)
		if match(&e) {
			panic("by the test, under a shard's lock")
		}
	}
}

// SpoilRemote has a remote of a link be one too many: an FDB entry has no room for its
// number.
func (v *VTEP) SpoilRemote(link string, addr netip.Addr) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.links[link]
	l.Remotes.Intern(forward.RemoteKey{Addr: encap.AddrFrom(addr), Port: l.cfg.dstPort(), VNI: l.cfg.VNI}).ID = fdb.MaxRemoteID + 1
}
