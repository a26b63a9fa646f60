package vtep

import (
	"fmt"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
)

// UpdateLink changes a running link: edit changes a copy of its configuration, which is then
// applied. Other links lose no frame. Updates of one link wait for each other. On an error
// the link is as before.
func (v *VTEP) UpdateLink(name string, edit func(*LinkConfig) error) error {
	l, err := v.lockUpdate(name)
	if err != nil {
		return err
	}
	defer l.updating.Unlock()
	var u linkUpdate
	v.locked(func() { u, err = v.beginUpdate(l, edit) })
	if err != nil {
		return err
	}
	err = v.applyDevice(l, &u.before, &u.config, u.rename)
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.reserved, u.rename)
	if l.gone {
		return err
	}
	if err != nil {
		if undo := v.change(l, &u.before); undo != nil {
			l.log.Error("going back to the configuration before failed", "err", undo)
		}
		return err
	}
	l.tellLink()
	return nil
}

// lockUpdate finds a link and locks its updates.
func (v *VTEP) lockUpdate(name string) (l *link, err error) {
	for {
		v.locked(func() { l, err = v.find(name) })
		if err != nil {
			return nil, err
		}
		l.updating.Lock()
		var is *link // another link may have the name by now
		v.locked(func() { is, err = v.find(name) })
		if is == l {
			return l, nil
		}
		l.updating.Unlock()
	}
}

// linkUpdate is an update under way: the link has its new configuration, and the netdev is
// changed next.
type linkUpdate struct {
	before, config LinkConfig
	rename         string // the netdev's new name, reserved, or ""
}

// beginUpdate gives the link the configuration that edit makes. The caller holds v.mu.
func (v *VTEP) beginUpdate(l *link, edit func(*LinkConfig) error) (u linkUpdate, err error) {
	if l.gone { // it was removed meanwhile
		return u, fmt.Errorf("%w: %s is no link of this daemon", ErrNoLink, l.device.Name)
	}
	u.before, u.config = l.cfg, l.cfg
	u.config.Name = l.device.Name // ip may have renamed it
	if err := edit(&u.config); err != nil {
		return u, err
	}
	if u.config.Name != l.device.Name {
		u.rename = u.config.Name
	}
	u.config.Name = u.before.Name // until the netdev has the new name
	if u.rename != "" {
		if err := v.nameFree(l, u.rename); err != nil {
			return u, err
		}
	}
	if err := v.change(l, &u.config); err != nil {
		return u, err
	}
	if u.rename != "" {
		v.reserved[u.rename] = true
	}
	return u, nil
}

// nameFree refuses a name that another link has; the caller holds v.mu.
func (v *VTEP) nameFree(l *link, name string) error {
	if o, err := v.find(name); err == nil && o != l {
		return fmt.Errorf("%w: link %s", ErrExist, name)
	}
	return v.nameOfNone(name)
}

// nameOfNone refuses a name that a port has or that an update is about to give to a
// link; the caller holds v.mu.
func (v *VTEP) nameOfNone(name string) error {
	if v.trunks[name] != nil {
		return fmt.Errorf("%w: port %s", ErrExist, name)
	}
	if v.reserved[name] {
		return fmt.Errorf("%w: another link is being renamed to %s", ErrExist, name)
	}
	return nil
}

