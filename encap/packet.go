package encap

import "net/netip"

// Addr is an outer IP address without a pointer: 16 bytes, IPv4 as
// IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2). It is comparable and serves as
// a map key. The zero value is no address.
type Addr [16]byte

// AddrFrom converts a; a zone is dropped. An invalid a becomes the zero Addr.
func AddrFrom(a netip.Addr) Addr {
	if !a.IsValid() {
		return Addr{}
	}
	return a.As16()
}

// Netip converts back; the zero Addr gives the invalid netip.Addr, an
// IPv4-mapped one gives IPv4.
func (a Addr) Netip() netip.Addr {
	if a == (Addr{}) {
		return netip.Addr{}
	}
	return netip.AddrFrom16(a).Unmap()
}

// Is4 reports whether a is IPv4.
func (a Addr) Is4() bool {
	return [12]byte(a[:12]) == [12]byte{10: 0xff, 11: 0xff}
}

// String is the address as netip writes it.
func (a Addr) String() string { return a.Netip().String() }

// Datagram is one UDP payload received from the underlay. Payload starts at
// the VXLAN header, has its capacity capped, and is valid until the next
// ReadBatch of the same worker.
type Datagram struct {
	Payload []byte
	Src     Addr   // outer source address
	SrcPort uint16 // outer source port
	TOS     uint8  // outer IPv4 TOS or IPv6 traffic class; ECN in the low two bits
	// TTL is the outer TTL or hop limit, where the receiver was asked to report it; 0: it is not known. The
	// kernel joins datagrams of one TTL alone (inet_gro_receive in net/ipv4/af_inet.c, ipv6_gro_receive in
	// net/ipv6/ip6_offload.c).
	TTL uint8
	// SegSize is the datagram size where the kernel joined several of one flow
	// into Payload (UDP_GRO); 0 where Payload is one datagram. Where the sender may
	// be on this host it can be the segment size of an inner superframe as well.
	SegSize uint16
	// Device is the index of the device that the kernel says it arrived by; 0:
	// the kernel did not say.
	Device uint32
}

// Origin says where the datagrams may come from that arrive by a device.
type Origin uint8

const (
	// OriginUnknown: nothing is known of the device.
	OriginUnknown Origin = iota
	// OriginWire: only a network is behind the device. Each datagram is as somebody
	// outside this host sent it.
	OriginWire
	// OriginMixed: senders on this host may be behind the device as well, as behind a
	// bridge.
	OriginMixed
	// OriginHere: only senders on this host are behind the device: the loopback
	// device, and the other end of a veth pair.
	OriginHere
)

// Losses is what a port or a receiver lost before ReadBatch returned it, since it was
// opened.
type Losses struct {
	// Overflow is what the kernel dropped because a queue was full. Of datagrams with a
	// wrong UDP checksum the kernel counts alike.
	Overflow uint64
	// Unreadable is what the kernel gave that is no frame or datagram: cut, with a
	// virtio-net header that was never asked for, or without a possible sender.
	Unreadable uint64
}

// SendResult says what became of a [Packet].
type SendResult uint8

const (
	SendOK          SendResult = iota
	SendTooBig                 // larger than the path MTU and not to be fragmented
	SendUnreachable            // no route to the remote, or no usable local address
	SendNoBuffer               // the socket or device buffer is full
	SendRefused                // any other error, e.g. a firewall's EPERM
)

// Packet is one frame on its way to one remote. Several packets may share a
// Frame (head-end replication): whoever sends must not write to Frame.Data.
type Packet struct {
	Frame  Frame           // checksum complete, or Kind is not GSONone and the sender segments
	Header [HeaderLen]byte // the VXLAN header
	Dst    Addr
	Port   uint16 // outer destination port
	Zone   uint32 // index of the interface that it leaves by; 0: as the routing table says
	Hash   uint32 // flow hash: chooses the outer source port
	TOS    uint8  // outer IPv4 TOS or IPv6 traffic class
	TTL    uint8  // outer TTL or hop limit; 0: the route's, or 1 for multicast
	// FlowLabel is the outer IPv6 flow label, 20 bits (RFC 6437); 0: the kernel's
	// choice (sysctl net.ipv6.auto_flowlabels).
	FlowLabel uint32
	// Segments and Bytes are what the frame adds to counters: the datagrams that
	// it leaves as, and their inner layer 3 bytes.
	Segments uint16
	Bytes    uint32
	// Result is set by the sender.
	Result SendResult
}
