//go:build !linux

package tap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/songgao/water"

	"github.com/uvtep/uvtep/encap"
)

// maxFrame is the longest frame that is read from a device of any MTU: 64 KiB of IP
// behind an Ethernet header and two VLAN tags.
const maxFrame = 65535 + 14 + 8

// Device is an open TAP. Its methods may be called concurrently, but for
// ReadBatch of one queue.
type Device struct {
	ifce *water.Interface
	buf  []byte

	mu     sync.Mutex
	closed bool
	done   chan struct{}
}

// Open opens the TAP through water: one queue, no offload. What only Linux
// has returns errors.ErrUnsupported.
func Open(c Config) (*Device, error) {
	c, err := c.validated()
	if err != nil {
		return nil, err
	}
	if c.Queues != 1 || c.Persist || c.Owner != nil || c.Group != nil ||
		c.MAC != (encap.MAC{}) || c.MTU != 0 || c.TxQueueLen != 0 || c.GSOMaxSize != 0 || c.GSOMaxSegs != 0 {
		return nil, fmt.Errorf("tap: open %q: queues, persistence, owner, MAC, MTU, queue length and GSO limits can be set on Linux only: %w",
			c.Name, errors.ErrUnsupported)
	}
	ifce, err := water.New(waterConfig(c.Name))
	if err != nil {
		return nil, fmt.Errorf("tap: open %q: %w", c.Name, err)
	}
	return &Device{ifce: ifce, buf: make([]byte, maxFrame), done: make(chan struct{})}, nil
}

// Queues is 1.
func (d *Device) Queues() int { return 1 }

// Offload is none.
func (d *Device) Offload() Offload { return 0 }

// Offloads is nothing on this system.
func (d *Device) Offloads() Offloads { return Offloads{} }

// WriteOffload is none.
func (d *Device) WriteOffload() Offload { return 0 }

// ReadBatch blocks for one frame, valid until the next call. A closed device
// returns os.ErrClosed.
func (d *Device) ReadBatch(_ int, frames []encap.Frame) (int, error) {
	if len(frames) == 0 {
		return 0, nil
	}
	n, err := d.ifce.Read(d.buf)
	if err != nil {
		if d.isClosed() {
			return 0, os.ErrClosed
		}
		return 0, fmt.Errorf("tap: read: %w", err)
	}
	frames[0] = encap.Frame{Data: d.buf[:n:n]}
	return 1, nil
}

// WriteBatch writes the frames one by one, with partial checksums completed
// in a copy. Superframes are refused: nothing here can cut them.
func (d *Device) WriteBatch(_ int, frames []encap.Frame) (int, error) {
	var (
		n     int
		first error
	)
	for i := range frames {
		f := frames[i]
		if len(f.More) > 0 {
			first = ErrRefused
			continue
		}
		if f.Offload.Csum == encap.CsumPartial && f.Offload.Kind == encap.GSONone {
			f.Data = append([]byte(nil), f.Data...)
			if !encap.CompleteChecksum(&f) {
				first = ErrRefused
				continue
			}
		}
		if f.Offload.Kind != encap.GSONone {
			first = ErrRefused
			continue
		}
		if f.VLAN != 0 {
			f.Data = encap.AppendTagged(nil, &f)
		}
		if _, err := d.ifce.Write(f.Data); err != nil {
			if d.isClosed() {
				return n, os.ErrClosed
			}
			first = ErrRefused
			continue
		}
		n++
	}
	return n, first
}

func (d *Device) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// Close closes the device and wakes its reader. Closing it again does nothing.
func (d *Device) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	close(d.done)
	d.mu.Unlock()
	return d.ifce.Close()
}

// Losses are not known on this system.
func (d *Device) Losses() (encap.Losses, error) { return encap.Losses{}, nil }

// State is the device as package net sees it.
func (d *Device) State() (State, error) {
	name := d.ifce.Name()
	i, err := net.InterfaceByName(name)
	if err != nil {
		return State{}, fmt.Errorf("tap: %q: %w", name, err)
	}
	s := State{Name: i.Name, Index: i.Index, MTU: i.MTU, Up: i.Flags&net.FlagUp != 0, LowerUp: i.Flags&net.FlagRunning != 0}
	copy(s.MAC[:], i.HardwareAddr)
	return s, nil
}

// Neighbours returns errors.ErrUnsupported.
func (d *Device) Neighbours() ([]Neighbour, error) {
	return nil, fmt.Errorf("tap: %q: its neighbours: %w", d.ifce.Name(), errors.ErrUnsupported)
}

// Set returns errors.ErrUnsupported: change the device with the system's tools.
func (d *Device) Set(Change) error {
	return fmt.Errorf("tap: %q: change it with ifconfig or netsh: %w", d.ifce.Name(), errors.ErrUnsupported)
}

// Watch calls fn once and then waits for ctx to end, which returns nil, or for
// Close, which returns os.ErrClosed: it notices no changes.
func (d *Device) Watch(ctx context.Context, fn func(State)) error {
	s, err := d.State()
	if err != nil {
		return err
	}
	fn(s)
	select {
	case <-ctx.Done():
		return nil
	case <-d.done:
		return os.ErrClosed
	}
}

// Remove leaves the devices: closing each is all that these systems know.
func Remove([]*Device) error { return nil }
