package lab

import (
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// WireOptions describes a cable. The zero value is a veth pair as the kernel makes it: MTU 1500, all offloads on.
type WireOptions struct {
	MTU          int             // 0: the kernel's 1500
	NameA, NameB string          // device names; empty: the first free ethN of each host
	Offload      map[string]bool // applied to both ends, see Host.SetOffload
}

// Wire is a cable between two hosts; its ends are up.
type Wire struct {
	HostA, HostB *Host
	A, B         string // device names at either end
}

// Wire joins two hosts (or one host to itself) by a veth pair and brings both ends up.
func (l *Lab) Wire(a, b *Host, o WireOptions) (*Wire, error) { return l.wire(a, b, o, "eth") }

// wire is Wire with the prefix of a's device where it is to be chosen.
func (l *Lab) wire(a, b *Host, o WireOptions, prefixA string) (*Wire, error) {
	w := &Wire{HostA: a, HostB: b, A: o.NameA, B: o.NameB}
	l.naming.Lock()
	defer l.naming.Unlock()
	var err error
	if w.A == "" {
		if w.A, err = a.freeName(prefixA, ""); err != nil {
			return nil, err
		}
	}
	if w.B == "" {
		taken := ""
		if a == b {
			taken = w.A
		}
		if w.B, err = b.freeName("eth", taken); err != nil {
			return nil, err
		}
	}
	if err := w.connect(o); err != nil {
		return nil, fmt.Errorf("lab: wire %s:%s - %s:%s: %w", a.name, w.A, b.name, w.B, err)
	}
	return w, nil
}

func (w *Wire) connect(o WireOptions) error {
	err := w.HostB.withNS(func(fd int) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = w.A, o.MTU
		v := netlink.NewVeth(attrs)
		v.PeerName, v.PeerNamespace, v.PeerMTU = w.B, netlink.NsFd(fd), uint32(o.MTU)
		return w.HostA.Netlink(func(n *netlink.Handle) error { return n.LinkAdd(v) })
	})
	if err != nil {
		if errors.Is(err, unix.EOPNOTSUPP) {
			return fmt.Errorf("%w: the kernel has no veth devices (modprobe veth): %w", ErrUnavailable, err)
		}
		return err
	}
	for _, end := range []struct {
		h   *Host
		dev string
	}{{w.HostA, w.A}, {w.HostB, w.B}} {
		if len(o.Offload) > 0 {
			if err := end.h.SetOffload(end.dev, o.Offload); err != nil {
				return err
			}
		}
		if err := end.h.SetUp(end.dev, true); err != nil {
			return err
		}
	}
	return errors.Join(w.HostA.waitRunning(w.A), w.HostB.waitRunning(w.B))
}

// waitRunning waits until the kernel has taken note, in the background (net/core/link_watch.c), that a device has a
// carrier: before that it sends nothing.
func (h *Host) waitRunning(dev string) error {
	return Eventually(5*time.Second, func() error {
		l, err := h.Link(dev)
		if err == nil && l.Attrs().OperState != netlink.OperUp {
			err = fmt.Errorf("lab: host %q: device %q is %v, not up", h.name, dev, l.Attrs().OperState)
		}
		return err
	})
}

// freeName returns the first of prefix0, prefix1, ... that is no device of the host and not the one that is taken.
func (h *Host) freeName(prefix, taken string) (string, error) {
	var links []netlink.Link
	err := h.Netlink(func(n *netlink.Handle) (err error) {
		links, err = n.LinkList()
		return err
	})
	if err != nil {
		return "", h.wrap(err)
	}
	used := map[string]bool{taken: true}
	for _, l := range links {
		used[l.Attrs().Name] = true
	}
	for i := 0; ; i++ {
		if name := fmt.Sprint(prefix, i); !used[name] {
			return name, nil
		}
	}
}

// Switch is an Ethernet switch: a bridge in a host of its own. It floods multicast to every port (no IGMP/MLD snooping).
type Switch struct {
	Host   *Host    // where the bridge "br0" lives; its ports can be captured, impaired, taken down
	Ports  []string // the switch's ports, one a host
	Devs   []string // the hosts' devices, in the order of the arguments
	bridge string
	lab    *Lab
}

// Switch joins hosts by a switch. WireOptions holds for each cable; its names are ignored.
func (l *Lab) Switch(o WireOptions, hosts ...*Host) (*Switch, error) {
	l.mu.Lock()
	l.switches++
	name := fmt.Sprint("switch", l.switches)
	l.mu.Unlock()
	host, err := l.Host(name)
	if err != nil {
		return nil, err
	}
	s := &Switch{Host: host, bridge: "br0", lab: l}
	if err := host.AddBridge(s.bridge); err != nil {
		return nil, err
	}
	for _, h := range hosts {
		if _, err := s.Connect(h, o); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Connect plugs one more host into the switch and returns the host's device.
func (s *Switch) Connect(h *Host, o WireOptions) (string, error) {
	o.NameA, o.NameB = "", ""
	w, err := s.lab.Wire(s.Host, h, o)
	if err != nil {
		return "", err
	}
	if err := s.Host.SetMaster(w.A, s.bridge); err != nil {
		return "", err
	}
	s.Ports, s.Devs = append(s.Ports, w.A), append(s.Devs, w.B)
	return w.B, nil
}

// AddBridge makes a bridge without multicast snooping and brings it up.
func (h *Host) AddBridge(name string) error {
	snooping := false
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}
	if err := h.Netlink(func(n *netlink.Handle) error { return n.LinkAdd(bridge) }); err != nil {
		return h.wrapf(err, "bridge %q", name)
	}
	return h.SetUp(name, true)
}

// SetMaster makes dev a port of a bridge (or any other master device); "" takes it out.
func (h *Host) SetMaster(dev, master string) error {
	if master == "" {
		return h.onLink(dev, "nomaster", (*netlink.Handle).LinkSetNoMaster)
	}
	m, err := h.Link(master)
	if err != nil {
		return err
	}
	return h.onLink(dev, "master "+master, func(n *netlink.Handle, l netlink.Link) error { return n.LinkSetMaster(l, m) })
}

// ContainerBridge is the bridge that Host.Container makes where the host has none of that name.
const ContainerBridge = "br0"

// Container makes a further host whose eth0 is joined to this host's bridge [ContainerBridge]; the port on this side is
// the first free vethN. MTU 0 is the kernel's 1500.
func (h *Host) Container(name string, mtu int) (*Host, error) {
	if !h.HasLink(ContainerBridge) {
		if err := h.AddBridge(ContainerBridge); err != nil {
			return nil, err
		}
	}
	c, err := h.lab.Host(name)
	if err != nil {
		return nil, err
	}
	w, err := h.lab.wire(h, c, WireOptions{NameB: "eth0", MTU: mtu}, "veth")
	if err != nil {
		return nil, err
	}
	return c, h.SetMaster(w.A, ContainerBridge)
}