// change gives a link the configuration c. On an error the link is as before. The caller
// holds v.mu.
func (v *VTEP) change(l *link, c *LinkConfig) error {
	before := l.cfg
	c.normalise()
	if err := c.validate(); err != nil {
		return err
	}
	switch {
	case c.Queues != before.Queues:
		return invalid("queues cannot be changed: delete the link and add it again")
	case c.Index != before.Index:
		return invalid("index cannot be changed: delete the link and add it again")
	case c.Trunk != before.Trunk:
		return invalid("trunk cannot be changed: delete the link and add it again")
	case c.ipv6() != before.ipv6() && l.FDB.Len() > 0:
		return invalid("the link has remotes of the other address family: delete them first")
	}
	if c.VLAN != before.VLAN {
		if err := v.vlanFree(l, c); err != nil {
			return err
		}
	}
	l.cfg = *c
	early, err := l.addDefault(&before, v.now())
	if err == nil {
		err = v.refresh(l)
	}
	if err == nil {
		err = l.setDefault(v.now()) // the last that may fail
	}
	if err != nil {
		l.cfg = before
		if early != nil {
			_ = l.FDB.DeleteRemote(encap.MAC{}, early.ID)
		}
		if undo := v.refresh(l); undo != nil {
			l.log.Error("going back to the configuration before failed", "err", undo)
		}
		return err
	}
	if c.VLAN != before.VLAN {
		l.at.attach(l)
	}
	l.tuned = false // its underlay device may be another one now
	v.tune(l)
	l.FDB.SetMaxAddresses(c.maxAddresses())
	if c.dstPort() != before.dstPort() || c.VNI != before.VNI {
		l.moveRemotes(&before, v.now())
	}
	if c.VNI != before.VNI {
		for _, o := range v.bypassers.renumber(l) {
			v.ownBypasses(o)
		}
	}
	v.findBypasses(l)
	if c.Proxy != before.Proxy {
		v.followNeighbours(l)
	}
	l.LearnNeighbours(c.ProxyLearn, v.limits.bindings)
	l.followLearnLocal()
	return nil
}

// applyDevice changes the netdev as c differs from before; rename is its new name or "".
func (v *VTEP) applyDevice(l *link, before, c *LinkConfig, rename string) error {
	var change, undo tap.Change
	v.mu.Lock()
	was, source := l.device, l.mtuSource
	v.mu.Unlock()
	if c.MTU != before.MTU || (c.MTU == 0 && (c.Dev != before.Dev || c.destination() != before.destination())) {
		mtu, from, err := v.linkMTU(c, l.floodAddrs(), v.routes(false))
		if err != nil {
			return err
		}
		change, source = mtuChange(mtu), from
		undo.MTU, undo.GSOMaxSize = &was.MTU, &was.GSOMaxSize
	}
	ownerChange(&change, &undo, &was, before.owned(), c.owned())
	if rename != "" {
		change.Name, undo.Name = rename, was.Name
	}
	if change == (tap.Change{}) {
		return nil
	}
	if err := v.setDevice(l, change); err != nil {
		_ = v.setDevice(l, undo) // some of the changes may have been made
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	l.mtuSource = source
	if change.MTU != nil {
		l.derived = *change.MTU
	}
	if rename != "" && !l.gone {
		delete(v.links, l.cfg.Name)
		l.cfg.Name = rename
		v.links[rename] = l
	}
	return nil
}

// owned is what links and trunk ports alike configure of their netdevs.
type owned struct {
	address      encap.MAC
	persist      bool
	owner, group *uint32
}

func (c *LinkConfig) owned() owned { return owned{c.Address, c.Persist, c.Owner, c.OwnerGroup} }

func (c *TrunkConfig) owned() owned { return owned{c.Address, c.Persist, c.Owner, c.OwnerGroup} }

// ownerChange adds to change what differs between before and after, and to undo what takes
// that back; is is the netdev's state.
func ownerChange(change, undo *tap.Change, is *tap.State, before, after owned) {
	if after.address != before.address && !after.address.IsZero() {
		change.MAC, undo.MAC = &after.address, &is.MAC
	}
	if after.persist != before.persist {
		change.Persist, undo.Persist = &after.persist, &before.persist
	}
	if !equal(after.owner, before.owner) {
		change.Owner, undo.Owner = after.owner, before.owner
	}
	if !equal(after.group, before.group) {
		change.Group, undo.Group = after.group, before.group
	}
}

// equal compares the numbers that a and b point to.
func equal(a, b *uint32) bool {
	return a == b || a != nil && b != nil && *a == *b
}
