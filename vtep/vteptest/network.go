package vteptest

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
)

// Network is an IP network in memory: every host reaches every other.
type Network struct {
	mu        sync.Mutex
	receivers []*receiver
	tap       []chan Sent
	hosts     int
}

// Sent is a packet as it crossed the network: a copy.
type Sent struct {
	encap.Packet
	Src     netip.Addr
	SrcPort uint16
	Payload []byte // VXLAN header and frame
}

// NewNetwork returns an empty network.
func NewNetwork() *Network { return &Network{} }

// Capture gives every packet that hosts send from now on.
func (n *Network) Capture() <-chan Sent {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := make(chan Sent, depth)
	n.tap = append(n.tap, c)
	return c
}

// defaultTTL is the TTL of packets that say none (net.ipv4.ip_default_ttl).
const defaultTTL = 64

// Send delivers a UDP payload as if src had sent it to dst.
func (n *Network) Send(src netip.AddrPort, dst netip.AddrPort, tos uint8, payload []byte) {
	n.deliver(src, dst, tos, defaultTTL, payload)
}

// SendTTL is Send with a TTL.
func (n *Network) SendTTL(src netip.AddrPort, dst netip.AddrPort, ttl uint8, payload []byte) {
	n.deliver(src, dst, 0, ttl, payload)
}

// deliver hands a copy to every receiver that the address and port fit: a
// group's members, else the socket of the address before the wildcard's.
func (n *Network) deliver(src, dst netip.AddrPort, tos, ttl uint8, payload []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var best *receiver
	for _, r := range n.receivers {
		switch {
		case r.cfg.Port != dst.Port() || r.cfg.V6 != dst.Addr().Is6():
		case dst.Addr().IsMulticast():
			if r.cfg.Group == dst.Addr() {
				r.take(src, tos, ttl, payload)
			}
		case r.cfg.Group.IsValid() || !r.host.owns(dst.Addr()):
		case r.cfg.Local == dst.Addr():
			best = r
		case !r.cfg.Local.IsValid() && best == nil:
			best = r
		}
	}
	if best != nil {
		best.take(src, tos, ttl, payload)
	}
}

// Host is one host of a network.
type Host struct {
	net   *Network
	addrs []netip.Addr
	id    int
	mtu   atomic.Int64
	// device is what datagrams arrive by.
	device atomic.Uint32

	mu      sync.Mutex
	devices map[string]*Device
	senders []*transmitter
	blocked []netip.Addr
	paths   map[netip.Addr]int
	over    map[netip.Addr][]underlay.Lower
	index   int
}

var _ vtep.Host = (*Host)(nil)

// Host adds a host with these addresses; the first is its source address.
func (n *Network) Host(addrs ...netip.Addr) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts++
	h := &Host{net: n, addrs: addrs, id: n.hosts, devices: make(map[string]*Device), index: 10}
	h.SetMTU(1500)
	h.ArriveBy(Eth0)
	return h
}

// Device is the netdev of that name, nil if there is none.
func (h *Host) Device(name string) *Device {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.devices[name]
}

// rename moves d to another name, or off the host for "".
func (h *Host) rename(d *Device, was, is string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.devices, was)
	if is != "" {
		h.devices[is] = d
	}
}

// Devices is how many netdevs are open.
func (h *Host) Devices() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.devices)
}

// Receivers are the configurations of the receivers that are open, oldest
// first.
func (h *Host) Receivers() []underlay.ReceiverConfig {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	var all []underlay.ReceiverConfig
	for _, r := range h.net.receivers {
		if r.host == h {
			all = append(all, r.cfg)
		}
	}
	return all
}

// Transmitters are the configurations of the transmitters that are open, in no
// order.
func (h *Host) Transmitters() []underlay.TransmitterConfig {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []underlay.TransmitterConfig
	for _, t := range h.senders {
		all = append(all, t.cfg)
	}
	return all
}

// Lose has the oldest receiver of the host lose datagrams: those that its socket had
// no room for, and those that came out of it cut.
func (h *Host) Lose(overflow, unreadable uint64) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	for _, r := range h.net.receivers {
		if r.host == h {
			r.overflow.Add(overflow)
			r.unreadable.Add(unreadable)
			return
		}
	}
}

func (h *Host) owns(a netip.Addr) bool {
	return slices.Contains(h.addrs, a)
}

