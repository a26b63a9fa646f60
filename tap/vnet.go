package tap

import (
	"encoding/binary"

	"github.com/uvtep/uvtep/encap"
)

// vnetHeaderLen is the size of struct virtio_net_hdr (virtio v1.2 section
// 5.1.6, include/uapi/linux/virtio_net.h). The 12-byte form only adds
// num_buffers, which a TAP never uses, and would put the IP header behind it
// and the 14-byte Ethernet header at an offset that is no multiple of 4.
const vnetHeaderLen = 10

// Flags and gso_type of struct virtio_net_hdr.
const (
	vnetNeedsCsum = 1 // VIRTIO_NET_HDR_F_NEEDS_CSUM

	vnetGSONone  = 0    // VIRTIO_NET_HDR_GSO_NONE
	vnetGSOTCPv4 = 1    // VIRTIO_NET_HDR_GSO_TCPV4
	vnetGSOTCPv6 = 4    // VIRTIO_NET_HDR_GSO_TCPV6
	vnetGSOUDP   = 5    // VIRTIO_NET_HDR_GSO_UDP_L4
	vnetGSOECN   = 0x80 // VIRTIO_NET_HDR_GSO_ECN
)

// vnetHeader is struct virtio_net_hdr, which stands before each frame in a
// read or write of a queue with IFF_VNET_HDR:
//
//	0        1          2          4          6            8             10
//	+--------+----------+----------+----------+------------+-------------+
//	| flags  | gso_type | hdr_len  | gso_size | csum_start | csum_offset |
//	+--------+----------+----------+----------+------------+-------------+
//
// The queues are set to little endian (TUNSETVNETLE), which on the machines
// that most run is the native order, and makes one codec right on all.
type vnetHeader struct {
	flags      uint8
	gsoType    uint8
	hdrLen     uint16
	gsoSize    uint16
	csumStart  uint16
	csumOffset uint16
}

func decodeVnet(b *[vnetHeaderLen]byte) vnetHeader {
	return vnetHeader{
		flags:      b[0],
		gsoType:    b[1],
		hdrLen:     binary.LittleEndian.Uint16(b[2:4]),
		gsoSize:    binary.LittleEndian.Uint16(b[4:6]),
		csumStart:  binary.LittleEndian.Uint16(b[6:8]),
		csumOffset: binary.LittleEndian.Uint16(b[8:10]),
	}
}

func (h vnetHeader) encode(b *[vnetHeaderLen]byte) {
	b[0] = h.flags
	b[1] = h.gsoType
	binary.LittleEndian.PutUint16(b[2:4], h.hdrLen)
	binary.LittleEndian.PutUint16(b[4:6], h.gsoSize)
	binary.LittleEndian.PutUint16(b[6:8], h.csumStart)
	binary.LittleEndian.PutUint16(b[8:10], h.csumOffset)
}

// offload is what h says of the frame behind it; false where h names a kind of
// superframe that was never asked for.
//
// hdr_len is not looked at: the kernel sets it to the length of its linear part,
// not that of the headers. Nor is VIRTIO_NET_HDR_F_DATA_VALID: it says that
// the checksum was found right, and the checksum then stands in the frame.
func (h vnetHeader) offload() (encap.Offload, bool) {
	var o encap.Offload
	switch h.gsoType &^ vnetGSOECN {
	case vnetGSONone:
		o.Kind = encap.GSONone
	case vnetGSOTCPv4:
		o.Kind = encap.GSOTCPv4
	case vnetGSOTCPv6:
		o.Kind = encap.GSOTCPv6
	case vnetGSOUDP:
		o.Kind = encap.GSOUDP
	default:
		return encap.Offload{}, false
	}
	if o.Kind != encap.GSONone {
		if h.gsoSize == 0 {
			return encap.Offload{}, false
		}
		o.SegSize = h.gsoSize
		o.ECN = h.gsoType&vnetGSOECN != 0 && o.Kind != encap.GSOUDP
	}
	if h.flags&vnetNeedsCsum != 0 {
		o.Csum = encap.CsumPartial
		o.CsumStart = h.csumStart
		o.CsumOffset = h.csumOffset
	}
	return o, true
}

// vnetFor is the header for f.
func vnetFor(f *encap.Frame) vnetHeader {
	o := &f.Offload
	var h vnetHeader
	if o.Csum == encap.CsumPartial {
		h.flags = vnetNeedsCsum
		h.csumStart = o.CsumStart
		h.csumOffset = o.CsumOffset
	}
	switch o.Kind {
	case encap.GSONone:
		return h
	case encap.GSOTCPv4:
		h.gsoType = vnetGSOTCPv4
	case encap.GSOTCPv6:
		h.gsoType = vnetGSOTCPv6
	case encap.GSOUDP:
		h.gsoType = vnetGSOUDP
	}
	if o.ECN && o.Kind != encap.GSOUDP {
		h.gsoType |= vnetGSOECN
	}
	h.gsoSize = o.SegSize
	h.hdrLen = headersLen(f)
	return h
}

// tagged makes h that of the frame with one VLAN tag more.
func (h *vnetHeader) tagged() {
	const tag = encap.TaggedMACsLen - encap.MACsLen
	if h.flags&vnetNeedsCsum != 0 {
		h.csumStart += tag
	}
	if h.hdrLen != 0 {
		h.hdrLen += tag
	}
}

// headersLen is the length of all headers of a superframe, which hdr_len tells
// the kernel to keep contiguous; 0, no hint, where the frame does not show it.
func headersLen(f *encap.Frame) uint16 {
	const (
		udpHeaderLen  = 8  // RFC 768
		tcpDataOffset = 12 // RFC 9293 section 3.1: its high four bits, in words
	)
	start := int(f.Offload.CsumStart)
	if f.Offload.Csum != encap.CsumPartial {
		return 0
	}
	end := start + udpHeaderLen
	if f.Offload.Kind != encap.GSOUDP {
		if start+tcpDataOffset >= len(f.Data) {
			return 0
		}
		end = start + int(f.Data[start+tcpDataOffset]>>4)*4
	}
	if end > len(f.Data) || end > 0xffff {
		return 0
	}
	return uint16(end)
}
