package vtep

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// AddLink makes a link: its netdev, which is down, and its sockets. On an error
// (ErrInvalid, ErrExist or the host's) it leaves nothing behind.
func (v *VTEP) AddLink(c LinkConfig) (err error) {
	c.normalise()
	if err := c.validate(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.mayAdd(c.Name); err != nil {
		return err
	}
	l := &link{vtep: v, log: v.log.With("link", c.Name, "vni", uint32(c.VNI)), cfg: c}
	l.Link = forward.NewLink(v.plane, forward.Tables{
		MaxAddresses: c.maxAddresses(), Addresses: v.limits.addresses, Remotes: v.limits.remotes, Peers: &l.filter,
	})
	l.OnChange = l.onFDB
	l.filter.remotes, l.filter.rule = l.Remotes, v.filter.Rule()
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	if err := v.attach(l); err != nil {
		l.filter.end()
		return err
	}
	if err := v.refresh(l); err != nil {
		v.dismantle(l)
		return err
	}
	l.tellLink() // before the events of its entries
	if err := l.setDefault(v.now()); err != nil {
		info := l.info()
		v.dismantle(l)
		l.tellGone(&info)
		return err
	}
	if c.Persist { // the last that may fail: a failure before leaves no netdev
		if err := l.at.set(tap.Change{Persist: &c.Persist}); err != nil {
			v.dismantle(l)
			return err
		}
	}
	v.yieldName(c.Name)
	v.enlist(l)
	v.findBypasses(l)
	v.followNeighbours(l)
	l.LearnNeighbours(c.ProxyLearn, v.limits.bindings)
	l.followLearnLocal()
	l.at.attach(l)
	v.tune(l)
	return nil
}

// attach opens the link's netdev, or takes a VLAN of a trunk port, and sets the MTU that
// fits the underlay.
func (v *VTEP) attach(l *link) error {
	v.findDevice(&l.cfg)
	mtu, source, err := v.linkMTU(&l.cfg, nil, v.routes(true))
	if err != nil {
		return err
	}
	l.mtuSource, l.derived = source, mtu
	if l.cfg.Trunk != "" {
		return v.openVLAN(l, mtu)
	}
	c := &l.cfg
	n, s, err := v.openNetdev(tap.Config{
		Name: c.Name, Index: c.Index, Queues: c.Queues, MAC: c.Address, MTU: mtu, Owner: c.Owner, Group: c.OwnerGroup,
	}, l.log)
	if err != nil {
		return err
	}
	l.attached(n, n, s)
	n.lostTo, n.read = []*forward.Counters{&l.Shards[0]}, l.FromPort
	return nil
}

// attached sets what l is attached to; s is its present state.
func (l *link) attached(n *netdev, at attachment, s tap.State) {
	l.netdev, l.at, l.device = n, at, s
	l.SetQueues(n.port.Queues())
}

// onDown forgets what was learned where the netdev was down, even if it is up again by now
// (L15 in docs/conformance.md). Where this VTEP itself set it down, onDevice has done so.
func (v *VTEP) onDown(l *link) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !l.at.ownDown() && !l.gone && l.device.Up {
		l.Forget()
	}
}

// onState follows a state that Watch reported. It may be older than the one that setDevice
// saw, so that onDevice reads the state again, unless nothing changed.
func (v *VTEP) onState(l *link, s tap.State) {
	s.Neighbours = 0 // as in l.device
	v.mu.Lock()
	news := s != l.device
	v.mu.Unlock()
	if news {
		_ = v.onDevice(l, false)
	}
}

// onDevice follows a change of the netdev. A link that goes down forgets what it learned and
// leaves its group (L15 in docs/conformance.md). own says that this VTEP made the change.
func (v *VTEP) onDevice(l *link, own bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if l.gone {
		return nil
	}
	s, err := l.at.state()
	if err != nil || s == l.device {
		return err
	}
	was := l.device
	if v.links[l.cfg.Name] == l { // AddLink has ended
		v.forgetName(l)
		v.present[s.Name] = l
	}
	l.device = s
	if !own && s.MAC != was.MAC && !l.cfg.Address.IsZero() {
		l.cfg.Address = s.MAC // udev or networkd set it, as they do shortly after a device appears
	}
	if s.Name != was.Name {
		l.tellLink() // before frames' events have the new name, which refresh publishes
	}
	_ = v.refresh(l) // everySecond tries again
	l.tellComplete()
	if was.Up && !s.Up {
		l.Forget()
	}
	l.at.changed(&was, &s, own)
	l.tellLink()
	return nil
}

