package vtep

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// FDBAdd gives a link a new entry; ErrExist if the MAC has one.
func (v *VTEP) FDBAdd(e FDBEntry) error { return v.changeOne(VerbAdd, e) }

// FDBAppend adds one more remote to the all-zeros or a multicast MAC. A unicast MAC that has
// an entry is refused (L12 in docs/conformance.md); a remote that is there stays as it is.
func (v *VTEP) FDBAppend(e FDBEntry) error { return v.changeOne(VerbAppend, e) }

// FDBReplace gives a unicast MAC a new remote, state and flags.
func (v *VTEP) FDBReplace(e FDBEntry) error { return v.changeOne(VerbReplace, e) }

// FDBDel removes the entry of mac, or only its remote r where that is not nil. The error is
// ErrNotExist where there is none.
func (v *VTEP) FDBDel(link string, mac encap.MAC, r *Remote) error {
	e := FDBEntry{Link: link, MAC: mac}
	if r != nil {
		e.Remote = *r
	}
	return v.changeOne(VerbDel, e)
}

// changeOne makes one change, as that of the entry's owner where it has one.
func (v *VTEP) changeOne(verb FDBVerb, e FDBEntry) error {
	return v.FDBBatch(e.Owner, []FDBChange{{verb, e}})[0]
}

// WalkFDB calls fn with each entry that f selects until fn returns false: of one link after
// the other, by MAC, so that all-zeros entries come first. It takes memory for a few thousand
// addresses, however many there are, and holds no lock while fn runs. The error is ErrNoLink
// where f names a link that does not exist; fn is not called then.
func (v *VTEP) WalkFDB(f FDBFilter, fn func(*FDBEntry) bool) error {
	links, err := v.selected(f.Link)
	if err != nil {
		return err
	}
	var entry FDBEntry // one for all calls, since it escapes to fn
	for _, l := range links {
		more := true
		each := func(e *fdb.Entry) bool {
			for i, id := range e.Remotes {
				var ok bool
				if entry, ok = l.describe(e, id, e.FlagsOf(i)); ok && f.matches(&entry) {
					entry = l.short(entry)
					if more = fn(&entry); !more {
						break
					}
				}
			}
			return more
		}
		if f.MAC == nil {
			l.FDB.Walk(each)
		} else if e, ok := l.FDB.Get(*f.MAC); ok {
			each(&e)
		}
		if !more {
			break
		}
	}
	return nil
}

// FDB lists the entries that WalkFDB finds.
func (v *VTEP) FDB(f FDBFilter) ([]FDBEntry, error) {
	var all []FDBEntry
	err := v.WalkFDB(f, func(e *FDBEntry) bool {
		all = append(all, *e)
		return true
	})
	return all, err
}

// FDBGet is the entry of one MAC, with a line for each remote of a group. The error is
// ErrNotExist where there is none.
func (v *VTEP) FDBGet(link string, mac encap.MAC) ([]FDBEntry, error) {
	all, err := v.FDB(FDBFilter{Link: link, MAC: &mac})
	if err == nil && len(all) == 0 {
		err = fdbError(mac, fdb.ErrNotExist)
	}
	return all, err
}

// FDBFlush removes the entries of a link that f selects and returns how many.
// As in the kernel, the default entry of `remote` or `group` may be among them
// (vxlan_fdb_delete_bulk in drivers/net/vxlan/vxlan_core.c).
func (v *VTEP) FDBFlush(link string, f FDBFilter) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l, err := v.find(link)
	if err != nil {
		return 0, err
	}
	return l.FDB.Flush(func(e *fdb.Entry) bool {
		entry, ok := l.describe(e, e.Remotes[0], e.Flags)
		return ok && f.matches(&entry)
	}), nil
}

// matches reports whether f selects e. The caller looks at the link.
func (f *FDBFilter) matches(e *FDBEntry) bool {
	switch {
	case f.MAC != nil && *f.MAC != e.MAC,
		f.Dst.IsValid() && f.Dst.Unmap().WithZone("") != e.Remote.Addr,
		f.Port != 0 && f.Port != e.Remote.Port,
		f.VNI != nil && *f.VNI != *e.Remote.VNI,
		f.Via != "" && f.Via != e.Remote.Via,
		e.Flags&f.Flags != f.Flags,
		e.Flags&f.NotFlags != 0,
		f.Owner != "" && f.Owner != e.Owner.Name:
		return false
	}
	return len(f.States) == 0 || slices.Contains(f.States, e.State)
}

