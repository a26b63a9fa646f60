package encap

import (
	"encoding/binary"
	"math/bits"
)

// Offsets of the checksum field from the transport header.
const (
	tcpCsumOffset = 16 // RFC 9293 section 3.1
	udpCsumOffset = 6  // RFC 768
)

// CsumClass says what the inner transport checksum of a frame is.
type CsumClass uint8

const (
	// CsumNone: there is nothing to verify: no TCP or UDP, a fragment, a cut
	// packet, or UDP without checksum (RFC 768; over IPv6 RFC 6935).
	CsumNone CsumClass = iota
	// CsumComplete: it verifies.
	CsumComplete
	// CsumPseudo: the field holds the folded pseudo-header sum alone. The
	// sender left the rest to an offload that never ran, as a kernel VTEP on
	// the same host does.
	CsumPseudo
	// CsumBad: it does not verify, or the UDP length exceeds the packet.
	CsumBad
)

// Sum is the folded one's complement sum of b, not inverted (RFC 1071). An
// odd last byte counts as the high byte of a word.
func Sum(b []byte) uint16 { return foldSum(addBytes(0, b)) }

// PseudoSum is the folded sum of the pseudo-header of the TCP or UDP packet in
// b, l4len bytes long from the transport header on (RFC 9293 section 3.1,
// RFC 768, RFC 8200 section 8.1). It is what an offloading sender leaves in
// the checksum field. in must have come from b and hold an IP packet.
func PseudoSum(b []byte, in *Inner, l4len int) uint16 {
	return foldSum(addPseudo(b, in, l4len))
}

// addBytes adds b to the sum acc. Sums in the making are kept with their bytes
// swapped, as little-endian loads leave them (RFC 1071 section 2(B)), which
// saves a swap a word; foldSum swaps once. b must start at an even offset of
// what is summed.
func addBytes(acc uint64, b []byte) uint64 {
	// Two carry chains run side by side; their carries are counted apart.
	var second, carries, c uint64
	for len(b) >= 64 {
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b), 0)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[8:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[16:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[24:]), c)
		carries += c
		second, c = bits.Add64(second, binary.LittleEndian.Uint64(b[32:]), 0)
		second, c = bits.Add64(second, binary.LittleEndian.Uint64(b[40:]), c)
		second, c = bits.Add64(second, binary.LittleEndian.Uint64(b[48:]), c)
		second, c = bits.Add64(second, binary.LittleEndian.Uint64(b[56:]), c)
		carries += c
		b = b[64:]
	}
	acc, c = bits.Add64(acc, second, 0)
	acc, c = bits.Add64(acc, carries, c)
	for len(b) >= 8 {
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b), c)
		b = b[8:]
	}
	var tail uint64
	if len(b) >= 4 {
		tail = uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
	}
	var last uint64
	switch len(b) {
	case 3:
		last = uint64(binary.LittleEndian.Uint16(b)) + uint64(b[2])
	case 2:
		last = uint64(binary.LittleEndian.Uint16(b))
	case 1:
		last = uint64(b[0])
	}
	acc, c = bits.Add64(acc, tail+last, c)
	return acc + c // no overflow: after a carry acc is small
}

// addPseudo is the unfolded sum of the pseudo-header.
func addPseudo(b []byte, in *Inner, l4len int) uint64 {
	var acc uint64
	dst := b[in.pseudoDst:]
	if in.IPVersion == 4 {
		acc = uint64(binary.LittleEndian.Uint32(b[in.L3+12:])) + uint64(binary.LittleEndian.Uint32(dst))
	} else {
		acc = addBytes(addBytes(0, b[in.L3+8:in.L3+24]), dst[:16])
	}
	// As bytes the rest is: length in 32 bits, three zeros, the protocol.
	rest := uint64(bits.ReverseBytes32(uint32(l4len))) + uint64(in.Proto)<<8
	acc, c := bits.Add64(acc, rest, 0)
	return acc + c
}

