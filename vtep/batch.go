package vtep

import (
	"errors"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// FDBVerb says what a change does.
type FDBVerb uint8

// The verbs of a change: FDBAdd, FDBAppend, FDBReplace and FDBDel.
const (
	VerbAdd FDBVerb = iota
	VerbAppend
	VerbReplace
	VerbDel
)

// FDBChange is one change of many. VerbDel removes all remotes of an entry where none is
// given.
type FDBChange struct {
	Verb  FDBVerb
	Entry FDBEntry
}

// chunk is how many changes are made before others that wait for the lock have it.
const chunk = 256

// FDBBatch makes changes in their order, as w's where w has a name, and returns what became of
// each. One that is refused keeps none of the others from being made.
func (v *VTEP) FDBBatch(w Owner, changes []FDBChange) []error {
	errs := make([]error, len(changes))
	for start := 0; start < len(changes); start += chunk {
		end := min(start+chunk, len(changes))
		v.locked(func() { v.changeChunk(w, changes[start:end], errs[start:end]) })
	}
	return errs
}

// changeChunk makes changes. The caller holds v.mu.
func (v *VTEP) changeChunk(w Owner, changes []FDBChange, errs []error) {
	for i := range changes {
		c := &changes[i]
		c.Entry.Owner = w
		if c.Verb == VerbDel {
			errs[i] = v.delEntry(&c.Entry)
		} else {
			errs[i] = v.applyEntry(&c.Entry, c.Verb)
		}
	}
}

// delEntry removes an entry, or one remote of it. The caller holds v.mu.
func (v *VTEP) delEntry(e *FDBEntry) error {
	l, err := v.find(e.Link)
	if err != nil {
		return err
	}
	owner := e.Owner.Name
	if e.Remote == (Remote{}) {
		if owner != "" && fdb.IsGroup(e.MAC) {
			return invalid("%s has a list of remotes: say which one with dst", e.MAC)
		}
		return v.drops(l, e.MAC, 0, owner, func() error { return l.FDB.Delete(e.MAC) })
	}
	key, err := v.remoteKey(l, &e.Remote)
	if err != nil {
		return err
	}
	rem := l.Remotes.Find(key)
	if rem == nil { // it may have been learned, which has no name of the device
		key.Via = ""
		rem = l.Remotes.Find(key)
	}
	if rem == nil {
		return fdbError(e.MAC, fdb.ErrNotExist)
	}
	return v.drops(l, e.MAC, rem.ID, owner, func() error { return l.FDB.DeleteRemote(e.MAC, rem.ID) })
}

// drops calls del, which removes an entry, unless the entry is not the owner's.
func (v *VTEP) drops(l *link, mac encap.MAC, r fdb.RemoteID, owner string, del func() error) error {
	if err := v.mayChange(l, owner, mac, r); err != nil {
		return fdbError(mac, fdb.ErrNotExist)
	}
	return fdbError(mac, del())
}

// applyEntry adds, appends or replaces the entry that e describes. The caller holds v.mu.
func (v *VTEP) applyEntry(e *FDBEntry, verb FDBVerb) error {
	l, err := v.find(e.Link)
	if err != nil {
		return err
	}
	key, err := v.remoteKey(l, &e.Remote)
	if err != nil {
		return err
	}
	if e.Flags&fdb.FlagNoFlood != 0 && !e.MAC.IsZero() {
		return invalid("noflood is for the all-zeros address, which has the list of remotes that frames are flooded to")
	}
	r := l.Remotes.Intern(key)
	if err := v.mayChange(l, e.Owner.Name, e.MAC, r.ID); err != nil {
		return err
	}
	mark, err := v.owners.mark(e.Owner)
	if err != nil {
		return err
	}
	if err := v.hearVia(l, &key); err != nil {
		return err
	}
	if key.Port != l.cfg.dstPort() || key.VNI != l.cfg.VNI {
		v.bypassers.foreign[l] = struct{}{}
	}
	v.setBypass(l, r)
	flags := (e.Flags | fdb.FlagUser).WithMark(mark)
	switch verb {
	case VerbAdd:
		err = l.FDB.Add(e.MAC, r.ID, e.State, flags, v.now())
	case VerbReplace:
		err = l.FDB.Replace(e.MAC, r.ID, e.State, flags, v.now())
	case VerbAppend, VerbDel:
		if err = l.FDB.Append(e.MAC, r.ID, e.State, flags, v.now()); errors.Is(err, fdb.ErrExist) {
			err = nil // as in the kernel (vxlan_fdb_append in vxlan_core.c)
		}
	}
	return fdbError(e.MAC, err)
}
