package encap

import "encoding/binary"

// EtherTypes (IEEE 802 numbers, IANA).
const (
	EtherTypeIPv4 uint16 = 0x0800
	EtherTypeARP  uint16 = 0x0806
	EtherTypeVLAN uint16 = 0x8100 // IEEE 802.1Q C-TAG
	EtherTypeIPv6 uint16 = 0x86dd
	EtherTypeQinQ uint16 = 0x88a8 // IEEE 802.1Q S-TAG (802.1ad)
)

// IP protocol numbers (IANA) that the inner parse knows.
const (
	ProtoICMP    uint8 = 1
	ProtoTCP     uint8 = 6
	ProtoUDP     uint8 = 17
	ProtoDCCP    uint8 = 33
	ProtoICMPv6  uint8 = 58
	ProtoSCTP    uint8 = 132
	ProtoUDPLite uint8 = 136
)

// IPv6 extension headers (RFC 8200 section 4; IANA ipv6-parameters).
const (
	extHopByHop    = 0
	extRouting     = 43
	extFragment    = 44
	extAuth        = 51 // RFC 4302
	extNoNext      = 59
	extDestination = 60
	extMobility    = 135 // RFC 6275
	extHIP         = 139 // RFC 7401
	extShim6       = 140 // RFC 5533
)

// MaxFlowLabel is the largest IPv6 flow label, 20 bits (RFC 8200 section 3).
const MaxFlowLabel = 1<<20 - 1

const (
	ipv4HeaderLen = 20 // without options, RFC 791 section 3.1
	ipv6HeaderLen = 40 // RFC 8200 section 3
	tcpHeaderLen  = 20 // without options, RFC 9293 section 3.1
	udpHeaderLen  = 8  // RFC 768
	vlanTagLen    = 4  // IEEE 802.1Q clause 9.6

	maxVLANTags   = 2
	maxExtHeaders = 8 // bounds the work that a hostile frame can ask for
)

// Inner describes an inner Ethernet frame. Offsets count from the frame's
// first byte. [ParseInner] assigns every field; the zero value is a frame of
// which nothing is known.
type Inner struct {
	EtherType uint16 // after the VLAN tags; below 0x600 it is an 802.3 length
	VID       uint16 // VLAN of the outermost tag; 0 where Tags is 0
	L3        uint16 // offset of the layer 3 header; 0: the frame ends before it
	// L4 is the offset of the transport header; 0 where it is not reachable:
	// no IP, a later fragment, or cut off. Where it is not 0, the fixed part of a
	// TCP, UDP, UDP-Lite, DCCP, SCTP or ICMP header is all there.
	L4         uint16
	FragOffset uint16 // fragment offset in bytes

	IPVersion uint8 // 4 or 6 where a sound IP header is there, else 0
	Tags      uint8 // VLAN tags, 0 to 2
	Proto     uint8 // transport protocol, after the IPv6 extension headers
	TOS       uint8 // IPv4 TOS or IPv6 traffic class: DSCP and ECN (RFC 2474, RFC 3168)
	TTL       uint8 // IPv4 TTL or IPv6 hop limit

	Fragment bool // first or later fragment of a larger packet
	DF       bool // IPv4 don't fragment; always true for IPv6 (RFC 8200 section 5)

	// IPLen is the length of the IP packet, header included, as the header
	// says it: less than the frame holds where Ethernet padding follows, more
	// where the frame was cut.
	IPLen int

	// pseudoDst is the offset of the destination address of the pseudo-header:
	// with an IPv6 routing header it is the last hop's (RFC 8200 section 8.1).
	pseudoDst uint16
}

// ParseInner describes the frame b, which may be cut anywhere and hostile. It
// skips up to two VLAN tags and eight IPv6 extension headers.
func ParseInner(b []byte) (in Inner) {
	in.Parse(b)
	return in
}

// Parse is ParseInner into in, whatever it was.
func (in *Inner) Parse(b []byte) {
	*in = Inner{}
	if len(b) < EthernetHeaderLen {
		return
	}
	l3 := EthernetHeaderLen
	in.EtherType = binary.BigEndian.Uint16(b[12:])
	for in.EtherType == EtherTypeVLAN || in.EtherType == EtherTypeQinQ {
		if in.Tags == maxVLANTags {
			break
		}
		in.Tags++ // counted though cut: a VLAN policy must see it
		if len(b) < l3+vlanTagLen {
			return
		}
		if in.Tags == 1 {
			in.VID = binary.BigEndian.Uint16(b[l3:]) & 0x0fff
		}
		in.EtherType = binary.BigEndian.Uint16(b[l3+2:])
		l3 += vlanTagLen
	}
	in.L3 = uint16(l3)
	switch in.EtherType {
	case EtherTypeIPv4:
		in.parseIPv4(b, l3)
	case EtherTypeIPv6:
		in.parseIPv6(b, l3)
	}
}

