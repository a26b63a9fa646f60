package vtep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/tap"
)

// AddLink makes the link's netdev, which is down, and its sockets.
// It returns ErrInvalid, ErrExist or what the host refused; then nothing is
// left behind.
func (v *VTEP) AddLink(c LinkConfig) (err error) {
	c.normalise()
	if err := c.validate(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return ErrClosed
	}
	if err := v.nameToAdd(c.Name); err != nil {
		return err
	}
	l := &Link{vtep: v, log: v.log.With("link", c.Name), cfg: c, remotes: newRemotes(v.limits.remotes)}
	l.remotes.filter.rule = v.filter.Rule()
	l.fdb = fdb.New(fdb.Config{MaxAddresses: c.maxAddresses(), Budget: v.limits.addresses, OnChange: l.onFDB, SameAddr: l.remotes.sameAddr})
	defer func() {
		if err != nil {
			l.closeTables()
		}
	}()
	if err := v.openPort(l); err != nil {
		l.remotes.filter.rule.Close()
		return err
	}
	if err := v.refresh(l); err != nil {
		v.dismantle(l)
		return err
	}
	l.tellLink(LinkChanged) // before its entries
	if err := l.setDefault(v.now()); err != nil {
		info := l.info()
		v.dismantle(l)
		l.tellGone(&info)
		return err
	}
	if c.Persist { // last of all, so that a failure leaves no netdev
		if err := l.port.Set(tap.Change{Persist: &c.Persist}); err != nil {
			v.dismantle(l)
			return err
		}
	}
	v.yieldName(c.Name)
	v.enlist(l)
	v.findBypasses(l)
	v.followNeighbours(l)
	l.followBindings()
	v.startLink(l)
	v.tune(l)
	return nil
}

// openPort creates the netdev with the MTU that fits its underlay.
func (v *VTEP) openPort(l *Link) error {
	mtu, source, err := v.linkMTU(&l.cfg, nil, v.routes(true))
	if err != nil {
		return err
	}
	l.mtuSource, l.derived = source, mtu
	if l.port, err = v.openDevice(&l.cfg, mtu); err != nil {
		return err
	}
	l.shards = make([]counters, l.port.Queues()+v.workers)
	if l.device, err = l.port.State(); err != nil {
		return errors.Join(err, l.port.Close())
	}
	v.atHome(l.device)
	return nil
}

// atHome notes in which namespace the VTEP's netdevs are made.
func (v *VTEP) atHome(first tap.State) {
	if v.home == 0 {
		v.home = first.Namespace
	}
}

// openDevice creates the netdev, or takes the VLAN of a trunk port.
func (v *VTEP) openDevice(c *LinkConfig, mtu int) (Device, error) {
	if c.Trunk != "" {
		return v.openVLAN(c, mtu)
	}
	return v.openTAP(tap.Config{
		Name: c.Name, Queues: c.Queues, MAC: c.Address, MTU: mtu, Owner: c.Owner, Group: c.OwnerGroup,
	})
}

// openTAP creates a netdev with what all of a VTEP's have.
func (v *VTEP) openTAP(c tap.Config) (Device, error) {
	c.Queues = max(c.Queues, 1)
	c.TxQueueLen, c.GSOMaxSize, c.GSOMaxSegs = TxQueueLen, superframeSize(c.MTU), encap.MaxSegments
	c.Offload, c.NoWriteOffload = v.off.tap()
	c.Spin = v.spin
	return v.host.OpenDevice(c)
}

// startLink starts the link's workers and follows its netdev.
func (v *VTEP) startLink(l *Link) {
	if p := l.vlanPort(); p != nil { // the trunk's workers and watcher are there
		l.stopWatch = func() {}
		p.attach(l)
		return
	}
	for q := range l.port.Queues() {
		v.spawnWorker(l.log, "a port's worker", func() { (&portWorker{link: l, queue: q, c: &l.shards[q]}).run() })
	}
	var was tap.State
	l.stopWatch = v.watch(l.port, l.log, func(s tap.State, wentDown bool) {
		neighbours := s.Neighbours != was.Neighbours
		was.Neighbours = s.Neighbours
		if s != was { // neighbours of a busy host come and go all the time
			was = s
			if wentDown {
				v.onDown(l)
			}
			v.onTold(l, s)
		}
		if neighbours && l.state.Load().proxy {
			v.onNeighbours(l)
		}
	}, func() { v.drop(l) })
}

