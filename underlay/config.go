package underlay

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"
)

const (
	// DefaultPortMin and DefaultPortMax are the source ports that RFC 7348
	// section 5 recommends, the dynamic range of RFC 6335 section 6, but for its
	// first, which tcpdump takes for another protocol's
	// (findings/tcpdump-source-port-49152.sh): one flow in 64 looked as if it were no
	// VXLAN.
	DefaultPortMin uint16 = 49153
	DefaultPortMax uint16 = 65535
	// DefaultSockets is the size of a transmitter's pool. Fewer make longer
	// runs for UDP_SEGMENT, more spread flows better over equal-cost paths.
	DefaultSockets = 64
	// DefaultBuffer is the socket buffer in bytes, send and receive: a limit,
	// not an allocation.
	DefaultBuffer = 8 << 20
)

// ErrPortInUse is wrapped by [Listen] and [OpenTransmitter] where another
// socket, a process's or the kernel's, holds the port.
var ErrPortInUse = errors.New("port in use")

// portError is an [ErrPortInUse] that says what to look for.
type portError uint16

func (p portError) Error() string {
	return fmt.Sprintf("port %d is in use, e.g. by a kernel vxlan device (ip -d link show type vxlan) or by a process (ss -ulpn sport = %d)", p, p)
}

func (p portError) Unwrap() error { return ErrPortInUse }

// errPoolTaken is an [ErrPortInUse] of a whole range.
func errPoolTaken(c *TransmitterConfig) error {
	return fmt.Errorf("every source port from %d to %d is taken, choose another range: %w", c.SrcPortMin, c.SrcPortMax, ErrPortInUse)
}

// ErrFamily is wrapped where an address does not fit the chosen IP version.
var ErrFamily = errors.New("address of the other IP version")

// ReceiverConfig describes a [Receiver]. The zero value but for Port is a
// wildcard IPv4 receiver with one worker.
type ReceiverConfig struct {
	// Local is the address to bind, which may be configured later; invalid or
	// unspecified: every address. An IPv6 link-local one needs its zone, or
	// Interface, or Device. With Group it is not bound.
	Local netip.Addr
	V6    bool
	// Port is the UDP port; 0 lets the kernel choose (see LocalPort).
	Port uint16
	// Device limits the receiver to one interface, or a VRF device
	// (SO_BINDTODEVICE).
	Device string
	// Group, when valid, is joined on Interface; the socket is bound to it and
	// receives nothing else.
	Group netip.Addr
	// Interface is the index to join Group on; 0: as the route to Group says.
	Interface int
	// Workers is the number of sockets that share the port's flows; 0 is 1.
	// A group's receiver has one always: the kernel delivers to each member socket
	// a copy, it does not share.
	Workers int
	// Buffer is the receive buffer in bytes; 0 is DefaultBuffer.
	Buffer int
	// Buffers is the memory that datagrams are read to, shared with other
	// receivers; nil: the receiver's own.
	Buffers *Buffers
	// ZeroChecksum6 accepts IPv6 datagrams without a checksum (RFC 6935).
	ZeroChecksum6 bool
	// TTL has datagrams tell their TTL or hop limit, as [Receiver.ReportTTL] does. Linux only.
	TTL bool
	// Spin is how long a worker looks for the next datagram before it waits,
	// where the traffic is sparse and the processor has nothing else to do; 0: not
	// at all. Linux only.
	Spin time.Duration
	// NoGRO has the kernel hand over each datagram by itself (no UDP_GRO).
	NoGRO bool
	// Filter has the kernel drop what it says before it is queued; nil: nothing is. Linux only.
	Filter *Gate
	// Inherited are open sockets of such a receiver, by [Receiver.Descriptors] of one before, perhaps another process's.
	// They are used, as many as they are, instead of opening Workers of them, or Listen fails with ErrInherited; it
	// closes them in either case. Arm has to follow. nil: there are none. Linux only.
	Inherited []*os.File
	// Beside names the caller's open receivers of the same port whose address
	// overlaps this one's (a wildcard and a group, or a wildcard and an
	// address). Without being named here they make the port be in use, as
	// anybody else's socket does.
	Beside []*Receiver
}

func (c ReceiverConfig) normalised() (ReceiverConfig, error) {
	local, err := localAddr(c.Local, c.V6)
	if err != nil {
		return c, err
	}
	c.Local = local
	c.Group = c.Group.Unmap()
	if c.Group.IsValid() {
		if !c.Group.IsMulticast() {
			return c, fmt.Errorf("group %s is not a multicast address", c.Group)
		}
		if c.Group.Is6() != c.V6 {
			return c, fmt.Errorf("group %s: %w", c.Group, ErrFamily)
		}
		c.Workers = 1
	}
	if c.Workers < 0 {
		return c, fmt.Errorf("%d workers are out of range: 1 or more", c.Workers)
	}
	c.Workers = max(c.Workers, 1)
	if c.Buffer == 0 {
		c.Buffer = DefaultBuffer
	}
	if c.Buffers == nil {
		c.Buffers = new(Buffers)
	}
	return c, nil
}

