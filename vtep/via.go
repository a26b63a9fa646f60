package vtep

import (
	"fmt"
	"slices"

	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// Devices that entries name with `via`. The kernel's entry keeps an interface index, and
// leads nowhere once that is gone; here it follows the name.

// hearVia has l remember the device that key names, and hear what comes to its link-local
// address by it, as it does by its own: a peer that is reached by a device answers by it.
// The caller holds v.mu, and l has a remote for key.
func (v *VTEP) hearVia(l *link, key *forward.RemoteKey) error {
	if key.Via == "" || l.vias[key.Via] == key.Zone {
		return nil
	}
	if l.vias == nil {
		l.vias = make(map[string]uint32)
	}
	l.vias[key.Via] = key.Zone
	if !linkLocal(l.cfg.Local) {
		return nil
	}
	if err := v.refresh(l); err != nil {
		delete(l.vias, key.Via)
		l.retry = true
		return fmt.Errorf("via %s: %w", key.Via, err)
	}
	return nil
}

// viaDevices are the indexes of the devices, but for its own, that a link with a
// link-local address hears by.
func (l *link) viaDevices(own int) (all []int) {
	if !linkLocal(l.cfg.Local) {
		return nil
	}
	for _, index := range l.vias {
		if int(index) != own {
			all = append(all, int(index))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// followVias has entries use a device that was made again under the name that they
// give; index finds it, 0 where it is gone. The caller holds v.mu.
func (l *link) followVias(index func(name string) int) {
	for name, was := range l.vias {
		is := uint32(index(name))
		if is == 0 || is == was {
			continue
		}
		l.log.Info("the device of an entry is another one now", "via", name, "index", is)
		l.vias[name] = is
		l.moveDev(name, was, is)
		l.retry = l.retry || linkLocal(l.cfg.Local)
	}
}

// forgetVias forgets the devices that no entry names any more. The caller holds v.mu.
func (l *link) forgetVias() {
	if len(l.vias) == 0 {
		return
	}
	named := make(map[string]bool)
	l.Remotes.Each(func(r *forward.Remote) { named[r.Via] = true })
	for name := range l.vias {
		if !named[name] {
			delete(l.vias, name)
			l.retry = l.retry || linkLocal(l.cfg.Local)
		}
	}
}

// via is the name of the device that r was given for an entry with flags. What was learned
// has an index alone.
func (l *link) via(r *forward.Remote, flags fdb.Flags) string {
	if r.Via == "" && r.Zone != 0 && flags&fdb.FlagUser == 0 {
		if o := l.vtep.seen.Load(); o != nil {
			return o.Devices[r.Zone].Name
		}
	}
	return r.Via
}
