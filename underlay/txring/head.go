package txring

import (
	"encoding/binary"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// Sizes of what stands before the inner frame.
const (
	vnetLen     = 10 // struct virtio_net_hdr (include/uapi/linux/virtio_net.h)
	ethernetLen = encap.EthernetHeaderLen
	ipv4Len     = 20 // RFC 791 section 3.1
	ipv6Len     = 40 // RFC 8200 section 3
	udpLen      = 8  // RFC 768
	udpCsum     = 6  // of the checksum in the UDP header
	mostHead    = vnetLen + ethernetLen + ipv6Len + udpLen
	needsCsum   = 1 // VIRTIO_NET_HDR_F_NEEDS_CSUM
)

// head is what all packets along a path begin with, and sums over it.
type head struct {
	v6, zero bool
	b        [mostHead]byte
	n        int
	ip       uint32 // of the IPv4 header but for TOS, length and TTL
	pseudo   uint32 // of the pseudo-header but for its length
	hops     uint8  // TTL or hop limit where a packet has none
}

// newHead is the head of packets from src to dst, which leave by a device with address from for the neighbour to.
func newHead(key *pathKey, src encap.Addr, hops uint8, from, to encap.MAC) head {
	h := head{v6: !key.dst.Is4(), zero: key.zero, hops: hops, pseudo: underlay.PseudoSum(src, key.dst)}
	copy(h.b[vnetLen:], to[:])
	copy(h.b[vnetLen+6:], from[:])
	ip := h.b[vnetLen+ethernetLen:]
	if h.v6 {
		binary.BigEndian.PutUint16(h.b[vnetLen+12:], encap.EtherTypeIPv6)
		ip[6] = encap.ProtoUDP
		copy(ip[8:], src[:])
		copy(ip[24:], key.dst[:])
		h.n = vnetLen + ethernetLen + ipv6Len + udpLen
	} else {
		binary.BigEndian.PutUint16(h.b[vnetLen+12:], encap.EtherTypeIPv4)
		// The id is 0, as that of a socket's packets with DF is (ip_select_ident_segs in include/net/ip.h).
		ip[0], ip[6], ip[9] = 0x45, 0x40, encap.ProtoUDP // DF
		copy(ip[12:], src[12:])
		copy(ip[16:], key.dst[12:])
		h.ip = uint32(encap.Sum(ip[:ipv4Len]))
		h.n = vnetLen + ethernetLen + ipv4Len + udpLen
	}
	v := h.b[:vnetLen]
	if !h.zero { // the device sums, or the kernel for it, as for a socket's packet
		v[0] = needsCsum
		binary.NativeEndian.PutUint16(v[6:], uint16(h.n-vnetLen-udpLen))
		binary.NativeEndian.PutUint16(v[8:], udpCsum)
	}
	binary.BigEndian.PutUint16(h.b[h.n-udpLen+2:], key.port)
	return h
}

// ipSize is the length of the IP packet of p.
func (h *head) ipSize(p *encap.Packet) int {
	return h.n - vnetLen - ethernetLen + encap.HeaderLen + len(p.Frame.Data)
}

// size is how many bytes write needs.
func (h *head) size(p *encap.Packet) int { return h.n + encap.HeaderLen + len(p.Frame.Data) }

// write writes p, which leaves from source port sport, to b, which has the size.
func (h *head) write(b []byte, p *encap.Packet, sport uint16) {
	copy(b, h.b[:h.n])
	n := h.n
	copy(b[n:], p.Header[:])
	copy(b[n+encap.HeaderLen:], p.Frame.Data)
	// hdr_len is how much the kernel copies to memory of its own: all of it, as of a socket's packet.
	// The rest would be a page of the ring's, which most virtual devices copy again.
	binary.NativeEndian.PutUint16(b[2:], uint16(len(b)-vnetLen))
	length := udpLen + encap.HeaderLen + len(p.Frame.Data)
	ip := b[vnetLen+ethernetLen:]
	ttl := h.hops
	if p.TTL != 0 {
		ttl = p.TTL
	}
	if h.v6 {
		binary.BigEndian.PutUint32(ip, 6<<28|uint32(p.TOS)<<20|p.FlowLabel)
		binary.BigEndian.PutUint16(ip[4:], uint16(length))
		ip[7] = ttl
	} else {
		ip[1], ip[8] = p.TOS, ttl
		binary.BigEndian.PutUint16(ip[2:], uint16(ipv4Len+length))
		sum := h.ip + uint32(p.TOS) + uint32(ipv4Len+length) + uint32(ttl)<<8
		binary.BigEndian.PutUint16(ip[10:], ^underlay.FoldSum(sum))
	}
	udp := b[n-udpLen : n]
	binary.BigEndian.PutUint16(udp, sport)
	binary.BigEndian.PutUint16(udp[4:], uint16(length))
	if !h.zero {
		// The sum of the pseudo-header, which the checksum begins with (udp4_hwcsum in net/ipv4/udp.c).
		binary.BigEndian.PutUint16(udp[6:], underlay.FoldSum(h.pseudo+uint32(length)))
	}
}
