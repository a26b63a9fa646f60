package vtep

import (
	"context"
	"net/netip"
	"os"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep/forward"
)

// Port is an access port: where Ethernet frames enter and leave the host.
// vteptest.TestPort is the suite that every implementation passes.
type Port interface {
	forward.Port
	// ReadBatch blocks until queue q has a frame, fills frames and returns how
	// many. Their Data is valid, and may be written to, until the next
	// ReadBatch of q. It returns os.ErrClosed where the port is closed, and
	// tap.ErrGone where its netdev was deleted.
	ReadBatch(q int, frames []encap.Frame) (int, error)
	// Losses is what was lost before ReadBatch returned it, since the port was opened.
	// It may take a while; the VTEP holds no lock meanwhile.
	Losses() (encap.Losses, error)
	// Close releases the port and its netdev, and wakes its readers.
	Close() error
}

// Netdev is the network device behind a port. vteptest.TestNetdev is the suite that
// every implementation passes.
type Netdev interface {
	State() (tap.State, error)
	Set(tap.Change) error
	// Watch calls fn at once and then on each change of the netdev until ctx
	// ends (nil) or the netdev is gone (tap.ErrGone).
	Watch(ctx context.Context, fn func(tap.State)) error
	// Neighbours are the usable entries of the netdev's neighbour tables.
	Neighbours() ([]tap.Neighbour, error)
	// Offloads is what the kernel does for the port at present.
	Offloads() tap.Offloads
}

// Receiver takes datagrams from the underlay on one local address and port.
// vteptest.TestUnderlay is the suite of this and Transmitter.
type Receiver interface {
	// ReadBatch blocks until socket w has a datagram, fills d and returns how
	// many. Their Payload is valid, and may be written to, until the next
	// ReadBatch of w. It returns net.ErrClosed where the receiver is closed, or is
	// drained and nothing is left.
	ReadBatch(w int, d []encap.Datagram) (int, error)
	// Offloads is what the kernel does for the receiver at present.
	Offloads() underlay.Offloads
	// Losses is what was lost before ReadBatch returned it, since the receiver was opened.
	Losses() encap.Losses
	// Drain makes the ReadBatches end once they have returned what has arrived, which
	// Close alone would throw away. Close has to follow.
	Drain() error
	Close() error
}

// AsideReceiver is a Receiver that can have one more socket, behind those that Listen told of, for links whose rule in the
// filter says so (underlay.Rule.Aside).
type AsideReceiver interface {
	OpenAside() error
}

// TTLReceiver is a Receiver that can tell the TTL of what arrives. A link with LinkConfig.MinTTL needs one.
type TTLReceiver interface {
	// ReportTTL has ReadBatch tell the TTL of each datagram, from the next call on, or no longer.
	ReportTTL(on bool) error
}

// Heritable is a Port or Receiver that can be left to another VTEP, even of another process.
type Heritable interface {
	// Stop ends the ReadBatches, now and from now on. What the kernel has queued stays, and grows.
	Stop() error
	// Descriptors are new descriptors of its queues or sockets, which outlive Close.
	Descriptors() ([]*os.File, error)
}

// ArmedReceiver is a Receiver whose sockets another VTEP may have had before: they have the filter of
// underlay.ReceiverConfig.Filter from Arm on.
type ArmedReceiver interface {
	Arm() error
}

// FilterHost is a Host whose kernel can drop packets for its receivers before they are read: where a Host is one, its
// Listen heeds underlay.ReceiverConfig.Filter.
type FilterHost interface {
	NewFilter() (*underlay.Filter, error)
}

// Transmitter sends to the underlay from a range of source ports.
type Transmitter interface {
	forward.Transmitter
	// TakeErrors returns the ICMP errors about packets since the call before.
	TakeErrors() []underlay.ICMPError
	// Offloads is what the kernel does for the transmitter at present.
	Offloads() underlay.Offloads
	Close() error
}

// Host opens ports, receivers and transmitters for a VTEP.
type Host interface {
	// OpenPort makes a netdev, which is down, and its port.
	OpenPort(tap.Config) (Port, Netdev, error)
	// Listen opens a receiver, and tells how many sockets share its traffic by flow.
	Listen(underlay.ReceiverConfig) (r Receiver, sockets int, err error)
	// OpenTransmitter opens a transmitter, and tells its source ports.
	OpenTransmitter(underlay.TransmitterConfig) (Transmitter, []uint16, error)
	Network
}

// Follower is a Host that follows what its transmitters depend on, while a VTEP runs.
type Follower interface {
	// Followers are run, each beside the others; they return when done is closed.
	Followers() []func(done <-chan struct{})
}

// Network is what a Host knows of its network namespace.
type Network interface {
	// RouteTo is the route to dst, out of device where that is not "".
	RouteTo(dst netip.Addr, device string) (underlay.Route, error)
	// Interface describes an underlay device.
	Interface(name string) (underlay.Interface, error)
	// Origins tells what is behind the underlay devices, and the host's addresses.
	// Where known is not nil, it is returned as the devices.
	Origins(known map[uint32]underlay.Device) (underlay.Origins, error)
}

// Remover is a Host that removes the netdevs of many ports together, in less time than one by
// one. Closing a port removes a netdev that is left.
type Remover interface {
	RemoveNetdevs([]Port) error
}