// parseIPv4 reads the header at b[l3:], RFC 791 section 3.1. A header that
// contradicts itself is treated as no IP.
func (in *Inner) parseIPv4(b []byte, l3 int) {
	h := b[l3:]
	if len(h) < ipv4HeaderLen || h[0]>>4 != 4 {
		return
	}
	ihl, total := int(h[0]&15)*4, int(binary.BigEndian.Uint16(h[2:]))
	if ihl < ipv4HeaderLen || ihl > len(h) || total < ihl {
		return
	}
	frag := binary.BigEndian.Uint16(h[6:])
	in.IPVersion, in.IPLen = 4, total
	in.TOS, in.TTL, in.Proto = h[1], h[8], h[9]
	in.DF = frag&0x4000 != 0
	in.FragOffset = frag & 0x1fff << 3
	in.Fragment = frag&0x3fff != 0 // more-fragments or an offset
	in.pseudoDst = uint16(l3 + 16)
	in.setL4(b, l3+ihl)
}

// parseIPv6 reads the header at b[l3:] and the extension headers after it,
// RFC 8200 sections 3 and 4.
func (in *Inner) parseIPv6(b []byte, l3 int) {
	h := b[l3:]
	if len(h) < ipv6HeaderLen || h[0]>>4 != 6 {
		return
	}
	in.IPVersion, in.IPLen = 6, ipv6HeaderLen+int(binary.BigEndian.Uint16(h[4:]))
	in.TOS = h[0]<<4 | h[1]>>4
	in.Proto, in.TTL = h[6], h[7]
	in.DF = true // routers never fragment IPv6
	in.pseudoDst = uint16(l3 + 24)
	if at, ok := in.skipExtensions(b, l3+ipv6HeaderLen); ok {
		in.setL4(b, at)
	}
}

// skipExtensions walks the chain that starts at offset at, leaves the
// transport protocol in Proto and returns its offset. It is false where the
// chain is cut, too long, or ends without a transport header.
func (in *Inner) skipExtensions(b []byte, at int) (int, bool) {
	end := in.end(b)
	for range maxExtHeaders + 1 { // the last turn finds the transport header
		var n int // length of this header
		switch in.Proto {
		case extHopByHop, extDestination, extRouting, extMobility, extHIP, extShim6:
			if at+8 > end {
				return 0, false
			}
			n = (int(b[at+1]) + 1) * 8
		case extAuth:
			if at+8 > end {
				return 0, false
			}
			n = (int(b[at+1]) + 2) * 4
		case extFragment:
			if at+8 > end {
				return 0, false
			}
			n = 8
			off := binary.BigEndian.Uint16(b[at+2:])
			in.FragOffset = off &^ 7
			in.Fragment = off&^6 != 0 // RFC 6946: offset 0 without M is no fragment
		case extNoNext:
			return 0, false
		default:
			return at, true
		}
		if at+n > end {
			return 0, false
		}
		if in.Proto == extRouting {
			in.routingHeader(b[at:at+n], at)
		}
		in.Proto = b[at]
		at += n
		if in.FragOffset != 0 {
			return 0, false // what follows is the middle of something
		}
	}
	return 0, false
}

// routingHeader notes where the last hop's address stands while segments are
// left to visit: first in the list for types 2 (RFC 6275 section 6.4) and 4
// (RFC 8754 section 2), last for the deprecated type 0 (RFC 5095).
func (in *Inner) routingHeader(h []byte, at int) {
	if h[3] == 0 || len(h) < 8+16 {
		return // nothing left: the header's destination is the last hop
	}
	switch h[2] {
	case 2, 4:
		in.pseudoDst = uint16(at + 8)
	case 0:
		in.pseudoDst = uint16(at + 8 + (len(h)-8)/16*16 - 16)
	}
}

// setL4 notes the transport header at offset at, if enough of it is there.
func (in *Inner) setL4(b []byte, at int) {
	need := 1
	switch in.Proto {
	case ProtoTCP:
		need = tcpHeaderLen
	case ProtoUDP, ProtoUDPLite, ProtoICMP:
		need = 8
	case ProtoDCCP, ProtoSCTP:
		need = 12 // RFC 4340 section 5.1, RFC 9260 section 3.1
	case ProtoICMPv6:
		need = 4 // RFC 4443 section 2.1
	}
	if in.FragOffset == 0 && at+need <= in.end(b) {
		in.L4 = uint16(at)
	}
}

// Addrs are the source and the destination address of the IP packet in b,
// described by in; zero of anything else.
func (in *Inner) Addrs(b []byte) (src, dst Addr) {
	switch in.IPVersion {
	case 4:
		src[10], src[11], dst[10], dst[11] = 0xff, 0xff, 0xff, 0xff
		copy(src[12:], b[in.L3+12:])
		copy(dst[12:], b[in.L3+16:])
	case 6:
		copy(src[:], b[in.L3+8:])
		copy(dst[:], b[in.L3+24:])
	}
	return src, dst
}

// FlowLabel is the IPv6 flow label of the packet in b, described by in (RFC 8200
// section 3); 0 for anything else.
func FlowLabel(b []byte, in *Inner) uint32 {
	if in.IPVersion != 6 {
		return 0
	}
	return binary.BigEndian.Uint32(b[in.L3:]) & MaxFlowLabel
}

// end is the offset behind the last byte of the IP packet that b holds.
func (in *Inner) end(b []byte) int {
	return min(len(b), int(in.L3)+in.IPLen)
}

// whole reports whether b holds the IP packet to its end.
func (in *Inner) whole(b []byte) bool {
	return in.IPVersion != 0 && int(in.L3)+in.IPLen <= len(b)
}
