package encap

import "encoding/binary"

const (
	// MaxVLAN is the largest VLAN id that a tag may have; 0 and 4095 are none
	// (IEEE 802.1Q table 9-2).
	MaxVLAN = 4094
	// TaggedMACsLen is what a tagged frame has where the untagged one has its
	// MAC addresses: those and the tag.
	TaggedMACsLen = MACsLen + vlanTagLen
	// MACsLen is the length of the destination and the source address.
	MACsLen = 12

	vlanMask = 0x0fff
)

// PopVLAN takes the outermost VLAN tag out of f, in place, and returns its VLAN id,
// 1 to [MaxVLAN]; 0 where f has none, or one with an id that is no VLAN's: 0 is a
// mere priority, 4095 is reserved (IEEE 802.1Q table 9-2). The offload offsets
// follow. f.Data begins four bytes later then, and the tag's other bits, priority
// and drop eligibility, are lost.
func PopVLAN(f *Frame) uint16 {
	if len(f.Data) < TaggedMACsLen+2 || binary.BigEndian.Uint16(f.Data[MACsLen:]) != EtherTypeVLAN {
		return 0
	}
	vlan := binary.BigEndian.Uint16(f.Data[MACsLen+2:]) & vlanMask
	if vlan == 0 || vlan > MaxVLAN {
		return 0
	}
	copy(f.Data[vlanTagLen:TaggedMACsLen], f.Data[:MACsLen])
	f.Data = f.Data[vlanTagLen:]
	if f.Offload.Csum == CsumPartial {
		f.Offload.CsumStart -= vlanTagLen // the tag is before it
	}
	return vlan
}

// PutTaggedMACs writes what replaces the first 12 bytes of f where its VLAN is put in.
// f has an Ethernet header.
func PutTaggedMACs(b *[TaggedMACsLen]byte, f *Frame) {
	copy(b[:MACsLen], f.Data)
	binary.BigEndian.PutUint16(b[MACsLen:], EtherTypeVLAN)
	binary.BigEndian.PutUint16(b[MACsLen+2:], f.VLAN)
}

// AppendTagged appends f.Data to b, with the tag of f.VLAN where that is not 0.
func AppendTagged(b []byte, f *Frame) []byte {
	if f.VLAN == 0 {
		return append(b, f.Data...)
	}
	var macs [TaggedMACsLen]byte
	PutTaggedMACs(&macs, f)
	return append(append(b, macs[:]...), f.Data[MACsLen:]...)
}
