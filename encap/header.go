package encap

import "encoding/binary"

// HeaderLen is the length of the VXLAN header in bytes (RFC 7348 section 5).
const HeaderLen = 8

// DefaultPort is the UDP destination port that IANA assigned to VXLAN
// (RFC 7348 sections 5 and 8).
const DefaultPort uint16 = 4789

// FlagVNI is the I flag: the VNI field is valid. It is the only flag that
// RFC 7348 section 5 defines.
const FlagVNI uint8 = 0x08

// VNI is a VXLAN network identifier, 24 bits (RFC 7348 section 5).
type VNI uint32

// MaxVNI is the largest VNI.
const MaxVNI VNI = 1<<24 - 1

// Header is the VXLAN header, RFC 7348 section 5:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|R|R|R|R|I|R|R|R|            Reserved                           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                VXLAN Network Identifier (VNI) |   Reserved    |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// It keeps the reserved bits, so that a receiver can count or refuse them;
// RFC 7348 has it ignore them. Extensions assign them a meaning (GBP,
// draft-smith-vxlan-group-policy; GPE, draft-ietf-nvo3-vxlan-gpe).
type Header struct {
	Flags     uint8  // R R R R I R R R
	Reserved1 uint32 // 24 bits
	VNI       VNI
	Reserved2 uint8
}

// DecodeHeader reads the header at the start of b. It is false, with the zero
// Header, where b is shorter than [HeaderLen]. It judges no field: see
// [Header.Valid] and [Header.ReservedSet].
func DecodeHeader(b []byte) (Header, bool) {
	if len(b) < HeaderLen {
		return Header{}, false
	}
	w := binary.BigEndian.Uint64(b)
	return Header{
		Flags:     uint8(w >> 56),
		Reserved1: uint32(w>>32) & 0xffffff,
		VNI:       VNI(w>>8) & MaxVNI,
		Reserved2: uint8(w),
	}, true
}

// Valid reports whether the I flag is set. A packet without it has no VNI and
// is dropped (RFC 7348 section 5: the flag MUST be set).
func (h Header) Valid() bool { return h.Flags&FlagVNI != 0 }

// ReservedSet reports whether any of the 39 reserved bits is 1: the seven
// flags beside I, the 24 and the 8 reserved bits. RFC 7348 section 5 has them
// zero on transmit and ignored on receipt; Linux drops such packets
// (vxlan_rcv in drivers/net/vxlan/vxlan_core.c).
func (h Header) ReservedSet() bool {
	return h.Flags&^FlagVNI != 0 || h.Reserved1&0xffffff != 0 || h.Reserved2 != 0
}

// AllReserved has a 1 for each of the 39 reserved bits, in the order of the
// bytes on the wire.
const AllReserved uint64 = 0xf7ffffff_000000ff

// Reserved are the reserved bits in their places, the others 0: AllReserved
// where all are set.
func (h Header) Reserved() uint64 {
	return uint64(h.Flags&^FlagVNI)<<56 | uint64(h.Reserved1&0xffffff)<<32 | uint64(h.Reserved2)
}

// A header of VXLAN-GPE has a P flag and, in its fourth byte, what the payload is
// (draft-ietf-nvo3-vxlan-gpe-13 sections 3.1 and 3.2; struct vxlanhdr_gpe in
// include/net/vxlan.h).
const (
	flagNextProtocol = 0x04
	nextProtocolAt   = 3
	nextEthernet     = 3
)

// CarriesEthernet reports whether the payload behind the encoded header b is an
// Ethernet frame, by what the header says. RFC 7348 has the P flag reserved and
// ignored, but who sets it says what the bytes are: the start of an IP header is
// no MAC address.
func CarriesEthernet(b []byte) bool {
	return b[0]&flagNextProtocol == 0 || b[nextProtocolAt] == nextEthernet
}

// Encode writes h as it is, reserved bits included. Bits of Reserved1 and VNI
// beyond 24 are cut.
func (h Header) Encode() [HeaderLen]byte {
	var b [HeaderLen]byte
	binary.BigEndian.PutUint64(b[:], uint64(h.Flags)<<56|
		uint64(h.Reserved1&0xffffff)<<32|
		uint64(h.VNI&MaxVNI)<<8|
		uint64(h.Reserved2))
	return b
}

// HeaderFor is the header to transmit for vni: the I flag, the VNI, and zero
// in every reserved bit (RFC 7348 section 5).
func HeaderFor(vni VNI) [HeaderLen]byte {
	return Header{Flags: FlagVNI, VNI: vni}.Encode()
}
