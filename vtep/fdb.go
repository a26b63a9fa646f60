package vtep

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// FDBAdd gives a link a new entry; ErrExist if the MAC has one.
func (v *VTEP) FDBAdd(e FDBEntry) error { return v.give(&e, (*fdb.Table).Add) }

// FDBAppend adds one more remote to the all-zeros or a multicast MAC; a unicast
// MAC that has an entry is refused (conformance L12). A remote that is there
// already stays as it is.
func (v *VTEP) FDBAppend(e FDBEntry) error {
	err := v.give(&e, (*fdb.Table).Append)
	if errors.Is(err, ErrExist) {
		return nil // as in the kernel (vxlan_fdb_append in vxlan_core.c)
	}
	return err
}

// FDBReplace gives a unicast MAC a new remote, state and flags.
func (v *VTEP) FDBReplace(e FDBEntry) error { return v.give(&e, (*fdb.Table).Replace) }

// give applies one of the table's methods to the entry that e describes.
func (v *VTEP) give(e *FDBEntry, apply func(*fdb.Table, encap.MAC, fdb.RemoteID, fdb.State, fdb.Flags, fdb.Tick) error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	l, err := v.find(e.Link)
	if err != nil {
		return err
	}
	key, err := v.remoteKey(l, &e.Remote)
	if err != nil {
		return err
	}
	r := l.remotes.intern(key)
	if key.port != l.cfg.dstPort() || key.vni != l.cfg.VNI {
		v.bypassers.foreign[l] = struct{}{}
	}
	v.setBypass(l, r)
	return fdbError(e.MAC, apply(l.fdb, e.MAC, r.id, e.State, e.Flags|fdb.FlagUser, v.now()))
}

// FDBDel removes the entry of mac, or only its remote r where that is not nil.
// ErrNotExist if there is none.
func (v *VTEP) FDBDel(link string, mac encap.MAC, r *Remote) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	l, err := v.find(link)
	if err != nil {
		return err
	}
	if r == nil {
		return fdbError(mac, l.fdb.Delete(mac))
	}
	key, err := v.remoteKey(l, r)
	if err != nil {
		return err
	}
	rem := l.remotes.find(key)
	if rem == nil {
		return fdbError(mac, fdb.ErrNotExist)
	}
	return fdbError(mac, l.fdb.DeleteRemote(mac, rem.id))
}

