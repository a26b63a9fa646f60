package underlay

// Offloads is what a [Receiver] or [Transmitter] has the kernel do with
// several datagrams at once, probed and not assumed.
type Offloads struct {
	// Segments is the most datagrams that one message of a transmitter takes
	// (UDP_SEGMENT, udp(7)); 1 where each is a message of its own.
	Segments int
	// GRO says that a receiver takes datagrams that the kernel joined
	// (UDP_GRO).
	GRO bool
	// Tunnel says that superframes to some remote leave whole (package tunnelgso), and Tunnelled how many did.
	Tunnel    bool
	Tunnelled uint64
	// TunnelRefused says that those to some remote cannot, and TunnelReason why not.
	TunnelRefused bool
	TunnelReason  string
	// Ring says that datagrams to some remote leave by a ring (package txring), and Ringed how many did.
	Ring   bool
	Ringed uint64
	// RingRefused says that those to some remote cannot, and RingReason why not.
	RingRefused bool
	RingReason  string
	// Refused says that the kernel or a device stands in the way, and not the
	// configuration.
	Refused bool
	// Reason says why less than the most is in use; "" where nothing is amiss.
	Reason string
}
