package evpn

// Reason says why a route of a neighbour is not used, or not for what it could be.
type Reason uint8

// The reasons. Each is counted once for each route that a neighbour announces.
const (
	// Used: nothing is wrong with the route.
	Used Reason = iota
	// NoTarget: no link imports any of its route targets.
	NoTarget
	// OwnNextHop: its next hop is the address of the link that would import it.
	OwnNextHop
	// NoNextHop: its next hop is missing, unspecified, multicast or loopback.
	NoNextHop
	// OtherFamily: its next hop is of another address family than the link's underlay.
	OtherFamily
	// BadMAC: the MAC address is no host's: zero, multicast or broadcast.
	BadMAC
	// BadOriginator: the originator of a T3 is no address to flood to.
	BadOriginator
	// NoTunnel: a T3 without a PMSI tunnel, or with one of another type than ingress replication.
	NoTunnel
	// NoSegment: the MAC address is behind an Ethernet segment that neither its VTEP has announced as a
	// whole (T1 per ES) nor one that announced the segment for the link's VNI (T1 per EVI), too.
	NoSegment
	// NotUsed: a route of a type that a leaf shows only, such as T4 and T5.
	NotUsed
	numReasons
)

// Reasons lists all reasons but Used.
func Reasons() []Reason {
	all := make([]Reason, 0, numReasons-1)
	for r := Used + 1; r < numReasons; r++ {
		all = append(all, r)
	}
	return all
}

// String is the reason's name in counters and output.
func (r Reason) String() string {
	return [numReasons]string{"used", "no-target", "own-next-hop", "no-next-hop", "other-family", "bad-mac", "bad-originator", "no-tunnel", "no-segment", "not-used"}[r]
}

// Explain says what the reason means, for people.
func (r Reason) Explain() string {
	return [numReasons]string{
		"used",
		"no link imports its route targets",
		"its next hop is the link's own address",
		"its next hop is no unicast address",
		"its next hop is of another address family than the link",
		"its MAC address is zero, multicast or broadcast",
		"its originator is no address of another VTEP of the link's family",
		"its PMSI tunnel is not ingress replication (type 6): no flooding to it",
		"no VTEP has announced its Ethernet segment: it waits for T1 routes",
		"routes of its type are shown and not used",
	}[r]
}
