package underlay

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RouteTo asks the kernel for the route to dst, through device (an interface
// or a VRF device) unless it is empty. Path MTUs that the kernel has learned
// are in the answer (rt_fill_info in net/ipv4/route.c, rt6_fill_node in
// net/ipv6/route.c). dst may carry a zone.
func RouteTo(dst netip.Addr, device string) (Route, error) {
	if device == "" {
		device = dst.Zone()
	}
	ip := dst.Unmap().WithZone("").AsSlice()
	routes, err := netlink.RouteGetWithOptions(ip, &netlink.RouteGetOptions{Oif: device})
	if err != nil {
		return Route{}, fmt.Errorf("underlay: route to %s: %w", dst, err)
	}
	if len(routes) == 0 {
		return Route{}, fmt.Errorf("underlay: route to %s: the kernel gave none", dst)
	}
	r := Route{MTU: routes[0].MTU, Interface: routes[0].LinkIndex, Local: routes[0].Type == unix.RTN_LOCAL}
	if src, ok := netip.AddrFromSlice(routes[0].Src); ok {
		r.Source = src.Unmap()
	}
	if r.MTU == 0 {
		link, err := netlink.LinkByIndex(r.Interface)
		if err != nil {
			return Route{}, fmt.Errorf("underlay: route to %s: interface %d: %w", dst, r.Interface, err)
		}
		r.MTU = link.Attrs().MTU
	}
	return r, nil
}

// InterfaceByName asks the kernel for a device.
func InterfaceByName(device string) (Interface, error) {
	link, err := linkByName(device)
	if err != nil {
		return Interface{}, fmt.Errorf("underlay: %w", err)
	}
	i := Interface{Index: link.Attrs().Index, MTU: link.Attrs().MTU}
	if link.Type() != "vrf" && link.Attrs().MasterIndex != 0 {
		if link, err = netlink.LinkByIndex(link.Attrs().MasterIndex); err != nil {
			return Interface{}, fmt.Errorf("underlay: master of interface %q: %w", device, err)
		}
	}
	if link.Type() == "vrf" {
		i.VRF, i.VRFIndex = link.Attrs().Name, link.Attrs().Index
	}
	return i, nil
}

func linkByName(device string) (netlink.Link, error) {
	link, err := netlink.LinkByName(device)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		return nil, noInterface(device)
	}
	if err != nil {
		return nil, fmt.Errorf("interface %q: %w", device, err)
	}
	return link, nil
}

func noInterface(device string) error {
	return fmt.Errorf("there is no interface %q: ip link show lists them", device)
}
