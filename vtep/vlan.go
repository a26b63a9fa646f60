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
	id      uint16 // 0: not attached yet; guarded by VTEP.mu
	counted int    // the MTU that trunk.mtus counts, 0: none; guarded by VTEP.mu

	mu   sync.Mutex // the innermost
	name string
	mtu  int
	up   bool
}

var _ attachment = (*vlan)(nil)

// openVLAN attaches l to a trunk port; the caller holds v.mu.
func (v *VTEP) openVLAN(l *link, mtu int) error {
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
func (v *VTEP) vlanFree(l *link, c *LinkConfig) error {
	t, err := v.findTrunk(c.Trunk)
	if err != nil {
		return err
	}
	return t.free(l, c.VLAN)
}

// free refuses a VLAN that another link than l has; the caller holds VTEP.mu.
func (t *trunk) free(l *link, vlan uint16) error {
	if o := t.vlans[vlan]; o != nil && o != l {
		return fmt.Errorf("%w: VLAN %d of port %s is link %s", ErrExist, vlan, t.cfg.Name, o.cfg.Name)
	}
	return nil
}

// attach assigns l's VLAN to l, and no longer the VLAN that l had before. The VLAN is free.
func (a *vlan) attach(l *link) {
	before := a.id
	a.id = l.cfg.VLAN
	a.trunk.assign(a.id, l)
	if before != 0 && before != a.id {
		a.trunk.assign(before, nil)
	}
	a.count(l.device.MTU)
}

// count tells the trunk the MTU of the VLAN, 0 when the VLAN goes. The caller holds VTEP.mu.
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

// set changes the state, MTU and name, which a VLAN has of its own.
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

// neighbours are none: the trunk's netdev has no neighbours in a VLAN.
func (a *vlan) neighbours() ([]tap.Neighbour, error) { return nil, nil }

// ownDown is false: onTrunk has asked the trunk's netdev.
func (a *vlan) ownDown() bool { return false }

// unpersist has nothing to do: the netdev is the trunk's.
func (a *vlan) unpersist() error { return nil }

// close takes the VLAN from the link.
func (a *vlan) close() {
	if a.id != 0 {
		a.trunk.assign(a.id, nil)
		a.count(0)
	}
}
