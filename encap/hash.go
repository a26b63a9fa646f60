package encap

import (
	"encoding/binary"
	"math/bits"
)

// Constants with about as many ones as zeros and no other meaning: the initial
// values of SHA-512 (RFC 6234 section 6.3), the first made odd like the rest.
const (
	hashKey0 uint64 = 0x6a09e667f3bcc909
	hashKey1 uint64 = 0xbb67ae8584caa73b
	hashKey2 uint64 = 0x3c6ef372fe94f82b
	hashKey3 uint64 = 0xa54ff53a5f1d36f1
)

// FlowHash is a hash of the inner flow of the frame b, described by in: the
// same flow always gives the same value, and different ones spread evenly over
// all bits, high and low. From it comes the outer source port (RFC 7348
// section 5), by which routers and receive queues tell flows apart.
//
// Of an IP packet it takes addresses, protocol and, where it is no fragment,
// both ports; all fragments of a packet thus share a value. Of anything else
// it takes both MACs and the EtherType. It is directed: the two directions of
// a connection differ.
func FlowHash(b []byte, in *Inner) uint32 {
	var x, y uint64
	switch in.IPVersion {
	case 4:
		x = binary.BigEndian.Uint64(b[in.L3+12:])
		y = flowPorts(b, in)
	case 6:
		a := b[in.L3+8 : in.L3+ipv6HeaderLen]
		x = mulFold(binary.BigEndian.Uint64(a)^hashKey2, binary.BigEndian.Uint64(a[8:])^hashKey3)
		// The sum, not the xor: x must not cancel against the destination.
		x = mulFold(x+binary.BigEndian.Uint64(a[16:]), binary.BigEndian.Uint64(a[24:])^hashKey0)
		y = flowPorts(b, in)
	default:
		if len(b) < EthernetHeaderLen {
			return 0
		}
		x = binary.BigEndian.Uint64(b)
		y = uint64(binary.BigEndian.Uint32(b[8:]))<<16 | uint64(in.EtherType)
	}
	h := mulFold(x^hashKey0, y^hashKey1)
	return uint32(mulFold(h^hashKey2, hashKey3))
}

// flowPorts packs the protocol and both ports, which are 0 where the packet
// has none or is a fragment.
func flowPorts(b []byte, in *Inner) uint64 {
	v := uint64(in.Proto) << 32
	if in.L4 == 0 || in.Fragment {
		return v
	}
	switch in.Proto {
	case ProtoTCP, ProtoUDP, ProtoUDPLite, ProtoDCCP, ProtoSCTP:
		v |= uint64(binary.BigEndian.Uint32(b[in.L4:]))
	}
	return v
}

// mulFold folds the 128-bit product of x and y to 64 bits.
func mulFold(x, y uint64) uint64 {
	hi, lo := bits.Mul64(x, y)
	return hi ^ lo
}