// DelLink removes a link and its netdev.
func (v *VTEP) DelLink(name string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	l, err := v.find(name)
	if err != nil {
		return err
	}
	if err := l.at.unpersist(); err != nil {
		return err
	}
	v.drop(l)
	return nil
}

// drop removes the link and closes what no other link uses. The caller holds v.mu.
func (v *VTEP) drop(l *link) {
	if l.gone {
		return
	}
	v.delist(l)
	info := l.info()
	l.cfg.LearnLocal, l.cfg.EVPN = false, false
	l.followLearnLocal() // tells that the addresses are gone
	v.dismantle(l)
	v.findBypasses(l)
	l.tellGone(&info)
	l.Close()
}

// dismantle releases the link's endpoints, transmitters and port.
func (v *VTEP) dismantle(l *link) {
	l.gone = true
	v.countSameHost(l)
	v.bypassers.remove(l)
	for _, ep := range l.endpoints {
		v.leave(l, ep)
	}
	l.endpoints = nil
	for _, s := range l.senders {
		v.releaseSender(s)
	}
	v.releaseSender(l.fragments)
	l.senders, l.fragments = [2]*sender{}, nil
	l.filter.end()
	l.at.close()
}

// find is the link whose netdev has the name now, or else the link that was added with it.
func (v *VTEP) find(name string) (*link, error) {
	given := v.links[name]
	if given != nil && given.device.Name == name {
		return given, nil
	}
	if l := v.present[name]; l != nil {
		return l, nil
	}
	if given != nil {
		return given, nil
	}
	return nil, fmt.Errorf("%w: %s is no link of this daemon", ErrNoLink, name)
}

// enlist makes l a link of the VTEP, by both of its names.
func (v *VTEP) enlist(l *link) {
	v.links[l.cfg.Name], v.present[l.device.Name] = l, l
	v.bypassers.add(l)
}

// delist takes l out again.
func (v *VTEP) delist(l *link) {
	delete(v.links, l.cfg.Name)
	v.forgetName(l)
}

// forgetName forgets the present name of l's netdev, unless it is another link's by now.
func (v *VTEP) forgetName(l *link) {
	if v.present[l.device.Name] == l {
		delete(v.present, l.device.Name)
	}
}

// mayAdd refuses a name that a link or port has; the caller holds v.mu.
func (v *VTEP) mayAdd(name string) error {
	if v.closed {
		return ErrClosed
	}
	if err := v.nameOfNone(name); err != nil {
		return err
	}
	l, err := v.find(name)
	if err != nil {
		return nil
	}
	is := l.device.Name
	if is != name && v.links[is] == nil {
		return nil // yieldName will free the name
	}
	return fmt.Errorf("%w: link %s", ErrExist, name)
}

// yieldName frees a name for a new link or port: a link that was added with it, and that ip
// renamed, is known by its present name from now on. mayAdd was called before.
func (v *VTEP) yieldName(name string) {
	if l := v.links[name]; l != nil {
		delete(v.links, name)
		l.cfg.Name = l.device.Name
		v.links[l.cfg.Name] = l
	}
}

// Link describes one link.
func (v *VTEP) Link(name string) (info LinkInfo, err error) {
	v.countLossesOf(name)
	v.locked(func() {
		var l *link
		if l, err = v.find(name); err == nil {
			info = l.info()
		}
	})
	return info, err
}

// Links describes all links, by index.
func (v *VTEP) Links() []LinkInfo {
	v.countLosses(false)
	v.mu.Lock()
	defer v.mu.Unlock()
	all := make([]LinkInfo, 0, len(v.links))
	for _, l := range v.byIndex() {
		all = append(all, l.info())
	}
	return all
}

// byIndex lists the links by the index of their netdevs, then by VLAN; the caller holds v.mu.
func (v *VTEP) byIndex() []*link {
	return slices.SortedFunc(maps.Values(v.links), func(a, b *link) int {
		return cmp.Or(cmp.Compare(a.device.Index, b.device.Index), cmp.Compare(a.cfg.VLAN, b.cfg.VLAN))
	})
}

// SetLinkUp sets the netdev up or down.
func (v *VTEP) SetLinkUp(name string, up bool) error {
	v.mu.Lock()
	l, err := v.find(name)
	v.mu.Unlock()
	if err != nil {
		return err
	}
	return v.setDevice(l, tap.Change{Up: &up})
}

// setDevice changes the netdev and follows the change before it returns.
func (v *VTEP) setDevice(l *link, c tap.Change) error {
	if err := l.at.set(c); err != nil {
		return err
	}
	return v.onDevice(l, true)
}
