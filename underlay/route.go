package underlay

import "net/netip"

// Route is what the kernel would do with a packet to a remote.
type Route struct {
	// MTU is the IP packet size that fits: a learned path MTU, the route's or
	// the interface's, whichever the kernel would use.
	MTU int
	// Interface is the index of the interface that it leaves through.
	Interface int
	// Source is the address that it would carry; invalid where unknown.
	Source netip.Addr
	// Local says that the remote is this host (RTN_LOCAL).
	Local bool
}

// Interface is a device of the underlay.
type Interface struct {
	Index, MTU int
	// VRF is the name of the VRF device that it is, or is a slave of; "" where
	// there is none. A socket hears what arrives in a VRF only where it is bound
	// to that device (the kernel's Documentation/networking/vrf.rst).
	VRF      string
	VRFIndex int
}
