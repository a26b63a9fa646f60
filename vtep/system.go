package vtep

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"

	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/underlay/tunnelgso"
	"github.com/uvtep/uvtep/underlay/txring"
)

// SystemHost is this machine: TAP devices and UDP sockets of the network
// namespace that the process is in. The zero value is ready.
type SystemHost struct {
	// Tunnel is the way by which TCP superframes leave whole; nil: they leave in pieces by the sockets alone.
	Tunnel *tunnelgso.Way
	// Rings are the rings by which copies leave; nil: they leave by the sockets alone.
	Rings *txring.Rings

	buffers underlay.Buffers // of all receivers: one that waits holds none

	mu        sync.Mutex
	receivers []*systemReceiver
	inherited Descriptors
	refused   error // why what was inherited was not used
}

var (
	_ Host       = (*SystemHost)(nil)
	_ FilterHost = (*SystemHost)(nil)
	_ Remover    = (*SystemHost)(nil)
	_ Inheritor  = (*SystemHost)(nil)
	_ Follower   = (*SystemHost)(nil)
)

// NewFilter makes a filter in the kernel.
func (h *SystemHost) NewFilter() (*underlay.Filter, error) { return underlay.NewFilter() }

// Inherit has the TAPs and sockets of a VTEP before be used where they fit.
func (h *SystemHost) Inherit(d Descriptors) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inherited = d
}

// Disinherit closes what OpenPort and Listen have not used.
func (h *SystemHost) Disinherit() (unused []string, refused error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	unused = slices.Sorted(maps.Keys(h.inherited))
	refused, h.refused = errors.Join(h.refused, h.inherited.Close()), nil
	return unused, refused
}

// take are the descriptors of a name, which are the caller's from then on. The caller holds h.mu.
func (h *SystemHost) take(name string) []*os.File {
	files := h.inherited[name]
	delete(h.inherited, name)
	return files
}

// refuse notes why inherited descriptors were not used.
func (h *SystemHost) refuse(name string, err error) {
	h.refused = errors.Join(h.refused, fmt.Errorf("%s: %w", name, err))
}

// OpenPort creates a TAP, or takes over the one that it inherited.
func (h *SystemHost) OpenPort(c tap.Config) (Port, Netdev, error) {
	h.mu.Lock()
	c.Inherited = h.take(portName(c.Name))
	h.mu.Unlock()
	d, err := tap.Open(c)
	if err != nil && len(c.Inherited) > 0 {
		h.mu.Lock()
		h.refuse(portName(c.Name), err)
		h.mu.Unlock()
		c.Inherited = nil
		d, err = tap.Open(c)
	}
	if err != nil {
		return nil, nil, err
	}
	return d, d, nil
}

// RemoveNetdevs deletes the netdevs of TAPs that this host opened.
func (h *SystemHost) RemoveNetdevs(ports []Port) error {
	var taps []*tap.Device
	for _, p := range ports {
		if t, ok := p.(*tap.Device); ok {
			taps = append(taps, t)
		}
	}
	return tap.Remove(taps)
}

// Listen opens receive sockets beside those of the same port that the host
// opened before: the wildcard's, an address's, a group's.
func (h *SystemHost) Listen(c underlay.ReceiverConfig) (Receiver, int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.receivers {
		if r.port == c.Port && r.v6 == c.V6 {
			c.Beside = append(c.Beside, r.Receiver)
		}
	}
	c.Buffers = &h.buffers
	c.Inherited = h.take(socketName(&c))
	r, err := underlay.Listen(c)
	if err != nil && len(c.Inherited) > 0 {
		h.refuse(socketName(&c), err)
		c.Inherited = nil
		r, err = underlay.Listen(c)
	}
	if err != nil {
		return nil, 0, err
	}
	s := &systemReceiver{Receiver: r, host: h, port: c.Port, v6: c.V6}
	h.receivers = append(h.receivers, s)
	return s, r.Workers(), nil
}

// OpenTransmitter opens a pool of transmit sockets.
func (h *SystemHost) OpenTransmitter(c underlay.TransmitterConfig) (Transmitter, []uint16, error) {
	t, err := underlay.OpenTransmitter(c)
	if err != nil {
		return nil, nil, err
	}
	ports := t.Ports()
	var tx Transmitter = t
	if h.Tunnel != nil {
		tx = h.Tunnel.Transmitter(t, &c)
	}
	if h.Rings != nil { // before it, since they leave superframes to what is behind
		tx = h.Rings.Transmitter(tx, ports, &c)
	}
	return tx, ports, nil
}

// Followers keep what is known of the ways to remotes true.
func (h *SystemHost) Followers() []func(done <-chan struct{}) {
	var all []func(<-chan struct{})
	if h.Tunnel != nil {
		all = append(all, h.Tunnel.Follow)
	}
	if h.Rings != nil {
		all = append(all, h.Rings.Follow)
	}
	return all
}

// RouteTo asks the kernel for the route to dst.
func (h *SystemHost) RouteTo(dst netip.Addr, device string) (underlay.Route, error) {
	return underlay.RouteTo(dst, device)
}

// Interface asks the kernel for the interface of that name.
func (h *SystemHost) Interface(name string) (underlay.Interface, error) {
	return underlay.InterfaceByName(name)
}

// Origins asks the kernel for what is behind the devices, and for the host's addresses.
func (h *SystemHost) Origins(known map[uint32]underlay.Device) (underlay.Origins, error) {
	return underlay.FindOrigins(known)
}

// systemReceiver removes itself from its host's list when it is closed.
type systemReceiver struct {
	*underlay.Receiver
	host *SystemHost
	port uint16
	v6   bool
}

// OpenAside opens one more socket beside those of the same port.
func (r *systemReceiver) OpenAside() error {
	r.host.mu.Lock()
	defer r.host.mu.Unlock()
	var beside []*underlay.Receiver
	for _, o := range r.host.receivers {
		if o != r && o.port == r.port && o.v6 == r.v6 {
			beside = append(beside, o.Receiver)
		}
	}
	return r.Receiver.OpenAside(beside)
}

// Close removes the receiver from the host's list first, so that no socket is bound beside a
// closed one.
func (r *systemReceiver) Close() error {
	r.host.mu.Lock()
	r.host.receivers = slices.DeleteFunc(r.host.receivers, func(o *systemReceiver) bool { return o == r })
	r.host.mu.Unlock()
	return r.Receiver.Close()
}
