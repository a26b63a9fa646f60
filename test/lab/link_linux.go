package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Link returns the device dev of the host: its index, MAC, MTU, flags and statistics stand in Attrs().
func (h *Host) Link(dev string) (l netlink.Link, err error) {
	err = h.onLink(dev, "", func(_ *netlink.Handle, found netlink.Link) error {
		l = found
		return nil
	})
	return l, err
}

// HasLink reports whether the host has a device of that name.
func (h *Host) HasLink(dev string) bool {
	_, err := h.Link(dev)
	return err == nil
}

// onLink looks dev up, applies f to it and names what failed. f must not call methods of h.
func (h *Host) onLink(dev, what string, f func(*netlink.Handle, netlink.Link) error) error {
	return h.Netlink(func(n *netlink.Handle) error {
		l, err := n.LinkByName(dev)
		if err != nil {
			return fmt.Errorf("lab: host %q: device %q: %w", h.name, dev, err)
		}
		if err := f(n, l); err != nil {
			return fmt.Errorf("lab: host %q: device %q: %s: %w", h.name, dev, what, err)
		}
		return nil
	})
}

// SetUp brings a device up or down.
func (h *Host) SetUp(dev string, up bool) error {
	if up {
		return h.onLink(dev, "up", (*netlink.Handle).LinkSetUp)
	}
	return h.onLink(dev, "down", (*netlink.Handle).LinkSetDown)
}

// SetMTU sets a device's MTU.
func (h *Host) SetMTU(dev string, mtu int) error {
	return h.onLink(dev, fmt.Sprintf("mtu %d", mtu), func(n *netlink.Handle, l netlink.Link) error { return n.LinkSetMTU(l, mtu) })
}

// MTU returns a device's MTU.
func (h *Host) MTU(dev string) (int, error) {
	l, err := h.Link(dev)
	if err != nil {
		return 0, err
	}
	return l.Attrs().MTU, nil
}

// SetMAC sets a device's MAC address.
func (h *Host) SetMAC(dev string, mac net.HardwareAddr) error {
	return h.onLink(dev, "address "+mac.String(), func(n *netlink.Handle, l netlink.Link) error {
		return n.LinkSetHardwareAddr(l, mac)
	})
}

// MAC returns a device's MAC address.
func (h *Host) MAC(dev string) (net.HardwareAddr, error) {
	l, err := h.Link(dev)
	if err != nil {
		return nil, err
	}
	return l.Attrs().HardwareAddr, nil
}

// DelLink deletes a device.
func (h *Host) DelLink(dev string) error { return h.onLink(dev, "delete", (*netlink.Handle).LinkDel) }

// DelLinks deletes the devices whose names begin with prefix all at once: of
// thousands that go one by one each waits for the kernel's RCU by itself, for
// minutes.
func (h *Host) DelLinks(prefix string) error {
	const group = 77 // of this namespace, for this call
	found := false
	err := h.Netlink(func(n *netlink.Handle) error {
		links, err := n.LinkList()
		for _, l := range links {
			if strings.HasPrefix(l.Attrs().Name, prefix) {
				found = true
				err = errors.Join(err, n.LinkSetGroup(l, group))
			}
		}
		return err
	})
	if err != nil || !found {
		return h.wrapf(err, "delete the devices %s*", prefix)
	}
	return h.wrapf(h.Do(func() error {
		r := nl.NewNetlinkRequest(unix.RTM_DELLINK, unix.NLM_F_ACK)
		r.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		r.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(group)))
		_, err := r.Execute(unix.NETLINK_ROUTE, 0)
		return err
	}), "delete the devices %s*", prefix)
}

// MoveLink moves a device to another host. It arrives there down and without addresses, as with `ip link set netns`.
func (h *Host) MoveLink(dev string, to *Host) error {
	return to.withNS(func(fd int) error {
		return h.onLink(dev, "move to "+to.name, func(n *netlink.Handle, l netlink.Link) error {
			return n.LinkSetNsFd(l, fd)
		})
	})
}

