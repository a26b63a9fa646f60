package vtep

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// Owner is a controller that puts entries in, by a name of its own choice, and how often it
// has started: what it puts in again after a start has a greater Generation, one more than
// Swept.Latest. The zero value is nobody: operators and learning.
type Owner struct {
	Name       string
	Generation uint64
}

// owners number the owners that entries have, since an entry has no more than a fdb.Mark for
// its owner.
type owners struct {
	// marked are the owners by mark, nobody where a mark is not in use. The slice is
	// immutable and replaced whole, by who holds VTEP.mu.
	marked atomic.Pointer[[]Owner]
}

// of is the owner that a mark stands for.
func (o *owners) of(m fdb.Mark) Owner {
	if all := o.marked.Load(); all != nil && int(m) < len(*all) {
		return (*all)[m]
	}
	return Owner{}
}

// mark is the mark of an owner, a new one where it has none. The caller holds VTEP.mu.
func (o *owners) mark(w Owner) (fdb.Mark, error) {
	if w.Name == "" {
		return 0, nil
	}
	has := []Owner{{}} // mark 0 is nobody's
	if is := o.marked.Load(); is != nil {
		has = *is
	}
	at := len(has)
	for i := range has {
		if has[i] == w {
			return fdb.Mark(i), nil
		}
		if i > 0 && has[i].Name == "" {
			at = min(at, i)
		}
	}
	if at > int(fdb.MaxMark) {
		return 0, fmt.Errorf("%w: %d owners and generations have entries: sweep those of the past away", ErrFull, fdb.MaxMark)
	}
	all := slices.Clone(has)
	if at == len(all) {
		all = append(all, w)
	} else {
		all[at] = w
	}
	o.marked.Store(&all)
	return fdb.Mark(at), nil
}

// latest is the greatest generation of an owner's marks; 0: it has none.
func (o *owners) latest(name string) (latest uint64) {
	if all := o.marked.Load(); all != nil {
		for _, has := range *all {
			if has.Name == name {
				latest = max(latest, has.Generation)
			}
		}
	}
	return latest
}

// past are the marks of an owner's generations before w's.
func (o *owners) past(w Owner) map[fdb.Mark]bool {
	past := make(map[fdb.Mark]bool)
	if all := o.marked.Load(); all != nil {
		for i, has := range *all {
			if i > 0 && has.Name == w.Name && has.Generation < w.Generation {
				past[fdb.Mark(i)] = true
			}
		}
	}
	return past
}

// release makes marks that nothing has any more free for other owners. The caller holds
// VTEP.mu.
func (o *owners) release(marks map[fdb.Mark]bool) {
	if len(marks) == 0 {
		return
	}
	all := append([]Owner(nil), *o.marked.Load()...)
	for m := range marks {
		all[m] = Owner{}
	}
	o.marked.Store(&all)
}

// errNotOwned refuses to let an owner change what is another's.
func errNotOwned(mac encap.MAC, by Owner) error {
	if by.Name == "" {
		return fmt.Errorf("%w: %s has an entry that an operator made: delete that first", ErrExist, mac)
	}
	return fmt.Errorf("%w: %s has an entry of owner %s: sweep or delete that first", ErrExist, mac, by.Name)
}

// mayChange refuses an owner's change of an entry of an operator or of another owner. r is
// the remote of a group that is meant. The caller holds v.mu, so that nobody changes the
// entry but learning, which takes no entry from anybody.
func (v *VTEP) mayChange(l *link, owner string, mac encap.MAC, r fdb.RemoteID) error {
	if owner == "" {
		return nil
	}
	fl, known := fdb.Flags(0), false
	if !fdb.IsGroup(mac) {
		_, fl, known = l.FDB.Peek(mac)
	} else if e, ok := l.FDB.Get(mac); ok {
		for i, id := range e.Remotes {
			if id == r {
				fl, known = e.FlagsOf(i), true
			}
		}
	}
	if !known || fl&fdb.FlagUser == 0 {
		return nil
	}
	if has := v.owners.of(fl.Mark()); has.Name != owner {
		return errNotOwned(mac, has)
	}
	return nil
}

// Swept says what a sweep did.
type Swept struct {
	Entries, Neighbours int // that were removed
	// Latest is the greatest generation of the owner that something was put in with, before the
	// sweep; 0: none. What was swept away of all links does not count any more.
	Latest uint64
}

// Sweep removes the entries and neighbours of an owner whose generation is less than w's, of
// one link or, with "", of all. With generation 0 it removes none, and tells the latest
// generation.
func (v *VTEP) Sweep(w Owner, link string) (Swept, error) {
	links, err := v.selected(link)
	if err != nil {
		return Swept{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	swept, past := Swept{Latest: v.owners.latest(w.Name)}, v.owners.past(w)
	if len(past) == 0 {
		return swept, nil
	}
	for _, l := range links {
		swept.Entries += l.FDB.Flush(func(e *fdb.Entry) bool { return past[e.Flags.Mark()] })
		swept.Neighbours += l.Told.Sweep(past)
	}
	if link == "" {
		v.owners.release(past)
	}
	return swept, nil
}