// describe is the entry e with one of its remotes, which has flags, and with the port and VNI in effect. false:
// the remote was removed.
func (l *link) describe(e *fdb.Entry, id fdb.RemoteID, flags fdb.Flags) (FDBEntry, bool) {
	r := l.Remotes.At(id)
	if r == nil {
		return FDBEntry{}, false
	}
	now := l.vtep.now()
	return FDBEntry{
		Link:    l.State.Load().Name,
		MAC:     e.MAC,
		Remote:  Remote{Addr: r.Addr.Netip(), Port: r.Port, VNI: &r.VNI, Via: l.via(r, flags)},
		State:   e.State,
		Flags:   flags.WithMark(0),
		Owner:   l.vtep.owners.of(flags.Mark()),
		Used:    ago(now, e.Used),
		Updated: ago(now, e.Updated),
	}, true
}

// short leaves out the port and VNI that are the link's own, as the kernel does when it lists
// entries (vxlan_fdb_info in drivers/net/vxlan/vxlan_core.c).
func (l *link) short(e FDBEntry) FDBEntry {
	s := l.State.Load()
	if e.Remote.Port == s.Learned.Port {
		e.Remote.Port = 0
	}
	if *e.Remote.VNI == s.Learned.VNI {
		e.Remote.VNI = nil
	}
	return e
}

// moveRemotes moves entries from the link's old port and VNI to the new ones, after `dstport`
// or `id` changed.
func (l *link) moveRemotes(was *LinkConfig, now fdb.Tick) {
	if l.first != (forward.RemoteKey{}) {
		l.first.Port, l.first.VNI = l.cfg.dstPort(), l.cfg.VNI
	}
	l.changeRemotes(now, func(key *forward.RemoteKey) {
		if key.Port == was.dstPort() {
			key.Port = l.cfg.dstPort()
		}
		if key.VNI == was.VNI {
			key.VNI = l.cfg.VNI
		}
	})
}

// changeRemotes moves each entry to the remote whose key change makes of the old one's. What
// is learned later follows the link's State.
func (l *link) changeRemotes(now fdb.Tick, change func(*forward.RemoteKey)) {
	l.Remotes.ForgetLearned()
	l.FDB.Walk(func(e *fdb.Entry) bool {
		for i, id := range e.Remotes {
			r := l.Remotes.At(id)
			if r == nil {
				continue
			}
			key := r.RemoteKey
			if change(&key); key == r.RemoteKey {
				continue
			}
			to := l.Remotes.Intern(key)
			if !fdb.IsGroup(e.MAC) {
				_ = l.FDB.Replace(e.MAC, to.ID, e.State, e.Flags, now) // fails in a full table only, and the entry has a place
				continue
			}
			if err := l.FDB.Append(e.MAC, to.ID, e.State, e.FlagsOf(i), now); err == nil || errors.Is(err, fdb.ErrExist) {
				_ = l.FDB.DeleteRemote(e.MAC, id) // fails where it was removed meanwhile
			}
		}
		return true
	})
}

// moveLearned moves what was learned behind one remote to another.
func (l *link) moveLearned(from, to fdb.RemoteID, now fdb.Tick) {
	l.FDB.Walk(func(e *fdb.Entry) bool {
		if e.State == fdb.Dynamic && e.Flags&fdb.FlagUser == 0 && !fdb.IsGroup(e.MAC) && e.Remotes[0] == from {
			_ = l.FDB.Replace(e.MAC, to, e.State, e.Flags, now) // fails in a full table only, and the entry has a place
		}
		return true
	})
}

// ago is the time from then to now, 0 where the clock of the worker that noted then is ahead.
func ago(now, then fdb.Tick) time.Duration {
	return time.Duration(max(0, int32(now-then))) * time.Second
}

// selected is the link of that name, or all links for "".
func (v *VTEP) selected(name string) ([]*link, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if name == "" {
		return v.byIndex(), nil
	}
	l, err := v.find(name)
	return []*link{l}, err
}

