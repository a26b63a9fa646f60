package vtep

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
)

// vlanPort is one VLAN of a trunk port as the Device of a link. It has a name, an
// administrative state and an MTU of its own, and no netdev: what concerns
// that is the trunk's. The trunk's workers read for it and its watcher tells what
// happens, so it has neither.
type vlanPort struct {
	trunk   *trunk
	vlan    atomic.Uint32
	counted int // MTU as the trunk knows it, 0: it does not; guarded by VTEP.mu

	mu   sync.Mutex // the innermost
	name string
	mtu  int
	up   bool
}

var _ Device = (*vlanPort)(nil)

// openVLAN makes the port of a link on a trunk; the caller holds v.mu.
func (v *VTEP) openVLAN(c *LinkConfig, mtu int) (*vlanPort, error) {
	t, err := v.findTrunk(c.Trunk)
	if err != nil {
		return nil, err
	}
	p := &vlanPort{trunk: t, name: c.Name, mtu: mtu}
	return p, p.free(c.VLAN)
}

// vlanPort is l's port if that is a VLAN of a trunk, else nil.
func (l *Link) vlanPort() *vlanPort {
	p, _ := l.port.(*vlanPort)
	return p
}

// free refuses a VLAN that another link has; the caller holds VTEP.mu.
func (p *vlanPort) free(vlan uint16) error {
	if o := p.trunk.links[vlan].Load(); o != nil && o.port != Device(p) {
		return fmt.Errorf("%w: VLAN %d of port %s is link %s", ErrExist, vlan, p.trunk.cfg.Name, o.cfg.Name)
	}
	return nil
}

// attach has the trunk's workers give the frames of l's VLAN to l, and no longer
// those of the one it had before. The VLAN is free, and l has its state; the caller
// holds VTEP.mu.
func (p *vlanPort) attach(l *Link) {
	vlan := l.cfg.VLAN
	p.trunk.links[vlan].Store(l)
	if before := uint16(p.vlan.Swap(uint32(vlan))); before != vlan {
		p.trunk.links[before].Store(nil) // 0 has none
	}
	p.count(l.device.MTU)
}

// count tells the trunk the MTU of its VLAN, 0 for one that goes. The caller
// holds VTEP.mu.
func (p *vlanPort) count(mtu int) {
	if p.counted == mtu {
		return
	}
	if n := p.trunk.mtus; p.counted != 0 {
		if n[p.counted]--; n[p.counted] == 0 {
			delete(n, p.counted)
		}
	}
	if p.counted = mtu; mtu != 0 {
		p.trunk.mtus[mtu]++
	}
	p.trunk.fit()
}

// Queues implements Port: those of the trunk.
func (p *vlanPort) Queues() int { return p.trunk.port.Queues() }

// ReadBatch implements Port. The trunk's workers read.
func (p *vlanPort) ReadBatch(int, []encap.Frame) (int, error) { return 0, os.ErrClosed }

// WriteBatch implements Port: the frames get the VLAN's tag.
func (p *vlanPort) WriteBatch(q int, frames []encap.Frame) (int, error) {
	vlan := uint16(p.vlan.Load())
	for i := range frames {
		frames[i].VLAN = vlan
	}
	n, err := p.trunk.port.WriteBatch(q, frames)
	for i := range frames {
		frames[i].VLAN = 0
	}
	return n, err
}

// Superframes implements Port.
func (p *vlanPort) Superframes() bool { return p.trunk.port.Superframes() }

// Offloads implements Device.
func (p *vlanPort) Offloads() tap.Offloads { return p.trunk.port.Offloads() }

// Losses implements Device: those of the trunk belong to no VLAN.
func (p *vlanPort) Losses() (tap.Losses, error) { return tap.Losses{}, nil }

// Neighbours implements Device. The trunk's netdev has those of no VLAN.
func (p *vlanPort) Neighbours() ([]tap.Neighbour, error) { return nil, nil }

// Watch implements Device: the trunk's watcher tells.
func (p *vlanPort) Watch(ctx context.Context, _ func(tap.State)) error {
	<-ctx.Done()
	return nil
}

// State implements Device. Up is both the VLAN's state and the trunk's. The caller
// holds VTEP.mu.
func (p *vlanPort) State() (tap.State, error) {
	if p.trunk.gone {
		return tap.State{}, tap.ErrGone
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.trunk.device
	s.Name, s.MTU, s.Up = p.name, p.mtu, p.up && s.Up
	return s, nil
}

// Set implements Device for what a VLAN has of its own.
func (p *vlanPort) Set(c tap.Change) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.Up != nil {
		p.up = *c.Up
	}
	if c.MTU != nil {
		p.mtu = *c.MTU
	}
	if c.Name != "" {
		p.name = c.Name
	}
	return nil
}

// Close implements Port. The trunk's workers find the link no more. The caller
// holds VTEP.mu.
func (p *vlanPort) Close() error {
	if p.counted != 0 { // it was attached
		p.trunk.links[p.vlan.Load()].Store(nil)
		p.count(0)
	}
	return nil
}
