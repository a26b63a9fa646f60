package underlay

import "net/netip"

// Route is what the kernel would do with a packet to a remote.
type Route struct {
	// MTU is the IP packet size that fits the route and its interface, of several
	// next hops the least. Path MTUs that the kernel has learned are not in it:
	// anybody can forge the ICMP messages that they come from.
	MTU int
	// Metric is the MTU that the route itself sets; 0: none.
	Metric int
	// Over are the interfaces at the bottom of those that the route leaves
	// through: a bridge's ports, a VLAN's device, or the interface itself.
	Over []Lower
	// Interface is the index of the interface that it leaves through, and Hops are those that packets of
	// all flows do: several where there are several next hops.
	Interface int
	Hops      []int
	// HopLimit is the TTL or hop limit that the route itself sets; 0: none.
	HopLimit int
	// Source is the address that it would carry; invalid where unknown.
	Source netip.Addr
	// Local says that the remote is this host (RTN_LOCAL).
	Local bool
}

// Lower is an interface that no other on this host stands on.
type Lower struct {
	Index, MTU int
	TUN        bool // a TUN or TAP device
}

// Interface is a device of the underlay.
type Interface struct {
	Index, MTU int
	Over       []Lower // as in Route
	// VRF is the name of the VRF device that it is, or is a slave of; "" where
	// there is none. A socket receives what arrives in a VRF only where it is bound
	// to that device (the kernel's Documentation/networking/vrf.rst).
	VRF      string
	VRFIndex int
}
