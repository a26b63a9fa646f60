package vtep

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/fdb"
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

// ExhaustRemotes has the next remote of a link be one too many: an FDB entry has no
// room for its number.
func (v *VTEP) ExhaustRemotes(link string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.links[link].remotes
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]atomic.Pointer[remote], fdb.MaxRemoteID+2)
	old := *r.byID.Load()
	for i := range old {
		ids[i].Store(old[i].Load())
	}
	r.byID.Store(&ids)
	r.free = append(r.free, fdb.MaxRemoteID+1)
}
