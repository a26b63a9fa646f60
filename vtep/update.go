package vtep

import (
	"fmt"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
)

// UpdateLink changes a running link: edit is given a copy of its configuration
// and what it leaves there is applied. Links that are not named lose no frame.
// Updates of one link wait for each other; on an error the link is as before.
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
	l.tellLink(LinkChanged)
	return nil
}

// lockUpdate finds a link and locks its updates.
func (v *VTEP) lockUpdate(name string) (l *Link, err error) {
	for {
		v.locked(func() { l, err = v.find(name) })
		if err != nil {
			return nil, err
		}
		l.updating.Lock()
		var is *Link // by now another link may have the name
		v.locked(func() { is, err = v.find(name) })
		if is == l {
			return l, nil
		}
		l.updating.Unlock()
	}
}

// linkUpdate is a change under way of what a link has of its own; its netdev
// follows.
type linkUpdate struct {
	before, config LinkConfig
	rename         string // the netdev's new name, reserved, or ""
}

// beginUpdate gives the link what edit makes of its configuration. The caller holds
// v.mu.
func (v *VTEP) beginUpdate(l *Link, edit func(*LinkConfig) error) (u linkUpdate, err error) {
	if l.gone { // since it was found
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
	u.config.Name = u.before.Name // until the netdev has the new one
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
func (v *VTEP) nameFree(l *Link, name string) error {
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

// change gives a link its new configuration c; the caller holds v.mu.
func (v *VTEP) change(l *Link, c *LinkConfig) error {
	before := l.cfg
	c.normalise()
	if err := c.validate(); err != nil {
		return err
	}
	switch {
	case c.Queues != before.Queues:
		return invalid("queues cannot be changed: delete the link and add it again")
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
		err = l.setDefault(v.now()) // the last that can fail
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
	l.tuned = false // it may have another device now
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
	return nil
}

// applyDevice sets what the netdev itself keeps; rename is its new name or "".
func (v *VTEP) applyDevice(l *Link, before, c *LinkConfig, rename string) error {
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
		_ = v.setDevice(l, undo) // of two changes the first may have been made
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

// owned is what a netdev keeps of whose it is.
type owned struct {
	address      encap.MAC
	persist      bool
	owner, group *uint32
}

func (c *LinkConfig) owned() owned { return owned{c.Address, c.Persist, c.Owner, c.OwnerGroup} }

func (c *TrunkConfig) owned() owned { return owned{c.Address, c.Persist, c.Owner, c.OwnerGroup} }

// ownerChange adds to change what makes after of before, and to undo what takes it
// back, is being the netdev's state.
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

// equal compares what is pointed to.
func equal(a, b *uint32) bool {
	return a == b || a != nil && b != nil && *a == *b
}
