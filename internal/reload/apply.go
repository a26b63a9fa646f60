package reload

import (
	"errors"
	"fmt"
	"slices"

	"github.com/uvtep/uvtep/vtep"
)

// add makes a link. It returns the link without the entries that were refused, or nothing
// where the link itself was.
func (k *Keeper) add(is *link) (done link, err error) {
	if err := k.backend.AddLink(is.config); err != nil {
		return link{}, err
	}
	return k.furnish(is)
}

// addDown is add of a link that raiseNew brings up.
func (k *Keeper) addDown(is *link) (link, error) {
	down := *is
	down.up = false
	done, err := k.add(&down)
	if is.up && done.config.Name != "" {
		k.added = append(k.added, is.config.Name)
	}
	return done, err
}

// raiseNew brings up the links that were added, once all are there: for each netdev that comes
// up, the kernel walks the IPv6 routes of all (rt6_sync_up in net/ipv6/route.c), which takes a
// third of the time if nothing else happens in between.
func (k *Keeper) raiseNew() (all error) {
	for _, name := range k.added {
		l := k.applied[name]
		err := k.backend.SetLinkUp(name, true)
		if errors.Is(err, vtep.ErrNoLink) {
			continue // a client of the API deleted it meanwhile
		}
		if err != nil {
			all = errors.Join(all, fmt.Errorf("%s: link %s: %w", l.place, name, err))
			continue
		}
		l.up = true
		k.applied[name] = l
	}
	k.added = nil
	return all
}

// furnish adds the entries of a link that was just made, before it comes up.
func (k *Keeper) furnish(is *link) (link, error) {
	done := *is
	done.entries = nil
	err := k.put(&done, is.entries)
	if is.up {
		if uperr := k.backend.SetLinkUp(is.config.Name, true); uperr != nil {
			done.up = false
			err = errors.Join(err, uperr)
		}
	}
	return done, err
}

// adopt takes over a link that the file has and a client of the API made.
func (k *Keeper) adopt(is *link) (link, error) {
	name := is.config.Name
	err := k.backend.UpdateLink(name, func(c *vtep.LinkConfig) error {
		merge(c, &vtep.LinkConfig{}, &is.config)
		return nil
	})
	if err != nil {
		return link{}, err
	}
	done := *is
	done.entries = nil
	err = k.put(&done, is.entries)
	if uperr := k.backend.SetLinkUp(name, is.up); uperr != nil {
		done.up, err = !is.up, errors.Join(err, uperr)
	}
	return done, err
}

// change changes a link from was to is, and returns the link as it is then. mayRenew allows it
// to make the link anew where a running link cannot change so.
func (k *Keeper) change(was, is *link, mayRenew bool) (link, error) {
	d := diff(was, is)
	done := *was
	done.place = is.place
	if d.empty() {
		return done, nil
	}
	name := is.config.Name
	if d.config {
		err := k.backend.UpdateLink(name, func(c *vtep.LinkConfig) error {
			merge(c, &was.config, &is.config)
			return nil
		})
		if mayRenew && errors.Is(err, vtep.ErrInvalid) { // such as another address family
			return k.renew(was, is)
		}
		if err != nil {
			return done, err
		}
		done.config = is.config
	}
	// What was put before is listed as such, so that put sees what it replaces.
	done.entries = slices.Clone(was.entries)
	err := errors.Join(k.put(&done, d.put), k.del(&done, d.del))
	if err == nil {
		done.entries = is.entries
	}
	if d.up {
		if uperr := k.backend.SetLinkUp(name, is.up); uperr != nil {
			return done, errors.Join(err, uperr)
		}
		done.up = is.up
	}
	return done, err
}

// renew makes a link anew that cannot change so while it runs. On an error it makes the old
// one again.
func (k *Keeper) renew(was, is *link) (link, error) {
	if err := k.backend.DelLink(is.config.Name); err != nil && !errors.Is(err, vtep.ErrNoLink) {
		return *was, err
	}
	done, err := k.add(is)
	if err == nil || done.config.Name != "" {
		return done, err
	}
	done, back := k.add(was)
	return done, errors.Join(err, back)
}

// put adds entries to a link, and notes them in done.
func (k *Keeper) put(done *link, entries []vtep.FDBEntry) error {
	var all error
	at := byKey(done.entries)
	for _, e := range entries {
		i, again := at[keyOf(e)]
		if err := k.putOne(&e, again); err != nil {
			all = errors.Join(all, fmt.Errorf("fdb %s: %w", e.MAC, err))
			continue
		}
		if again {
			done.entries[i] = e
		} else {
			done.entries = append(done.entries, e)
		}
	}
	return all
}

// putOne adds one entry, or replaces the file's.
func (k *Keeper) putOne(e *vtep.FDBEntry, again bool) error {
	if !isGroup(e.MAC) {
		return k.backend.FDBReplace(*e)
	}
	if again { // with another state, which appending would not change
		if err := k.delete(e); err != nil {
			return err
		}
	}
	return k.backend.FDBAppend(*e)
}

// del deletes entries, and takes them out of done.
func (k *Keeper) del(done *link, entries []vtep.FDBEntry) error {
	var all error
	gone := make(map[entryKey]bool, len(entries))
	for _, e := range entries {
		if err := k.delete(&e); err != nil {
			all = errors.Join(all, fmt.Errorf("fdb %s: %w", e.MAC, err))
			continue
		}
		gone[keyOf(e)] = true
	}
	done.entries = slices.DeleteFunc(done.entries, func(e vtep.FDBEntry) bool { return gone[keyOf(e)] })
	return all
}

// delete removes an entry, unless a client of the API has changed it.
func (k *Keeper) delete(e *vtep.FDBEntry) error {
	err := k.backend.FDBDel(e.Link, e.MAC, &e.Remote)
	if errors.Is(err, vtep.ErrNotExist) {
		return nil
	}
	return err
}