// foldSum folds acc to 16 bits with end-around carry and puts it into the byte
// order of the wire. It is 0 only for an acc of 0.
func foldSum(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return bits.ReverseBytes16(uint16(acc))
}

// csumOffset is the offset of proto's checksum field from its header.
func csumOffset(proto uint8) (off int, ok bool) {
	switch proto {
	case ProtoTCP:
		return tcpCsumOffset, true
	case ProtoUDP:
		return udpCsumOffset, true
	}
	return 0, false
}

// csumSpan is what the transport checksum of the packet in b covers, and the
// field's offset in it. A nil span has nothing to verify, and class says why:
// no checksum, or a UDP length that contradicts the packet's.
func csumSpan(b []byte, in *Inner) (span []byte, off int, class CsumClass) {
	off, ok := csumOffset(in.Proto)
	if !ok || in.L4 == 0 || in.Fragment || !in.whole(b) {
		return nil, 0, CsumNone
	}
	span = b[in.L4 : int(in.L3)+in.IPLen]
	if in.Proto != ProtoUDP {
		return span, off, CsumNone
	}
	if span[udpCsumOffset]|span[udpCsumOffset+1] == 0 {
		return nil, 0, CsumNone
	}
	n := int(binary.BigEndian.Uint16(span[4:]))
	if n < udpHeaderLen || n > len(span) {
		return nil, 0, CsumBad
	}
	return span[:n], off, CsumNone
}

// ClassifyChecksum reports what the TCP or UDP checksum in b is. A checksum that
// verifies is complete, even where it happens to equal the pseudo-header sum.
func ClassifyChecksum(b []byte, in *Inner) CsumClass {
	span, off, class := csumSpan(b, in)
	if span == nil {
		return class
	}
	pseudo := addPseudo(b, in, len(span))
	if foldSum(addBytes(pseudo, span)) == 0xffff {
		return CsumComplete
	}
	if binary.BigEndian.Uint16(span[off:]) == foldSum(pseudo) {
		return CsumPseudo
	}
	return CsumBad
}

// LooksPartial reports whether ClassifyChecksum would say [CsumPseudo], but
// reads the payload only where the stored checksum equals the pseudo-header
// sum, which for a complete one happens once in 65,536 packets.
func LooksPartial(b []byte, in *Inner) bool {
	span, off, _ := csumSpan(b, in)
	if span == nil {
		return false
	}
	pseudo := addPseudo(b, in, len(span))
	return binary.BigEndian.Uint16(span[off:]) == foldSum(pseudo) &&
		foldSum(addBytes(pseudo, span)) != 0xffff
}

// PartialOffload is the metadata of an ordinary frame, no superframe, whose
// checksum is partial: where it starts and where it is stored. It is false
// where the frame has no TCP or UDP header in reach.
func PartialOffload(in *Inner) (Offload, bool) {
	off, ok := csumOffset(in.Proto)
	if !ok || in.L4 == 0 || in.Fragment {
		return Offload{}, false
	}
	return Offload{Csum: CsumPartial, CsumStart: in.L4, CsumOffset: uint16(off)}, true
}

// CompleteChecksum turns a partial checksum into a complete one in place, as
// the kernel's skb_checksum_help does, and clears f.Offload.Csum and the
// offsets. Frames that are not partial stay as they are. It is false, with f
// unchanged, where the offsets lie outside the frame: whoever sent it lied.
func CompleteChecksum(f *Frame) bool {
	if f.Offload.Csum != CsumPartial {
		return true
	}
	start, off := int(f.Offload.CsumStart), int(f.Offload.CsumOffset)
	if start+off+2 > len(f.Data) {
		return false
	}
	// The field takes part in the sum: it holds the pseudo-header's.
	sum := ^Sum(f.Data[start:])
	if sum == 0 && off == udpCsumOffset {
		sum = 0xffff // RFC 768: 0 would say that there is none
	}
	binary.BigEndian.PutUint16(f.Data[start+off:], sum)
	f.Offload.Csum, f.Offload.CsumStart, f.Offload.CsumOffset = CsumUnknown, 0, 0
	return true
}