// watch follows a netdev until it is told to stop. gone is called where the netdev was
// deleted, with v.mu held.
func (v *VTEP) watch(d Device, log *slog.Logger, changed func(s tap.State, wentDown bool), gone func()) context.CancelFunc {
	ctx, cancel := context.WithCancel(context.Background())
	v.spawnWorker(log, "the watch of a netdev", func() {
		for {
			up := false
			err := d.Watch(ctx, func(s tap.State) {
				changed(s, up && !s.Up)
				up = s.Up
			})
			switch {
			case err == nil, errors.Is(err, os.ErrClosed), ctx.Err() != nil: // told to stop, whatever became of the device
				return
			case errors.Is(err, tap.ErrGone):
				log.Info("the netdev was deleted, forgetting it")
				v.locked(gone)
				return
			}
			log.Error("following the netdev failed, trying again", "err", err)
			if !v.pause(time.Second) {
				return
			}
		}
	})
	return cancel
}

// onDown forgets what was learned where the netdev was down for so short a time
// that it is up again by now (conformance L15). What setDevice did itself is no
// news.
func (v *VTEP) onDown(l *Link) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case l.ownDowns > 0:
		l.ownDowns--
	case !l.gone && l.device.Up:
		l.flushDynamic()
	}
}

// onTold follows what Watch tells. That may be older than what setDevice saw, so
// onDevice looks again, but for what is no news.
func (v *VTEP) onTold(l *Link, s tap.State) {
	s.Neighbours = 0 // as State has it
	v.mu.Lock()
	news := s != l.device
	v.mu.Unlock()
	if news {
		_ = v.onDevice(l, false)
	}
}

// onDevice follows a change of the netdev: down flushes what was learned and
// leaves the group (conformance L15). own says that this VTEP made the change.
func (v *VTEP) onDevice(l *Link, own bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if l.gone {
		return nil
	}
	s, err := l.port.State()
	if err != nil || s == l.device {
		return err
	}
	wasUp := l.device.Up
	if v.links[l.cfg.Name] == l { // it is complete
		v.forgetName(l)
		v.present[s.Name] = l
	}
	l.device = s
	_ = v.refresh(l) // it is tried again
	l.tellComplete()
	if wasUp && !s.Up {
		l.flushDynamic()
		if own && l.vlanPort() == nil {
			l.ownDowns++
		}
	}
	if p := l.vlanPort(); p != nil {
		p.count(s.MTU)
	}
	l.tellLink(LinkChanged)
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
	if err := unpersist(l.port); err != nil {
		return err
	}
	v.drop(l)
	return nil
}

// unpersist has a netdev go when d is closed. One that was there before may be
// persistent whatever the configuration says; one that is gone need not go.
func unpersist(d Device) error {
	if err := d.Set(tap.Change{Persist: new(false)}); err != nil && !errors.Is(err, tap.ErrGone) {
		return err
	}
	return nil
}

// drop forgets the link and closes what only it uses.
func (v *VTEP) drop(l *Link) {
	if l.gone {
		return
	}
	v.delist(l)
	l.stopWatch()
	info := l.info()
	v.dismantle(l)
	v.findBypasses(l)
	l.tellGone(&info)
	l.closeTables()
}

// dismantle gives back the link's endpoints, transmitters and port.
func (v *VTEP) dismantle(l *Link) {
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
	l.remotes.endFilter()
	if err := l.port.Close(); err != nil {
		l.log.Warn("closing the port failed", "err", err)
	}
}

// find looks a link up by its netdev's present name, or the one it was given.
func (v *VTEP) find(name string) (*Link, error) {
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
func (v *VTEP) enlist(l *Link) {
	v.links[l.cfg.Name], v.present[l.device.Name] = l, l
	v.bypassers.add(l)
}

// delist is enlist's undoing.
func (v *VTEP) delist(l *Link) {
	delete(v.links, l.cfg.Name)
	v.forgetName(l)
}

// forgetName forgets the name of l's netdev, which another may have by now.
func (v *VTEP) forgetName(l *Link) {
	if v.present[l.device.Name] == l {
		delete(v.present, l.device.Name)
	}
}

// nameToAdd refuses the name of what is there; the caller holds v.mu.
func (v *VTEP) nameToAdd(name string) error {
	if err := v.nameOfNone(name); err != nil {
		return err
	}
	l, err := v.find(name)
	if err != nil {
		return nil
	}
	is := l.device.Name
	if is != name && v.links[is] == nil {
		return nil // it will yield the name
	}
	return fmt.Errorf("%w: link %s", ErrExist, name)
}

// yieldName has a link that ip renamed give up the name that it was added
// with, which is another's now; nameToAdd has said that it can.
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
		var l *Link
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

// byIndex lists the links in the order of their netdevs, and of their VLANs; the caller holds v.mu.
func (v *VTEP) byIndex() []*Link {
	return slices.SortedFunc(maps.Values(v.links), func(a, b *Link) int {
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
func (v *VTEP) setDevice(l *Link, c tap.Change) error {
	if err := l.port.Set(c); err != nil {
		return err
	}
	return v.onDevice(l, true)
}
