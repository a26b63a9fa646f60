package underlay

import (
	"unsafe"

	"github.com/uvtep/uvtep/encap"
	"golang.org/x/sys/unix"
)

// controlBuffer holds the control messages of one packet, aligned as a cmsghdr
// is: traffic class, hop limit, interface and UDP_SEGMENT.
type controlBuffer [16]uint64

// fill writes what p asks for beyond the socket's defaults and returns its
// length in bytes, mostly 0. The interface goes into IP_PKTINFO or
// IPV6_PKTINFO: an IPv6 scope identifier alone is ignored for addresses of
// more than link scope (udpv6_sendmsg in net/ipv6/udp.c).
func (c *controlBuffer) fill(p *encap.Packet, v6 bool) int {
	if p.TOS == 0 && p.TTL == 0 && p.Zone == 0 {
		return 0
	}
	level, tos, ttl := int32(unix.IPPROTO_IP), int32(unix.IP_TOS), int32(unix.IP_TTL)
	if v6 {
		level, tos, ttl = unix.IPPROTO_IPV6, unix.IPV6_TCLASS, unix.IPV6_HOPLIMIT
	}
	at := 0
	if p.TOS != 0 {
		*(*int32)(c.add(&at, level, tos, 4)) = int32(p.TOS)
	}
	if p.TTL != 0 {
		*(*int32)(c.add(&at, level, ttl, 4)) = int32(p.TTL)
	}
	switch {
	case p.Zone == 0:
	case v6:
		*(*unix.Inet6Pktinfo)(c.add(&at, level, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)) =
			unix.Inet6Pktinfo{Ifindex: p.Zone}
	default:
		*(*unix.Inet4Pktinfo)(c.add(&at, level, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)) =
			unix.Inet4Pktinfo{Ifindex: int32(p.Zone)}
	}
	return at
}

// add appends the header of a control message with size bytes of data, moves
// at behind it and returns where the data goes.
func (c *controlBuffer) add(at *int, level, kind int32, size int) unsafe.Pointer {
	h := unsafe.Add(unsafe.Pointer(c), *at)
	*(*unix.Cmsghdr)(h) = unix.Cmsghdr{Level: level, Type: kind}
	(*unix.Cmsghdr)(h).SetLen(unix.CmsgLen(size))
	*at += unix.CmsgSpace(size)
	return unsafe.Add(h, unix.CmsgLen(0))
}