// AddAddr puts addresses on a device and brings it up. IPv6 addresses are usable at once (no duplicate detection).
func (h *Host) AddAddr(dev string, addrs ...netip.Prefix) error {
	if err := h.SetUp(dev, true); err != nil {
		return err
	}
	for _, p := range addrs {
		err := h.onLink(dev, "address "+p.String(), func(n *netlink.Handle, l netlink.Link) error {
			a := &netlink.Addr{IPNet: ipNet(p)}
			if p.Addr().Is6() {
				a.Flags = unix.IFA_F_NODAD
			}
			return n.AddrReplace(l, a)
		})
		if err == nil && p.Addr().Is6() {
			err = errors.Join(h.waitSolicitable(dev, p.Addr()), h.waitReceivable(dev, p.Addr()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// waitSolicitable waits until the device has joined the address's solicited-node group (RFC 4291, section 2.7.1). The
// kernel does that in the background (net/ipv6/addrconf.c, addrconf_dad_begin); a neighbour that asks before waits a whole
// second for its second try.
func (h *Host) waitSolicitable(dev string, a netip.Addr) error {
	l, err := h.Link(dev)
	if err != nil || l.Attrs().RawFlags&(unix.IFF_LOOPBACK|unix.IFF_NOARP) != 0 {
		return err
	}
	b := a.As16()
	group := fmt.Sprintf(" ff0200000000000000000001ff%x ", b[13:])
	return Eventually(5*time.Second, func() error {
		joined, err := h.ReadProcNet("igmp6")
		if err != nil {
			return err
		}
		for line := range strings.Lines(joined) {
			if f := strings.Fields(line); len(f) > 1 && f[1] == dev && strings.Contains(line, group) {
				return nil
			}
		}
		return fmt.Errorf("lab: host %q: device %q has not joined the solicited-node group of %s", h.name, dev, a)
	})
}

// waitReceivable waits for the local route of an address, without which the host drops what is sent to it. The kernel
// makes that of an IPv6 address in the background (net/ipv6/addrconf.c, addrconf_dad_work).
func (h *Host) waitReceivable(dev string, a netip.Addr) error {
	return Eventually(5*time.Second, func() error {
		return h.onLink(dev, "local route of "+a.String(), func(n *netlink.Handle, l netlink.Link) error {
			routes, err := n.RouteGetWithOptions(a.AsSlice(), &netlink.RouteGetOptions{OifIndex: l.Attrs().Index})
			if err == nil && (len(routes) == 0 || routes[0].Type != unix.RTN_LOCAL) {
				err = unix.EADDRNOTAVAIL
			}
			return err
		})
	})
}

// DelAddr takes an address off a device.
func (h *Host) DelAddr(dev string, p netip.Prefix) error {
	return h.onLink(dev, "delete address "+p.String(), func(n *netlink.Handle, l netlink.Link) error {
		return n.AddrDel(l, &netlink.Addr{IPNet: ipNet(p)})
	})
}

// LinkLocal returns the IPv6 link-local address of a device, with the device's index as zone: names would be looked up in
// the wrong namespace by package net.
func (h *Host) LinkLocal(dev string) (netip.Addr, error) {
	var found netip.Addr
	err := h.onLink(dev, "link-local address", func(n *netlink.Handle, l netlink.Link) error {
		addrs, err := n.AddrList(l, netlink.FAMILY_V6)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			if ip, ok := netip.AddrFromSlice(a.IP); ok && ip.IsLinkLocalUnicast() {
				found = ip.WithZone(fmt.Sprint(l.Attrs().Index))
				return nil
			}
		}
		return unix.EADDRNOTAVAIL
	})
	return found, err
}

// Route is a route of a host.
type Route struct {
	Dst netip.Prefix // required; 0.0.0.0/0 or ::/0 is the default route
	Via netip.Addr   // next hop, or invalid for an on-link route
	Dev string       // needed where Via is invalid or link-local, and for multicast
	Src netip.Addr   // preferred source, or invalid
	MTU int          // path MTU of the route (locked), 0 for the device's
}

// AddRoute adds or replaces a route.
func (h *Host) AddRoute(r Route) error {
	nr, err := h.route(r)
	if err == nil {
		err = h.Netlink(func(n *netlink.Handle) error { return n.RouteReplace(nr) })
	}
	return h.wrapf(err, "route %s", r.Dst)
}

// DelRoute removes a route.
func (h *Host) DelRoute(r Route) error {
	nr, err := h.route(r)
	if err == nil {
		err = h.Netlink(func(n *netlink.Handle) error { return n.RouteDel(nr) })
	}
	return h.wrapf(err, "delete route %s", r.Dst)
}

func (h *Host) route(r Route) (*netlink.Route, error) {
	nr := &netlink.Route{Dst: ipNet(r.Dst), MTU: r.MTU, MTULock: r.MTU != 0}
	if r.Via.IsValid() {
		nr.Gw = r.Via.AsSlice()
	} else {
		nr.Scope = netlink.SCOPE_LINK
	}
	if r.Src.IsValid() {
		nr.Src = r.Src.AsSlice()
	}
	if r.Dev != "" {
		l, err := h.Link(r.Dev)
		if err != nil {
			return nil, err
		}
		nr.LinkIndex = l.Attrs().Index
	}
	return nr, nil
}

// SetNeighbour adds or replaces a permanent ARP or ND entry.
func (h *Host) SetNeighbour(dev string, ip netip.Addr, mac net.HardwareAddr) error {
	return h.onLink(dev, "neighbour "+ip.String(), func(n *netlink.Handle, l netlink.Link) error {
		return n.NeighSet(&netlink.Neigh{
			LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT, IP: ip.AsSlice(), HardwareAddr: mac,
		})
	})
}

// FlushNeighbours forgets the learned ARP and ND entries of a device, so that the next packet asks again.
func (h *Host) FlushNeighbours(dev string) error {
	return h.onLink(dev, "flush neighbours", func(n *netlink.Handle, l netlink.Link) error {
		list, err := n.NeighList(l.Attrs().Index, netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.State&(netlink.NUD_PERMANENT|netlink.NUD_NOARP) != 0 {
				continue
			}
			if err := n.NeighDel(&e); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h *Host) wrapf(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return h.wrap(fmt.Errorf(format+": %w", append(args, err)...))
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