// OpenPort implements vtep.Host.
func (h *Host) OpenPort(c tap.Config) (vtep.Port, vtep.Netdev, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.devices[c.Name] != nil {
		return nil, nil, tap.ErrExist
	}
	h.index++
	d := newDevice(h, c, h.index)
	h.devices[c.Name] = d
	return d, d, nil
}

// Listen implements vtep.Host.
func (h *Host) Listen(c underlay.ReceiverConfig) (vtep.Receiver, int, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	for _, r := range h.net.receivers {
		if r.host == h && r.cfg.Port == c.Port && r.cfg.V6 == c.V6 && r.cfg.Local == c.Local && r.cfg.Group == c.Group && r.cfg.Interface == c.Interface && r.cfg.Device == c.Device &&
			r.cfg.ZeroChecksum6 == c.ZeroChecksum6 && r.cfg.NoGRO == c.NoGRO {
			return nil, 0, underlay.ErrPortInUse
		}
	}
	r := &receiver{host: h, cfg: c, in: make(chan encap.Datagram, depth), closed: make(chan struct{}), drain: make(chan struct{})}
	r.ttl.Store(c.TTL)
	h.net.receivers = append(h.net.receivers, r)
	return r, 1, nil
}

// OpenTransmitter implements vtep.Host.
func (h *Host) OpenTransmitter(c underlay.TransmitterConfig) (vtep.Transmitter, []uint16, error) {
	if c.SrcPortMin == 0 {
		c.SrcPortMin, c.SrcPortMax = underlay.DefaultPortMin, underlay.DefaultPortMax
	}
	t := &transmitter{host: h, cfg: c}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.senders = append(h.senders, t)
	return t, t.ports(), nil
}

type transmitter struct {
	host   *Host
	cfg    underlay.TransmitterConfig
	mu     sync.Mutex
	closed bool
	errors []underlay.ICMPError
}

func (t *transmitter) WriteBatch(packets []encap.Packet) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		for i := range packets {
			packets[i].Result = encap.SendRefused
		}
		return net.ErrClosed
	}
	for i := range packets {
		packets[i].Result = t.send(&packets[i])
	}
	return nil
}

func (t *transmitter) PathMTU(dst encap.Addr) (mtu int, ok bool) {
	return t.host.pathMTU(dst.Netip()), true
}

func (t *transmitter) TakeErrors() []underlay.ICMPError {
	t.mu.Lock()
	defer t.mu.Unlock()
	errs := t.errors
	t.errors = nil
	return errs
}

func (t *transmitter) ports() []uint16 {
	all := make([]uint16, 0, int(t.cfg.SrcPortMax-t.cfg.SrcPortMin)+1)
	for port := int(t.cfg.SrcPortMin); port <= int(t.cfg.SrcPortMax); port++ {
		all = append(all, uint16(port))
	}
	return all
}

func (t *transmitter) Offloads() underlay.Offloads { return underlay.Offloads{Segments: 1} }

func (t *transmitter) send(p *encap.Packet) encap.SendResult {
	dst := p.Dst.Netip()
	if !dst.IsValid() || dst.Is6() != t.cfg.V6 {
		return encap.SendRefused
	}
	r, err := t.host.RouteTo(dst, "")
	if err != nil {
		return encap.SendUnreachable
	}
	if encap.OuterLen(len(p.Frame.Data), t.cfg.V6) > t.host.pathMTU(dst) && t.cfg.DF == underlay.DFSet {
		return encap.SendTooBig
	}
	src := t.cfg.Local
	if !src.IsValid() {
		src = r.Source
	}
	s := Sent{
		Packet: *p, Src: src, SrcPort: underlay.SourcePort(t.ports(), p.Hash),
		Payload: append(p.Header[:], p.Frame.Data...),
	}
	s.Frame.Data = s.Payload[encap.HeaderLen:]
	n := t.host.net
	n.mu.Lock()
	for _, c := range n.tap {
		select {
		case c <- s:
		default:
		}
	}
	n.mu.Unlock()
	n.deliver(netip.AddrPortFrom(src, s.SrcPort), netip.AddrPortFrom(dst, p.Port), p.TOS, cmp.Or(p.TTL, defaultTTL), s.Payload)
	return encap.SendOK
}

func (t *transmitter) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return net.ErrClosed
	}
	t.closed = true
	t.host.mu.Lock()
	defer t.host.mu.Unlock()
	t.host.senders = slices.DeleteFunc(t.host.senders, func(o *transmitter) bool { return o == t })
	return nil
}
