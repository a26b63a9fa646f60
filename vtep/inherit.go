package vtep

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"runtime"

	"github.com/uvtep/uvtep/underlay"
)

// A VTEP can be followed by another one, mostly of another process, that loses no frame in between: the first stops
// reading and leaves its ports' queues and its sockets open (Release), the second takes them over (Inheritor) and reads
// on (Start). What arrives meanwhile waits in the kernel, as far as the queues have room
// (docs/decisions/0013-restart.md).

// Descriptors are open queues and sockets, by what they are of.
type Descriptors map[string][]*os.File

// Close closes all of them. Netdevs that no other descriptor holds, and that are not persistent, go.
func (d Descriptors) Close() error {
	var err error
	for _, files := range d {
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
	}
	clear(d)
	return err
}

// Inheritor is a Host that opens ports and receivers from the descriptors of a VTEP before.
type Inheritor interface {
	// Inherit takes d over. OpenPort and Listen use what is theirs of it.
	Inherit(d Descriptors)
	// Disinherit closes what was not used, and says what that was of, and why what there was could not be used.
	Disinherit() (unused []string, refused error)
}

// portName and socketName are the names of descriptors. They hold no colon, space or control character, as systemd
// wants it (FDNAME in sd_notify(3)).
func portName(name string) string { return "tap." + url.QueryEscape(name) }

func socketName(c *underlay.ReceiverConfig) string {
	addr := c.Local
	if c.Group.IsValid() {
		addr = c.Group
	}
	if !addr.IsValid() {
		if addr = netip.IPv4Unspecified(); c.V6 {
			addr = netip.IPv6Unspecified()
		}
	}
	return fmt.Sprintf("udp.%d.%s.%d.%s", c.Port, url.QueryEscape(addr.String()), c.Interface, url.QueryEscape(c.Device))
}

// held waits for Start, and reports false where the VTEP is closed before.
func (v *VTEP) held() bool {
	select {
	case <-v.started:
		return true
	case <-v.done:
		return false
	}
}

// Start has a VTEP forward whose Config says Hold. Inherited sockets have the filter of this VTEP from here on.
func (v *VTEP) Start() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.holding {
		v.holding = false
		for _, ep := range v.endpoints {
			ep.arm()
		}
		close(v.started)
	}
}

// arm gives inherited sockets the filter of ep.
func (ep *endpoint) arm() {
	if r, ok := ep.receiver.(ArmedReceiver); ok {
		if err := r.Arm(); err != nil {
			ep.vtep.log.Warn("the kernel judges packets by the filter of the process before", "port", ep.key.port, "err", err)
		}
	}
}

// Release ends the VTEP as Close does, but leaves its netdevs and sockets open, as the descriptors that it returns.
// Frames that arrive from here on wait for who reads those. It returns when all workers have ended: what they had read
// is forwarded.
func (v *VTEP) Release() (Descriptors, error) {
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return nil, ErrClosed
	}
	v.closed = true
	close(v.done)
	err := v.stopReading()
	v.mu.Unlock()
	v.work.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	d := make(Descriptors)
	for name, part := range v.heritables() {
		files, perr := part.Descriptors()
		if err = errors.Join(err, perr); perr == nil {
			d[name] = files
		}
	}
	v.closeReleased()
	return d, err
}

// stopReading ends the reads of all ports and endpoints.
func (v *VTEP) stopReading() (err error) {
	for n := range v.netdevs {
		n.stopWatch()
	}
	for _, part := range v.heritables() {
		err = errors.Join(err, part.Stop())
	}
	return err
}

// heritables are the ports and receivers that can be left to another VTEP, by the names of their descriptors. The caller
// holds v.mu.
func (v *VTEP) heritables() map[string]Heritable {
	all := make(map[string]Heritable)
	add := func(name string, part any) {
		if h, ok := part.(Heritable); ok {
			all[name] = h
		}
	}
	for name, t := range v.trunks {
		add(portName(name), t.port)
	}
	for name, l := range v.links {
		if l.cfg.Trunk == "" {
			add(portName(name), l.netdev.port)
		}
	}
	for _, ep := range v.endpoints {
		add(ep.name, ep.receiver)
	}
	return all
}

// closeReleased closes what this VTEP had of what it left. The filter stays as it is in the kernel. The caller holds v.mu.
func (v *VTEP) closeReleased() {
	for n := range v.netdevs {
		n.closePort()
	}
	for _, ep := range v.endpoints {
		if err := ep.receiver.Close(); err != nil {
			v.log.Warn("closing an underlay socket failed", "err", err)
		}
		if err := ep.gate.Release(); err != nil {
			v.log.Warn("closing the filter of an underlay socket failed", "err", err)
		}
	}
	for _, s := range v.senders {
		s.close(v.log)
	}
	if v.asides > 0 { // see noteAside
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) - 1)
	}
	for _, l := range v.links {
		l.gone, l.endpoints, l.senders, l.fragments = true, nil, [2]*sender{}, nil
	}
	clear(v.netdevs)
	clear(v.trunks)
	clear(v.links)
	clear(v.present)
	clear(v.endpoints)
	clear(v.senders)
	v.bypassers = newBypassers()
}
