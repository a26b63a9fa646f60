package tunnelgso

import (
	"encoding/binary"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// Sizes of what stands before the inner frame.
const (
	vnetLen     = 24 // struct virtio_net_hdr_v1_hash_tunnel (include/uapi/linux/virtio_net.h)
	ethernetLen = encap.EthernetHeaderLen
	ipv4Len     = 20 // RFC 791 section 3.1
	ipv6Len     = 40 // RFC 8200 section 3
	udpLen      = 8  // RFC 768
	tcpCsum     = 16 // of the checksum in the TCP header (RFC 9293 section 3.1)
	mostHead    = vnetLen + ethernetLen + ipv6Len + udpLen + encap.HeaderLen
	mostIP      = 65535 // of an IPv4 packet, and of an IPv6 payload
)

// Flags and gso_type of the virtio header (virtio v1.4 section 5.1.6, include/uapi/linux/virtio_net.h).
const (
	needsCsum  = 1    // VIRTIO_NET_HDR_F_NEEDS_CSUM
	tunnelCsum = 8    // VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM
	gsoTCPv4   = 1    // VIRTIO_NET_HDR_GSO_TCPV4
	gsoTCPv6   = 4    // VIRTIO_NET_HDR_GSO_TCPV6
	gsoTunnel4 = 0x20 // VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4
	gsoTunnel6 = 0x40 // VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6
	gsoECN     = 0x80 // VIRTIO_NET_HDR_GSO_ECN
)

// superframe is what the header says of a packet's frame.
type superframe struct {
	l3, l4  int // offsets of the inner IP and TCP headers
	headers int // length of all of the frame's headers
}

// whole describes the superframe of p, where the kernel cuts it as the sender of package underlay
// would: TCP, in one piece, with a checksum to be completed, without VLAN tags, and as long as its
// IP header says. All of that is read here from the bytes that the kernel reads as well: where they contradict
// what came beside the frame, the sender decides.
func whole(p *encap.Packet) (superframe, bool) {
	f, o := &p.Frame, &p.Frame.Offload
	if o.Kind != encap.GSOTCPv4 && o.Kind != encap.GSOTCPv6 || o.Csum != encap.CsumPartial || len(f.More) > 0 {
		return superframe{}, false
	}
	in := encap.ParseInner(f.Data)
	if in.Tags > 0 || int(in.L3)+in.IPLen != len(f.Data) || o.CsumStart != in.L4 || o.CsumOffset != tcpCsum {
		return superframe{}, false
	}
	var cut encap.Segmenter
	if !cut.Init(f) || cut.Segments() < 2 {
		return superframe{}, false
	}
	return superframe{int(in.L3), int(in.L4), cut.HeaderLen()}, true
}

// header is what stands before the inner frame in the write to the TAP.
type header struct {
	b [mostHead]byte
	n int
}

// ipLen is the length of the outer IP header.
func ipLen(v6 bool) int {
	if v6 {
		return ipv6Len
	}
	return ipv4Len
}

// fits reports whether the datagrams that p's superframe is cut into fit the path, and the whole
// fits an IP header's length field.
func (h *path) fits(p *encap.Packet, s superframe) bool {
	outer := ipLen(h.v6) + udpLen + encap.HeaderLen
	return outer+s.headers+int(p.Frame.Offload.SegSize) <= h.mtu && outer+len(p.Frame.Data) <= mostIP
}

// build writes the header of p, which leaves from source port sport along h.
func (b *header) build(h *path, p *encap.Packet, s superframe, sport uint16) {
	ip := b.b[vnetLen+ethernetLen:]
	n := ipLen(h.v6)
	udp := ip[n : n+udpLen+encap.HeaderLen]
	length := udpLen + encap.HeaderLen + len(p.Frame.Data)
	b.n = vnetLen + ethernetLen + n + len(udp)
	copy(b.b[vnetLen:], h.ethernet[:])
	if h.v6 {
		h.ipv6(ip[:ipv6Len], p, length)
	} else {
		h.ipv4(ip[:ipv4Len], p, length)
	}
	binary.BigEndian.PutUint16(udp, sport)
	binary.BigEndian.PutUint16(udp[2:], p.Port)
	binary.BigEndian.PutUint16(udp[4:], uint16(length))
	binary.BigEndian.PutUint16(udp[6:], 0)
	if !h.noChecksum {
		// The sum of the pseudo-header, which each segment's checksum begins with (udp_set_csum in net/ipv4/udp.c).
		binary.BigEndian.PutUint16(udp[6:], underlay.FoldSum(h.pseudo+uint32(length)))
	}
	copy(udp[udpLen:], p.Header[:])
	b.virtio(h, p, s, b.n-vnetLen)
}

// ttl is that of the packet on the wire.
func (h *path) ttl(p *encap.Packet) uint8 {
	if p.TTL != 0 {
		return p.TTL
	}
	return h.hops
}

// ipv4 writes the IPv4 header (RFC 791 section 3.1). Forwarding takes one off the TTL. The id is 0, as
// that of a socket's packets with DF is, and each segment's is one more (ip_select_ident_segs in
// include/net/ip.h, inet_gso_segment in net/ipv4/af_inet.c).
func (h *path) ipv4(b []byte, p *encap.Packet, length int) {
	b[0], b[1] = 0x45, p.TOS
	binary.BigEndian.PutUint16(b[2:], uint16(ipv4Len+length))
	b[4], b[5] = 0, 0
	b[6], b[7] = 0x40, 0 // DF
	b[8], b[9] = h.ttl(p)+1, encap.ProtoUDP
	b[10], b[11] = 0, 0
	copy(b[12:16], h.src[12:])
	copy(b[16:20], h.key.dst[12:])
	binary.BigEndian.PutUint16(b[10:], ^encap.Sum(b[:ipv4Len]))
}

// ipv6 writes the IPv6 header (RFC 8200 section 3).
func (h *path) ipv6(b []byte, p *encap.Packet, length int) {
	binary.BigEndian.PutUint32(b, 6<<28|uint32(p.TOS)<<20|p.FlowLabel)
	binary.BigEndian.PutUint16(b[4:], uint16(length))
	b[6], b[7] = encap.ProtoUDP, h.ttl(p)+1
	copy(b[8:24], h.src[:])
	copy(b[24:40], h.key.dst[:])
}

// virtio writes the virtio header, little endian: the offsets count from the outer Ethernet header,
// before which the inner frame begins at.
func (b *header) virtio(h *path, p *encap.Packet, s superframe, at int) {
	v := b.b[:vnetLen]
	clear(v)
	o := &p.Frame.Offload
	v[0], v[1] = needsCsum, gsoTCPv4|gsoTunnel4
	if o.Kind == encap.GSOTCPv6 {
		v[1] = gsoTCPv6 | gsoTunnel4
	}
	if h.v6 {
		v[1] ^= gsoTunnel4 | gsoTunnel6
	}
	if o.ECN {
		v[1] |= gsoECN
	}
	if !h.noChecksum {
		v[0] |= tunnelCsum
	}
	le := binary.LittleEndian
	le.PutUint16(v[2:], uint16(at+s.headers))
	le.PutUint16(v[4:], o.SegSize)
	le.PutUint16(v[6:], uint16(at+s.l4))
	le.PutUint16(v[8:], tcpCsum)
	le.PutUint16(v[20:], uint16(ethernetLen+ipLen(h.v6)))
	le.PutUint16(v[22:], uint16(at+s.l3))
}