// bindAddr is the address of the receiver's sockets.
func (c *ReceiverConfig) bindAddr() netip.Addr {
	if c.Group.IsValid() {
		return c.Group
	}
	return c.Local
}

// DFMode says what a transmitter does with packets larger than the path.
type DFMode uint8

const (
	// DFSet sends IPv4 with DF and never fragments (RFC 7348 section 4.3); a
	// packet too large for the path is refused as SendTooBig.
	DFSet DFMode = iota
	// DFUnset sends IPv4 without DF, and lets this host fragment.
	DFUnset
)

// TransmitterConfig describes a [Transmitter]. The zero value sends IPv4 from
// the address that the route says, ports 49153 to 65535, DF set, checksums on.
type TransmitterConfig struct {
	// Local is the source address, which may be configured later; invalid or
	// unspecified: the route's choice.
	Local netip.Addr
	V6    bool
	// Device is the interface or VRF device to send through (SO_BINDTODEVICE).
	Device string
	// SrcPortMin and SrcPortMax bound the source ports, both included; 0 and 0
	// are 49153 and 65535.
	SrcPortMin, SrcPortMax uint16
	// Sockets is the number of source ports in use; 0 is DefaultSockets. It is
	// at most the size of the range.
	Sockets int
	DF      DFMode
	// NoChecksum sends UDP checksum zero (RFC 7348 section 5; for IPv6 see
	// RFC 6935 and RFC 6936).
	NoChecksum bool
	// NoSegment sends each datagram as a message of its own, without
	// UDP_SEGMENT, as NoChecksum does since the kernel wants it so.
	NoSegment bool
	// ForceSegment uses UDP_SEGMENT on kernels, too, that are known to spoil what is
	// sent by it through some devices.
	ForceSegment bool
	// InPieces has superframes leave in pieces even where they could leave whole: who
	// hears them on this host would not take them.
	InPieces bool
	// Buffer is the send buffer of each socket in bytes; 0 is DefaultBuffer.
	Buffer int
	// MulticastInterface is the index of the interface that multicast leaves
	// through where the packet names none; 0: as the route says.
	MulticastInterface int
	// MulticastLoop lets other sockets of this host hear our multicast, as
	// other VTEPs on it must.
	MulticastLoop bool
}

func (c TransmitterConfig) normalised() (TransmitterConfig, error) {
	local, err := localAddr(c.Local, c.V6)
	if err != nil {
		return c, err
	}
	c.Local = local
	if c.SrcPortMin == 0 && c.SrcPortMax == 0 {
		c.SrcPortMin, c.SrcPortMax = DefaultPortMin, DefaultPortMax
	}
	if c.SrcPortMin == 0 || c.SrcPortMin > c.SrcPortMax {
		return c, fmt.Errorf("source ports %d to %d are no range: the first is at least 1 and at most the last", c.SrcPortMin, c.SrcPortMax)
	}
	if c.Sockets < 0 {
		return c, fmt.Errorf("%d sockets are out of range: 1 or more", c.Sockets)
	}
	if c.Sockets == 0 {
		c.Sockets = DefaultSockets
	}
	c.Sockets = min(c.Sockets, int(c.SrcPortMax-c.SrcPortMin)+1)
	if c.Buffer == 0 {
		c.Buffer = DefaultBuffer
	}
	return c, nil
}

// localAddr returns the address to bind: of the right family, the unspecified
// one where a is invalid.
func localAddr(a netip.Addr, v6 bool) (netip.Addr, error) {
	a = a.Unmap()
	switch {
	case !a.IsValid() && v6:
		return netip.IPv6Unspecified(), nil
	case !a.IsValid():
		return netip.IPv4Unspecified(), nil
	case a.IsMulticast():
		return a, fmt.Errorf("local %s is a multicast address", a)
	case a.Is6() != v6:
		return a, fmt.Errorf("local %s: %w", a, ErrFamily)
	}
	return a, nil
}

// pick maps a flow hash to one of n sockets by its high bits: a multiplication
// where a remainder would divide.
func pick(hash uint32, n int) int {
	return int(uint64(hash) * uint64(n) >> 32)
}

// SourcePort is the port that a transmitter with these ports, as it tells them, sends a packet
// of that flow hash from.
func SourcePort(ports []uint16, hash uint32) uint16 { return ports[pick(hash, len(ports))] }
