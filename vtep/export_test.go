package vtep

import "github.com/uvtep/uvtep/fdb"

// PanicOnChange has the changes of a link's FDB panic that match, a shard's lock being
// held. It is called before frames flow.
func (v *VTEP) PanicOnChange(link string, match func(*fdb.Event) bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.links[link]
	before := l.fdb
	l.fdb = fdb.New(fdb.Config{MaxAddresses: l.cfg.maxAddresses(), SameAddr: l.remotes.sameAddr, OnChange: func(e fdb.Event) {
		l.onFDB(e)
		if match(&e) {
			panic("by the test, under a shard's lock")
		}
	}})
	before.Walk(func(e *fdb.Entry) bool {
		for _, r := range e.Remotes {
			_ = l.fdb.Append(e.MAC, r, e.State, e.Flags, 0)
		}
		return true
	})
}