// remoteKey is the key of r, with the link's own port and VNI where r has none. The device
// is left to the routing table (vxlan_fdb_parse in drivers/net/vxlan/vxlan_core.c).
func (v *VTEP) remoteKey(l *link, r *Remote) (forward.RemoteKey, error) {
	addr := r.Addr.Unmap()
	key := forward.RemoteKey{Addr: encap.AddrFrom(addr), Port: l.cfg.dstPort(), VNI: l.cfg.VNI, Via: r.Via}
	if addr.IsValid() && addr.IsUnspecified() {
		key.Addr = encap.Addr{} // `dst 0.0.0.0` is no destination
	} else if addr.IsValid() && addr.Is6() != l.cfg.ipv6() {
		return key, fmt.Errorf("%w: dst %s has another address family than the underlay of %s: give an address of that family", ErrFamily, addr, l.cfg.Name)
	}
	if r.Port != 0 {
		key.Port = r.Port
	}
	if r.VNI != nil {
		if key.VNI = *r.VNI; key.VNI > encap.MaxVNI {
			return key, invalid("vni %d is out of range: 0 to %d", key.VNI, encap.MaxVNI)
		}
	}
	dev := cmp.Or(r.Via, l.cfg.deviceOf(addr))
	if dev == "" {
		if linkLocal(addr) {
			return key, invalid("dst %s is link-local: say which device with via", addr)
		}
		return key, nil
	}
	i, err := v.host.Interface(dev)
	if err != nil {
		return key, fmt.Errorf("via %s: %w", dev, err)
	}
	key.Zone = uint32(i.Index)
	return key, nil
}

// deviceOf is the device of an address without via: the link's own, of a link-local one.
func (c *LinkConfig) deviceOf(addr netip.Addr) string {
	if linkLocal(addr) || addr.Is6() && addr.IsLinkLocalMulticast() {
		return c.Dev
	}
	return ""
}

func (l *link) defaultKey(dst netip.Addr) forward.RemoteKey {
	key, err := l.vtep.remoteKey(l, &Remote{Addr: dst, Via: l.vtep.device(&l.cfg)})
	if err != nil {
		return forward.RemoteKey{}
	}
	return key
}

// setDefault puts the configured remote or group on the flood list, then takes the one before
// off: in this order, as the kernel does (vxlan_changelink in
// drivers/net/vxlan/vxlan_core.c), so that no frame finds an empty list.
func (l *link) setDefault(now fdb.Tick) error {
	var is forward.RemoteKey
	was := l.first
	if dst := l.cfg.destination(); dst.IsValid() {
		is = l.defaultKey(dst)
	}
	if is == was {
		return nil
	}
	if is != (forward.RemoteKey{}) {
		err := l.FDB.Append(encap.MAC{}, l.Remotes.Intern(is).ID, fdb.Permanent, fdb.FlagUser, now)
		if err != nil && !errors.Is(err, fdb.ErrExist) { // a user may have appended it before
			return err
		}
	}
	if r := l.Remotes.Find(was); r != nil && was != (forward.RemoteKey{}) {
		_ = l.FDB.DeleteRemote(encap.MAC{}, r.ID) // fails where a user has deleted it
	}
	l.first = is
	return nil
}

// addDefault puts a new default destination on the flood list before anything else changes,
// so that packets from there are accepted at once. It returns the remote where the list did
// not have it before.
func (l *link) addDefault(was *LinkConfig, now fdb.Tick) (*forward.Remote, error) {
	dst := l.cfg.destination()
	if !dst.IsValid() || dst == was.destination() || l.cfg.ipv6() != was.ipv6() {
		return nil, nil
	}
	key := l.defaultKey(dst)
	if key == (forward.RemoteKey{}) {
		return nil, nil // its device is not there: refresh returns that error
	}
	r := l.Remotes.Intern(key)
	switch err := l.FDB.Append(encap.MAC{}, r.ID, fdb.Permanent, fdb.FlagUser, now); {
	case errors.Is(err, fdb.ErrExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return r, nil
}

// fdbError is a refusal of the table in the kernel's words, with what to do.
func fdbError(mac encap.MAC, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fdb.ErrExist):
		return fmt.Errorf("%w: %s has an entry: change a unicast one with fdb replace, add a remote to a group with fdb append", ErrExist, mac)
	case errors.Is(err, fdb.ErrNotExist):
		return fmt.Errorf("%w: %s has no such entry", ErrNotExist, mac)
	case errors.Is(err, fdb.ErrNotGroup):
		return fmt.Errorf("%w: %s is a unicast MAC with an entry: change it with fdb replace", ErrNotSupported, mac)
	case errors.Is(err, fdb.ErrGroup):
		return fmt.Errorf("%w: %s has a list of remotes: use fdb append and fdb del ... dst", ErrNotSupported, mac)
	case errors.Is(err, fdb.ErrFull):
		return fmt.Errorf("%w: the FDB is full of entries that do not age: raise maxaddress, the link's or the daemon's", ErrFull)
	}
	return err
}
