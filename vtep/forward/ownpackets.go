package forward

import (
	"encoding/binary"

	"github.com/uvtep/uvtep/encap"
)

// OwnPackets is how the packets of this VTEP's own transmitters are known, where they come
// out of a port again: then the route to a remote leads through the tunnel, and the packets
// would go round for ever. An OwnPackets is immutable; one serves all links, since packets of
// one may be routed through another.
//
// It is inferred from bytes that a tenant chooses. A tenant that forges this host's address,
// one of the pool's ports and a VXLAN header loses that frame and nothing else. The packet of
// another VTEP is taken for an own one only where that VTEP, in a tenant's network, has the
// address of this host and one of those ports: no other socket of this host has such a port.
type OwnPackets struct {
	Ports [1 << 16 / 64]uint64 // source ports, a bit each
	Addrs map[encap.Addr]struct{}
	Wild  bool // some transmitter leaves its source address to the route
}

// comesBack reports whether the packet in frame b, which in describes, is an own one. A
// later fragment has no ports, and goes round once more, in a packet of its own.
func (w *portWorker) comesBack(from *source, b []byte, in *encap.Inner) bool {
	if in.L4 == 0 {
		return false
	}
	o, port := w.plane.OwnPackets.Load(), binary.BigEndian.Uint16(b[in.L4:])
	return o.Ports[port/64]&(1<<(port%64)) != 0 && w.looksOwn(from, o, b, in)
}

// looksOwn is the rest of comesBack, for a packet with a source port of the pool. An
// address that this host has had for less than a second may not be known yet. A packet from
// there, to a remote of the link and with the link's VNI, is an own one all the same.
func (w *portWorker) looksOwn(from *source, o *OwnPackets, b []byte, in *encap.Inner) bool {
	const udpHeaderLen = 8 // RFC 768
	h, ok := encap.DecodeHeader(b[in.L4+udpHeaderLen:])
	if !ok || !h.Valid() {
		return false
	}
	src, dst := in.Addrs(b)
	if _, own := o.Addrs[src]; own {
		return true
	}
	if !o.Wild {
		return false
	}
	w.plane.StrangeSource.Store(true)
	p := from.link.Remotes.Peer(dst)
	return h.VNI == from.s.Learned.VNI && p.IsPeer()
}
