package vtep

import (
	"fmt"
	"maps"
	"slices"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// TrunkConfig describes a trunk port. The zero value of each field but Name
// means its default.
type TrunkConfig struct {
	Name    string
	MTU     int       // of the netdev; 0: the least of its links', which are derived
	Address encap.MAC // of the netdev; zero: random
	Queues  int       // one worker each; 0: 1

	// Persist, Owner and OwnerGroup are as in LinkConfig.
	Persist           bool
	Owner, OwnerGroup *uint32
}

// TrunkInfo is a trunk port at present.
type TrunkInfo struct {
	Config    TrunkConfig
	tap.State                               // of the netdev
	VLANs     []TrunkVLAN                   // by VLAN id
	Drops     map[forward.DropReason]uint64 // of frames whose VLAN was not known yet, without zeros; VTEP.Stats has them, too
}

// TrunkVLAN is a VLAN of a trunk port and the link that has it.
type TrunkVLAN struct {
	VLAN uint16
	VNI  encap.VNI
	Link string
}

// trunk is a netdev whose frames carry VLAN tags. Each VLAN is the port of a link, which
// maps the VLAN to a VNI; the tag is taken off before encapsulation (RFC 7348 section 6).
// So a link costs neither a netdev nor a worker.
type trunk struct {
	*netdev
	*forward.Trunk

	// The rest is guarded by VTEP.mu.
	cfg      TrunkConfig
	device   tap.State
	vlans    map[uint16]*link
	mtus     map[int]int // number of links by MTU
	overflow condition
	gone     bool
}

// AddTrunk makes a trunk port: a netdev, which is down, without VLANs. Links that name it in
// LinkConfig.Trunk have its VLANs. The error is ErrInvalid, ErrExist or the host's.
func (v *VTEP) AddTrunk(c TrunkConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.mayAdd(c.Name); err != nil {
		return err
	}
	tc := tap.Config{Name: c.Name, Queues: c.Queues, MAC: c.Address, MTU: c.MTU, Owner: c.Owner, Group: c.OwnerGroup, Persist: c.Persist}
	if tc.MTU == 0 {
		tc.MTU = DefaultMTU // until there are links
	}
	n, s, err := v.openNetdev(tc, v.log.With("port", c.Name))
	if err != nil {
		return err
	}
	t := &trunk{
		netdev: n, Trunk: forward.NewTrunk(n.port.Queues()), device: s, cfg: c,
		vlans: make(map[uint16]*link), mtus: make(map[int]int),
	}
	n.lostTo = []*forward.Counters{&v.plane.Counters[0], &t.Nobody[0]}
	v.yieldName(c.Name)
	v.trunks[c.Name] = t
	v.startTrunk(t)
	return nil
}

// Validate reports why a configuration is impossible, as far as the host need not be asked.
func (c *TrunkConfig) Validate() error {
	l := LinkConfig{Name: c.Name, MTU: c.MTU, Address: c.Address, Queues: c.Queues}
	return l.validate()
}

// startTrunk starts the workers of t and follows its netdev.
func (v *VTEP) startTrunk(t *trunk) {
	for q := range t.port.Queues() {
		v.spawnWorker(t.log, "a trunk port's worker", func() {
			v.readPort(t.netdev, q, forward.NewTrunkWorker(v.plane, t.Trunk, q).Forward)
		})
	}
	t.watch(func(_ tap.State, wentDown bool) { v.onTrunk(t, wentDown) }, func() {
		v.tellLost(t.cfg.Name)
		for _, l := range t.users() {
			v.tellLost(l.cfg.Name)
		}
		v.dropTrunk(t)
	})
}

// onTrunk follows a change of the netdev. wentDown says that it was down, perhaps for a moment.
func (v *VTEP) onTrunk(t *trunk, wentDown bool) {
	v.mu.Lock()
	s, err := t.dev.State()
	if err != nil || t.gone {
		v.mu.Unlock()
		return
	}
	t.device = s
	wentDown = wentDown && !t.ownDown() // after its own down the links have forgotten already
	links := t.users()
	v.mu.Unlock()
	for _, l := range links {
		if wentDown {
			v.onDown(l)
		}
		_ = v.onDevice(l, false)
	}
}

// users are the links of t; the caller holds v.mu.
func (t *trunk) users() []*link {
	all := make([]*link, 0, len(t.vlans))
	for _, vlan := range slices.Sorted(maps.Keys(t.vlans)) {
		all = append(all, t.vlans[vlan])
	}
	return all
}

// assign assigns a VLAN to l; nil: to no link. The caller holds v.mu.
func (t *trunk) assign(vlan uint16, l *link) {
	if l == nil {
		delete(t.vlans, vlan)
		t.SetVLAN(vlan, nil)
		return
	}
	t.vlans[vlan] = l
	t.SetVLAN(vlan, l.Link)
}

// fit sets the netdev's MTU to the least of its links', unless the configuration has one. The
// caller holds v.mu.
func (t *trunk) fit() {
	mtu := 0
	for n := range t.mtus {
		if mtu == 0 || n < mtu {
			mtu = n
		}
	}
	if t.cfg.MTU != 0 || mtu == 0 || mtu == t.device.MTU || t.gone {
		return
	}
	if err := t.dev.Set(mtuChange(mtu)); err != nil {
		t.log.Warn("the MTU that fits its links could not be set", "mtu", mtu, "err", err)
		return
	}
	t.device.MTU = mtu
}

// UpdateTrunk changes a trunk port: edit changes a copy of its configuration, which is then
// applied. On an error the port is as before. Its name and queues cannot change.
func (v *VTEP) UpdateTrunk(name string, edit func(*TrunkConfig) error) error {
	var t *trunk
	var err error
	v.locked(func() {
		if t, err = v.findTrunk(name); err == nil {
			err = t.update(edit)
		}
	})
	if err == nil {
		v.onTrunk(t, false)
	}
	return err
}

// update is UpdateTrunk of t; the caller holds v.mu.
func (t *trunk) update(edit func(*TrunkConfig) error) error {
	c := t.cfg
	if err := edit(&c); err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return err
	}
	if c.Name != t.cfg.Name || c.Queues != t.cfg.Queues {
		return invalid("name and queues of a port cannot be changed: delete it and add it again")
	}
	var change, undo tap.Change
	if c.MTU != t.cfg.MTU && c.MTU != 0 {
		change = mtuChange(c.MTU)
		undo.MTU, undo.GSOMaxSize = &t.device.MTU, &t.device.GSOMaxSize
	}
	ownerChange(&change, &undo, &t.device, t.cfg.owned(), c.owned())
	if change != (tap.Change{}) {
		if err := t.dev.Set(change); err != nil {
			_ = t.dev.Set(undo) // some of the changes may have been made
			return err
		}
	}
	t.cfg = c
	t.fit() // for a configuration without an MTU
	return nil
}

