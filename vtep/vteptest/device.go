package vteptest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
)

// depth is how many frames or datagrams a queue in memory holds; more are lost,
// as in a real one.
const depth = 4096

// Device is a netdev in memory, and its port.
type Device struct {
	host   *Host
	queues []chan encap.Frame // from the host's stack to the VTEP
	out    chan encap.Frame   // from the VTEP to the host's stack
	closed chan struct{}
	gone   chan struct{}

	mu         sync.Mutex
	neighbours []tap.Neighbour
	state      tap.State
	changes    uint64 // of neighbours
	losses     encap.Losses
	isGone     bool
	isClosed   bool
	watchers   map[chan struct{}]struct{}
}

var (
	_ vtep.Port   = (*Device)(nil)
	_ vtep.Netdev = (*Device)(nil)
)

func newDevice(h *Host, c tap.Config, index int) *Device {
	d := &Device{
		host:     h,
		out:      make(chan encap.Frame, depth),
		closed:   make(chan struct{}),
		gone:     make(chan struct{}),
		state:    tap.State{Name: c.Name, Index: index, MAC: c.MAC, MTU: c.MTU, LowerUp: true},
		watchers: make(map[chan struct{}]struct{}),
	}
	for range max(c.Queues, 1) {
		d.queues = append(d.queues, make(chan encap.Frame, depth))
	}
	if c.MTU == 0 {
		d.state.MTU = 1500
	}
	if c.MAC.IsZero() {
		d.state.MAC = encap.MAC{0x06, byte(h.id >> 8), byte(h.id), 0, byte(index >> 8), byte(index)}
	}
	return d
}

// Inject hands a copy of a frame to the VTEP, as the host's stack does. It
// reports false where the device is down or its queue full.
func (d *Device) Inject(f encap.Frame) bool { return d.InjectTo(0, f) }

// InjectTo is Inject through queue q.
func (d *Device) InjectTo(q int, f encap.Frame) bool {
	if s, err := d.State(); err != nil || !s.Up {
		return false
	}
	f.Data = bytes.Clone(f.Data)
	select {
	case d.queues[q] <- f:
		return true
	default:
		d.mu.Lock()
		defer d.mu.Unlock()
		d.losses.Overflow++
		return false
	}
}

// Lose has the device lose frames: those that a queue had no room for, and those
// that were no frame when they were read.
func (d *Device) Lose(overflow, unreadable uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.losses.Overflow += overflow
	d.losses.Unreadable += unreadable
}

// Output gives the frames that the VTEP wrote, oldest first; they are copies.
func (d *Device) Output() <-chan encap.Frame { return d.out }

// Delete removes the netdev behind the VTEP's back, as `ip link del` does.
func (d *Device) Delete() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.isGone {
		d.isGone = true
		close(d.gone)
	}
}

// Queues implements vtep.Port.
func (d *Device) Queues() int { return len(d.queues) }

// ReadBatch implements vtep.Port.
func (d *Device) ReadBatch(q int, frames []encap.Frame) (int, error) {
	select {
	case <-d.closed:
		return 0, os.ErrClosed
	default:
	}
	if len(frames) == 0 {
		return 0, nil
	}
	select {
	case f := <-d.queues[q]:
		frames[0] = f
	case <-d.closed:
		return 0, os.ErrClosed
	case <-d.gone:
		return 0, tap.ErrGone
	}
	n := 1
	for n < len(frames) {
		select {
		case frames[n] = <-d.queues[q]:
			n++
		default:
			return n, nil
		}
	}
	return n, nil
}

// WriteBatch implements vtep.Port.
func (d *Device) WriteBatch(_ int, frames []encap.Frame) (int, error) {
	switch s, err := d.State(); {
	case err != nil:
		return 0, err
	case !s.Up:
		return 0, tap.ErrDown
	}
	taken := 0
	for _, f := range frames {
		f.Data, f.VLAN = encap.AppendTagged(nil, &f), 0
		select {
		case d.out <- f:
			taken++
		default:
		}
	}
	return taken, nil
}

// Offloads implements vtep.Netdev.
func (d *Device) Offloads() tap.Offloads { return tap.Offloads{} }

// Losses implements vtep.Port.
func (d *Device) Losses() (encap.Losses, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.losses, d.usable()
}

// Close implements vtep.Port.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.isClosed {
		d.isClosed = true
		close(d.closed)
		d.host.rename(d, d.state.Name, "")
	}
	return nil
}

// State implements vtep.Netdev.
func (d *Device) State() (tap.State, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state, d.usable()
}

// usable is nil unless the device is closed or gone; the caller holds d.mu.
func (d *Device) usable() error {
	switch {
	case d.isClosed:
		return os.ErrClosed
	case d.isGone:
		return tap.ErrGone
	}
	return nil
}

// Set implements vtep.Netdev.
func (d *Device) Set(c tap.Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(); err != nil {
		return err
	}
	if c.MTU != nil && *c.MTU < 68 {
		return fmt.Errorf("mtu %d is too small", *c.MTU)
	}
	if c.Up != nil {
		d.state.Up = *c.Up
	}
	if c.MAC != nil {
		d.state.MAC = *c.MAC
	}
	if c.MTU != nil {
		d.state.MTU = *c.MTU
	}
	if c.Name != "" {
		d.host.rename(d, d.state.Name, c.Name)
		d.state.Name = c.Name
	}
	for w := range d.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
	return nil
}

// SetNeighbours changes the neighbour table, as `ip neigh` does.
func (d *Device) SetNeighbours(n ...tap.Neighbour) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.neighbours = n
	d.changes++
	for w := range d.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// Neighbours implements vtep.Netdev.
func (d *Device) Neighbours() ([]tap.Neighbour, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.neighbours, d.usable()
}

// Watch implements vtep.Netdev.
func (d *Device) Watch(ctx context.Context, fn func(tap.State)) error {
	changed := make(chan struct{}, 1)
	d.mu.Lock()
	d.watchers[changed] = struct{}{}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.watchers, changed)
		d.mu.Unlock()
	}()
	for {
		s, err := d.State()
		if err != nil {
			return err
		}
		d.mu.Lock()
		s.Neighbours = d.changes
		d.mu.Unlock()
		fn(s)
		select {
		case <-changed:
		case <-d.gone:
			return tap.ErrGone
		case <-d.closed:
			return os.ErrClosed
		case <-ctx.Done():
			return nil
		}
	}
}
