package vtep_test

import (
	"errors"
	"net/netip"
	"sync"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

var errRefused = errors.New("refused by the test")

// hooks is a host that refuses what a test says.
type hooks struct {
	*vteptest.Host
	mu    sync.Mutex
	rules rules
}

// let gives new rules; the zero ones refuse nothing.
func (h *hooks) let(r rules) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rules = r
}

func (h *hooks) current() rules {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rules
}

// rules are asked before what they are named after; an error refuses it.
type rules struct {
	device   func(tap.Config) error
	listen   func(underlay.ReceiverConfig) error
	transmit func(underlay.TransmitterConfig) error
	route    func(netip.Addr) error
	iface    func(string) error
	set      func(tap.Change) error
	state    func() error
	vrf      underlay.Interface // VRF and VRFIndex are eth0's, and Index where it is not 0
	noWrite  bool               // ports take no frame
	mtuOnly  bool               // devices take a new MTU, and refuse a new MAC after it
}

func (h *hooks) OpenPort(c tap.Config) (vtep.Port, vtep.Netdev, error) {
	if ask := h.current().device; ask != nil {
		if err := ask(c); err != nil {
			return nil, nil, err
		}
	}
	_, _, err := h.Host.OpenPort(c)
	d := &hookedDevice{h.Device(c.Name), h}
	return d, d, err
}

func (h *hooks) Listen(c underlay.ReceiverConfig) (vtep.Receiver, int, error) {
	if ask := h.current().listen; ask != nil {
		if err := ask(c); err != nil {
			return nil, 0, err
		}
	}
	return h.Host.Listen(c)
}

func (h *hooks) OpenTransmitter(c underlay.TransmitterConfig) (vtep.Transmitter, []uint16, error) {
	if ask := h.current().transmit; ask != nil {
		if err := ask(c); err != nil {
			return nil, nil, err
		}
	}
	return h.Host.OpenTransmitter(c)
}

func (h *hooks) RouteTo(dst netip.Addr, device string) (underlay.Route, error) {
	if ask := h.current().route; ask != nil {
		if err := ask(dst); err != nil {
			return underlay.Route{}, err
		}
	}
	return h.Host.RouteTo(dst, device)
}

func (h *hooks) Interface(name string) (underlay.Interface, error) {
	if ask := h.current().iface; ask != nil {
		if err := ask(name); err != nil {
			return underlay.Interface{}, err
		}
	}
	i, err := h.Host.Interface(name)
	own := h.current().vrf
	if i.VRF, i.VRFIndex = own.VRF, own.VRFIndex; own.Index != 0 {
		i.Index = own.Index
	}
	return i, err
}

// hookedDevice is a device of hooks.
type hookedDevice struct {
	*vteptest.Device
	hooks *hooks
}

func (d *hookedDevice) WriteBatch(q int, frames []encap.Frame) (int, error) {
	if d.hooks.current().noWrite {
		return 0, errRefused
	}
	return d.Device.WriteBatch(q, frames)
}

func (d *hookedDevice) Set(c tap.Change) error {
	if ask := d.hooks.current().set; ask != nil {
		if err := ask(c); err != nil {
			return err
		}
	}
	if s, err := d.Device.State(); err == nil && d.hooks.current().mtuOnly && c.MAC != nil && *c.MAC != s.MAC {
		c.MAC = nil
		return errors.Join(d.Device.Set(c), errRefused)
	}
	return d.Device.Set(c)
}

func (d *hookedDevice) State() (tap.State, error) {
	if ask := d.hooks.current().state; ask != nil {
		if err := ask(); err != nil {
			return tap.State{}, err
		}
	}
	return d.Device.State()
}