// SetTrunkUp sets the netdev up or down.
func (v *VTEP) SetTrunkUp(name string, up bool) error {
	v.mu.Lock()
	t, err := v.findTrunk(name)
	v.mu.Unlock()
	if err != nil {
		return err
	}
	if err := t.dev.Set(tap.Change{Up: &up}); err != nil {
		return err
	}
	if !up {
		v.locked(func() {
			if t.device.Up {
				t.ownDowns++
			}
		})
	}
	v.onTrunk(t, false) // the watch reports the down
	return nil
}

// DelTrunk removes a trunk port and its netdev; ErrInvalid while it has links.
func (v *VTEP) DelTrunk(name string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	t, err := v.findTrunk(name)
	if err != nil {
		return err
	}
	if n := len(t.users()); n > 0 {
		return invalid("port %s is the port of %d links: delete those first", name, n)
	}
	if err := t.unpersist(); err != nil {
		return err
	}
	v.dropTrunk(t)
	return nil
}

// dropTrunk removes t and its links. The caller holds v.mu.
func (v *VTEP) dropTrunk(t *trunk) {
	if t.gone {
		return
	}
	t.gone = true
	delete(v.trunks, t.cfg.Name)
	for _, l := range t.users() {
		v.drop(l)
	}
	t.close()
}

func (v *VTEP) findTrunk(name string) (*trunk, error) {
	if t := v.trunks[name]; t != nil {
		return t, nil
	}
	for _, t := range v.trunks {
		if t.device.Name == name {
			return t, nil
		}
	}
	return nil, fmt.Errorf("%w: %s is no port of this daemon", ErrNoPort, name)
}

// Trunks describes all trunk ports, by index.
func (v *VTEP) Trunks() []TrunkInfo {
	v.countLosses(false)
	v.mu.Lock()
	defer v.mu.Unlock()
	all := make([]TrunkInfo, 0, len(v.trunks))
	for _, t := range slices.SortedFunc(maps.Values(v.trunks), func(a, b *trunk) int { return a.device.Index - b.device.Index }) {
		i := TrunkInfo{Config: t.cfg, State: t.device, Drops: forward.Sum(t.Nobody).Drops}
		for _, l := range t.users() {
			i.VLANs = append(i.VLANs, TrunkVLAN{VLAN: l.cfg.VLAN, VNI: l.cfg.VNI, Link: l.device.Name})
		}
		all = append(all, i)
	}
	return all
}
