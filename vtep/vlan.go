package vtep

import (
	"fmt"
	"sync"

	"github.com/uvtep/uvtep/tap"
)

// vlan is a link's attachment to a trunk port: one VLAN of it. It has a name, an
// administrative state and an MTU of its own; the netdev, its port and its workers are
// the trunk's.
type vlan struct {
	trunk   *trunk
	id      uint16 // 0: not attached yet; guarded by VTEP.mu, as the next
	counted int    // MTU as the trunk knows it, 0: it does not

	mu   sync.Mutex // the innermost
	name string
	mtu  int
	up   bool
}

var _ attachment = (*vlan)(nil)

// openVLAN attaches l to a trunk port; the caller holds v.mu.
func (v *VTEP) openVLAN(l *Link, mtu int) error {
	t, err := v.findTrunk(l.cfg.Trunk)
	if err != nil {
		return err
	}
	if err := t.free(l, l.cfg.VLAN); err != nil {
		return err
	}
	a := &vlan{trunk: t, name: l.cfg.Name, mtu: mtu}
	s, err := a.state()
	l.attached(t.netdev, a, s)
	return err
}

// vlanFree refuses the VLAN of c where another link than l has it. The caller holds v.mu.
func (v *VTEP) vlanFree(l *Link, c *LinkConfig) error {
	t, err := v.findTrunk(c.Trunk)
	if err != nil {
		return err
	}
	return t.free(l, c.VLAN)
}

// free refuses a VLAN that another link than l has; the caller holds VTEP.mu.
func (t *trunk) free(l *Link, vlan uint16) error {
	if o := t.vlans[vlan]; o != nil && o != l {
		return fmt.Errorf("%w: VLAN %d of port %s is link %s", ErrExist, vlan, t.cfg.Name, o.cfg.Name)
	}
	return nil
}

// attach has the trunk's workers give the frames of l's VLAN to l, and no longer
// those of the one it had before. The VLAN is free.
func (a *vlan) attach(l *Link) {
	before := a.id
	a.id = l.cfg.VLAN
	a.trunk.give(a.id, l)
	if before != 0 && before != a.id {
		a.trunk.give(before, nil)
	}
	a.count(l.device.MTU)
}

// count tells the trunk the MTU of its VLAN, 0 for one that goes. The caller
// holds VTEP.mu.
func (a *vlan) count(mtu int) {
	if a.counted == mtu {
		return
	}
	if n := a.trunk.mtus; a.counted != 0 {
		if n[a.counted]--; n[a.counted] == 0 {
			delete(n, a.counted)
		}
	}
	if a.counted = mtu; mtu != 0 {
		a.trunk.mtus[mtu]++
	}
	a.trunk.fit()
}

// state is up where both the VLAN and the trunk are.
func (a *vlan) state() (tap.State, error) {
	if a.trunk.gone {
		return tap.State{}, tap.ErrGone
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.trunk.device
	s.Name, s.MTU, s.Up = a.name, a.mtu, a.up && s.Up
	return s, nil
}

// set changes what a VLAN has of its own.
func (a *vlan) set(c tap.Change) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.Up != nil {
		a.up = *c.Up
	}
	if c.MTU != nil {
		a.mtu = *c.MTU
	}
	if c.Name != "" {
		a.name = c.Name
	}
	return nil
}

func (a *vlan) changed(_, is *tap.State, _ bool) { a.count(is.MTU) }

// neighbours are none: the trunk's netdev has those of no VLAN.
func (a *vlan) neighbours() ([]tap.Neighbour, error) { return nil, nil }

// ownDown is nothing to ask here: the trunk has seen to it.
func (a *vlan) ownDown() bool { return false }

// unpersist has nothing to do: the netdev is the trunk's.
func (a *vlan) unpersist() error { return nil }

// close has the trunk's workers find the link no more.
func (a *vlan) close() {
	if a.id != 0 {
		a.trunk.give(a.id, nil)
		a.count(0)
	}
}