// WalkFDB calls fn with each entry that f selects until it returns false: of one link
// after the other, by MAC, so all-zeros ones first. It takes memory for a few
// thousand addresses, however many there are, and holds no lock while fn runs.
// ErrNoLink if f names a link that does not exist; fn is not called then.
func (v *VTEP) WalkFDB(f FDBFilter, fn func(*FDBEntry) bool) error {
	links, err := v.selected(f.Link)
	if err != nil {
		return err
	}
	var entry FDBEntry // one for all calls: it escapes to fn
	for _, l := range links {
		more := true
		each := func(e *fdb.Entry) bool {
			for _, id := range e.Remotes {
				var ok bool
				if entry, ok = l.describe(e, id); ok && f.matches(&entry) {
					entry = l.short(entry)
					if more = fn(&entry); !more {
						break
					}
				}
			}
			return more
		}
		if f.MAC == nil {
			l.fdb.Walk(each)
		} else if e, ok := l.fdb.Get(*f.MAC); ok {
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

// FDBGet is the entry of one MAC: several for a group. ErrNotExist if there is
// none.
func (v *VTEP) FDBGet(link string, mac encap.MAC) ([]FDBEntry, error) {
	all, err := v.FDB(FDBFilter{Link: link, MAC: &mac})
	if err == nil && len(all) == 0 {
		err = fdbError(mac, fdb.ErrNotExist)
	}
	return all, err
}

// FDBFlush removes the entries of a link that f selects and returns how many.
// As in the kernel that may be the default entry of `remote` or `group`, too
// (drivers/net/vxlan/vxlan_core.c, vxlan_fdb_delete_bulk).
func (v *VTEP) FDBFlush(link string, f FDBFilter) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l, err := v.find(link)
	if err != nil {
		return 0, err
	}
	return l.fdb.Flush(func(e *fdb.Entry) bool {
		entry, ok := l.describe(e, e.Remotes[0])
		return ok && f.matches(&entry)
	}), nil
}

// matches reports whether f selects e, but for the link.
func (f *FDBFilter) matches(e *FDBEntry) bool {
	switch {
	case f.MAC != nil && *f.MAC != e.MAC,
		f.Dst.IsValid() && f.Dst.Unmap().WithZone("") != e.Remote.Addr,
		f.Port != 0 && f.Port != e.Remote.Port,
		f.VNI != nil && *f.VNI != *e.Remote.VNI,
		f.Via != "" && f.Via != e.Remote.Via,
		e.Flags&f.Flags != f.Flags,
		e.Flags&f.NotFlags != 0:
		return false
	}
	return len(f.States) == 0 || slices.Contains(f.States, e.State)
}

// describe is the entry e with one of its remotes, port and VNI being those in
// effect.
func (l *Link) describe(e *fdb.Entry, id fdb.RemoteID) (FDBEntry, bool) {
	r := l.remotes.at(id)
	if r == nil {
		return FDBEntry{}, false
	}
	now := l.vtep.now()
	return FDBEntry{
		Link:    l.state.Load().name,
		MAC:     e.MAC,
		Remote:  Remote{Addr: r.addr.Netip(), Port: r.port, VNI: &r.vni, Via: r.via},
		State:   e.State,
		Flags:   e.Flags,
		Used:    ago(now, e.Used),
		Updated: ago(now, e.Updated),
	}, true
}

// short leaves out what is the link's own, as the kernel does when it lists
// entries (vxlan_fdb_info in drivers/net/vxlan/vxlan_core.c).
func (l *Link) short(e FDBEntry) FDBEntry {
	s := l.state.Load()
	if e.Remote.Port == s.learned.port {
		e.Remote.Port = 0
	}
	if *e.Remote.VNI == s.learned.vni {
		e.Remote.VNI = nil
	}
	return e
}

// moveRemotes gives the entries that went to the link's old default port and VNI
// the new ones, after `dstport` or `id` changed.
func (l *Link) moveRemotes(was *LinkConfig, now fdb.Tick) {
	if l.first != (remoteKey{}) {
		l.first.port, l.first.vni = l.cfg.dstPort(), l.cfg.VNI
	}
	l.changeRemotes(now, func(key *remoteKey) {
		if key.port == was.dstPort() {
			key.port = l.cfg.dstPort()
		}
		if key.vni == was.VNI {
			key.vni = l.cfg.VNI
		}
	})
}

// changeRemotes gives the entries other remotes where change says so. What is
// learned goes by the link's state.
func (l *Link) changeRemotes(now fdb.Tick, change func(*remoteKey)) {
	l.remotes.forgetLearned()
	l.fdb.Walk(func(e *fdb.Entry) bool {
		for _, id := range e.Remotes {
			r := l.remotes.at(id)
			if r == nil {
				continue
			}
			key := r.remoteKey
			if change(&key); key == r.remoteKey {
				continue
			}
			to := l.remotes.intern(key)
			if !fdb.IsGroup(e.MAC) {
				_ = l.fdb.Replace(e.MAC, to.id, e.State, e.Flags, now) // fails for a full table only, which this is not
				continue
			}
			if err := l.fdb.Append(e.MAC, to.id, e.State, e.Flags, now); err == nil || errors.Is(err, fdb.ErrExist) {
				_ = l.fdb.DeleteRemote(e.MAC, id) // a removal meanwhile is as good
			}
		}
		return true
	})
}

// moveLearned gives what was learned behind one remote to another.
func (l *Link) moveLearned(from, to fdb.RemoteID, now fdb.Tick) {
	l.fdb.Walk(func(e *fdb.Entry) bool {
		if e.State == fdb.Dynamic && e.Flags&fdb.FlagUser == 0 && !fdb.IsGroup(e.MAC) && e.Remotes[0] == from {
			_ = l.fdb.Replace(e.MAC, to, e.State, e.Flags, now) // fails for a full table only, which this is not
		}
		return true
	})
}

// ago is the time from then to now, which a worker's clock may be ahead of.
func ago(now, then fdb.Tick) time.Duration {
	return time.Duration(max(0, int32(now-then))) * time.Second
}

// selected are the link of that name, or all links for "".
func (v *VTEP) selected(name string) ([]*Link, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if name == "" {
		return v.byIndex(), nil
	}
	l, err := v.find(name)
	return []*Link{l}, err
}

// remoteKey fills in what r leaves to the link.
func (v *VTEP) remoteKey(l *Link, r *Remote) (remoteKey, error) {
	addr := r.Addr.Unmap()
	key := remoteKey{addr: encap.AddrFrom(addr), port: l.cfg.dstPort(), vni: l.cfg.VNI, via: r.Via}
	if addr.IsValid() && addr.IsUnspecified() {
		key.addr = encap.Addr{} // `dst 0.0.0.0` is no destination
	} else if addr.IsValid() && addr.Is6() != l.cfg.ipv6() {
		return key, fmt.Errorf("%w: dst %s, but the underlay of %s is of the other family", ErrFamily, addr, l.cfg.Name)
	}
	if r.Port != 0 {
		key.port = r.Port
	}
	if r.VNI != nil {
		if key.vni = *r.VNI; key.vni > encap.MaxVNI {
			return key, invalid("vni %d: a VNI is 24 bits, at most %d", key.vni, encap.MaxVNI)
		}
	}
	dev := r.Via
	if dev == "" && (addr.IsLinkLocalUnicast() || addr.IsLinkLocalMulticast()) {
		dev = l.cfg.Dev
	}
	if dev != "" {
		i, err := v.host.Interface(dev)
		if err != nil {
			return key, fmt.Errorf("via %s: %w", dev, err)
		}
		key.zone = uint32(i.Index)
	}
	return key, nil
}

func (l *Link) defaultKey(dst netip.Addr) remoteKey {
	key, err := l.vtep.remoteKey(l, &Remote{Addr: dst, Via: l.cfg.Dev})
	if err != nil {
		return remoteKey{}
	}
	return key
}

// setDefault puts the configured remote or group on the flood list, and takes
// off what was there as such before: in this order, as the kernel's
// vxlan_changelink, so that no frame finds an empty list.
func (l *Link) setDefault(now fdb.Tick) error {
	var is remoteKey
	was := l.first
	if dst := l.cfg.destination(); dst.IsValid() {
		is = l.defaultKey(dst)
	}
	if is == was {
		return nil
	}
	if is != (remoteKey{}) {
		err := l.fdb.Append(encap.MAC{}, l.remotes.intern(is).id, fdb.Permanent, fdb.FlagUser, now)
		if err != nil && !errors.Is(err, fdb.ErrExist) { // it may have been appended by hand before
			return err
		}
	}
	if r := l.remotes.find(was); r != nil && was != (remoteKey{}) {
		_ = l.fdb.DeleteRemote(encap.MAC{}, r.id) // it may have been deleted by hand
	}
	l.first = is
	return nil
}

// addDefault puts a new default destination on the flood list before anything
// else changes: packets from it are taken as soon as they are expected. It
// returns the remote where it was not there before.
func (l *Link) addDefault(was *LinkConfig, now fdb.Tick) (*remote, error) {
	dst := l.cfg.destination()
	if !dst.IsValid() || dst == was.destination() || l.cfg.ipv6() != was.ipv6() {
		return nil, nil
	}
	key := l.defaultKey(dst)
	if key == (remoteKey{}) {
		return nil, nil // its device is not there, which refresh tells of
	}
	r := l.remotes.intern(key)
	switch err := l.fdb.Append(encap.MAC{}, r.id, fdb.Permanent, fdb.FlagUser, now); {
	case errors.Is(err, fdb.ErrExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return r, nil
}

// fdbError gives the table's refusals the kernel's words and the remedy.
func fdbError(mac encap.MAC, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fdb.ErrExist):
		return fmt.Errorf("%w: %s has an entry; fdb replace changes a unicast one, fdb append adds a remote to a group", ErrExist, mac)
	case errors.Is(err, fdb.ErrNotExist):
		return fmt.Errorf("%w: %s has no such entry", ErrNotExist, mac)
	case errors.Is(err, fdb.ErrNotGroup):
		return fmt.Errorf("%w: %s is a unicast MAC with an entry; change it with fdb replace", ErrNotSupported, mac)
	case errors.Is(err, fdb.ErrGroup):
		return fmt.Errorf("%w: %s has a list of remotes; use fdb append and fdb del ... dst", ErrNotSupported, mac)
	case errors.Is(err, fdb.ErrFull):
		return fmt.Errorf("%w: the FDB is full of entries that do not age; raise maxaddress, the link's or the daemon's", ErrFull)
	}
	return err
}
