package vtep

import (
	"fmt"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// Neighbour is an address that a link with proxy answers for because a controller said so.
type Neighbour struct {
	Link string
	IP   encap.Addr
	forward.ToldNeighbour
	Owner Owner
}

// NeighbourChange is one change of many: Neighbour is put in, only where its address has none
// for New, or its address is deleted.
type NeighbourChange struct {
	Delete, New bool
	Neighbour
}

// NeighbourBatch is FDBBatch for neighbours.
func (v *VTEP) NeighbourBatch(w Owner, changes []NeighbourChange) []error {
	errs := make([]error, len(changes))
	for start := 0; start < len(changes); start += chunk {
		end := min(start+chunk, len(changes))
		v.locked(func() {
			for i := start; i < end; i++ {
				errs[i] = v.changeNeighbour(w, &changes[i])
			}
		})
	}
	return errs
}

// changeNeighbour makes one change. The caller holds v.mu.
func (v *VTEP) changeNeighbour(w Owner, c *NeighbourChange) error {
	l, err := v.find(c.Link)
	if err != nil {
		return err
	}
	is, known := l.Told.Find(c.IP)
	foreign := known && w.Name != "" && v.owners.of(is.Mark).Name != w.Name
	if c.Delete {
		if !known || foreign {
			return fmt.Errorf("%w: %s has no neighbour %s of this owner", ErrNotExist, c.Link, c.IP)
		}
		l.Told.Delete(c.IP)
		return nil
	}
	if foreign {
		return fmt.Errorf("%w: %s is a neighbour of owner %s: sweep or delete that first", ErrExist, c.IP, v.owners.of(is.Mark).Name)
	}
	if known && c.New {
		return fmt.Errorf("%w: %s has a neighbour %s", ErrExist, c.Link, c.IP)
	}
	n := c.ToldNeighbour
	if n.Mark, err = v.owners.mark(w); err != nil {
		return err
	}
	if !l.Told.Put(c.IP, n, l.cfg.maxAddresses()) {
		return fmt.Errorf("%w: %s has as many neighbours as addresses: raise maxaddress", ErrFull, c.Link)
	}
	return nil
}

// WalkNeighbours calls fn with each neighbour that a controller put into a link, or into any
// link for "", by address, until fn returns false.
func (v *VTEP) WalkNeighbours(link string, fn func(*Neighbour) bool) error {
	links, err := v.selected(link)
	if err != nil {
		return err
	}
	for _, l := range links {
		name := l.State.Load().Name
		for _, a := range l.Told.Addresses() {
			n, ok := l.Told.Find(a)
			if ok && !fn(&Neighbour{Link: name, IP: a, ToldNeighbour: n, Owner: v.owners.of(n.Mark)}) {
				return nil
			}
		}
	}
	return nil
}
