package underlay

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RouteTo asks the kernel for the route to dst, through device (an interface
// or a VRF device) unless it is empty. dst may carry a zone.
//
// Source and Interface are those of a packet. The MTU is that of the FIB's
// entry (RTM_F_FIB_MATCH: fib_dump_info in net/ipv4/fib_semantics.c,
// rt6_fill_node in net/ipv6/route.c): the answer about a packet has the path
// MTU that ICMP reported instead (rt_fill_info in net/ipv4/route.c).
func RouteTo(dst netip.Addr, device string) (Route, error) {
	r, err := routeTo(dst, device)
	if err != nil {
		return Route{}, fmt.Errorf("underlay: route to %s: %w", dst, err)
	}
	return r, nil
}

func routeTo(dst netip.Addr, device string) (Route, error) {
	if device == "" {
		device = dst.Zone()
	}
	ip := dst.Unmap().WithZone("").AsSlice()
	packet, err := netlink.RouteGetWithOptions(ip, &netlink.RouteGetOptions{Oif: device})
	if err != nil {
		return Route{}, err
	}
	if len(packet) == 0 {
		return Route{}, errors.New("the kernel returned no route")
	}
	r := Route{Interface: packet[0].LinkIndex, Local: packet[0].Type == unix.RTN_LOCAL, HopLimit: packet[0].Hoplimit}
	if src, ok := netip.AddrFromSlice(packet[0].Src); ok {
		r.Source = src.Unmap()
	}
	hops := []int{r.Interface}
	if !r.Local {
		// Without an entry, as for a group, the MTU is that of the interface.
		if fib, err := netlink.RouteGetWithOptions(ip, &netlink.RouteGetOptions{Oif: device, FIBMatch: true}); err == nil && len(fib) > 0 {
			r.Metric = fib[0].MTU
			hops = append(hops, nextHops(&fib[0])...)
		}
	}
	return r, r.through(hops)
}

// nextHops are the interfaces of a route's next hops. A next-hop object may say
// nothing of its own (sysctl net.ipv4.nexthop_compat_mode).
func nextHops(route *netlink.Route) []int {
	var all []int
	if route.LinkIndex != 0 {
		all = append(all, route.LinkIndex)
	}
	for _, hop := range route.MultiPath {
		all = append(all, hop.LinkIndex)
	}
	return all
}

// through sets r.MTU to the least of the route's metric and the MTUs of its next hops'
// interfaces, and r.Over to what those interfaces stand on.
func (r *Route) through(hops []int) error {
	r.MTU = r.Metric
	slices.Sort(hops)
	r.Hops = slices.Compact(hops)
	for _, index := range r.Hops {
		link, err := netlink.LinkByIndex(index)
		if err != nil {
			return fmt.Errorf("interface %d: %w", index, err)
		}
		if n := link.Attrs().MTU; r.MTU == 0 || n < r.MTU {
			r.MTU = n
		}
		if r.Over, err = appendLower(r.Over, link, mostStacked); err != nil {
			return err
		}
	}
	return nil
}

// InterfaceByName asks the kernel for a device.
func InterfaceByName(device string) (Interface, error) {
	link, err := linkByName(device)
	if err != nil {
		return Interface{}, fmt.Errorf("underlay: %w", err)
	}
	i := Interface{Index: link.Attrs().Index, MTU: link.Attrs().MTU}
	if i.Over, err = appendLower(nil, link, mostStacked); err != nil {
		return Interface{}, fmt.Errorf("underlay: %w", err)
	}
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
