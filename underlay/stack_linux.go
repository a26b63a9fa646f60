package underlay

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// mostStacked bounds the interfaces that stand on each other: the kernel's
// MAX_NEST_DEV (include/linux/netdevice.h).
const mostStacked = 8

// appendLower appends the interfaces at the bottom of link, depth levels down at
// most: its ports where it is a bridge, bond, team or VRF, its device where it
// is a VLAN, a macvlan or the like, and link itself where it is neither.
func appendLower(all []Lower, link netlink.Link, depth int) ([]Lower, error) {
	attrs := link.Attrs()
	below, err := standsOn(link)
	if err != nil {
		return all, fmt.Errorf("what interface %q stands on: %w", attrs.Name, err)
	}
	if len(below) == 0 || depth == 0 {
		return append(all, Lower{Index: attrs.Index, MTU: attrs.MTU, TUN: link.Type() == "tuntap" || link.Type() == "tun"}), nil
	}
	for _, l := range below {
		if all, err = appendLower(all, l, depth-1); err != nil {
			return all, err
		}
	}
	return all, nil
}

// standsOn are the interfaces of this namespace right below link.
func standsOn(link netlink.Link) ([]netlink.Link, error) {
	attrs := link.Attrs()
	switch link.Type() {
	case "bridge", "bond", "team", "vrf":
		return portsOf(attrs.Index)
	case "vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec":
		// IFLA_LINK; that of a veth is its peer, which it does not stand on.
		if attrs.ParentIndex == 0 || attrs.NetNsID >= 0 {
			return nil, nil // it is in another namespace
		}
		lower, err := netlink.LinkByIndex(attrs.ParentIndex)
		return []netlink.Link{lower}, err
	}
	return nil, nil
}

// portsOf are the interfaces whose master is the one of that index: a dump that
// the kernel filters (rtnl_dump_ifinfo in net/core/rtnetlink.c).
func portsOf(master int) ([]netlink.Link, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(master))))
	answers, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err != nil {
		return nil, err
	}
	var ports []netlink.Link
	for _, m := range answers {
		port, err := netlink.LinkDeserialize(nil, m)
		if err != nil {
			return nil, err
		}
		if port.Attrs().MasterIndex == master {
			ports = append(ports, port)
		}
	}
	return ports, nil
}
