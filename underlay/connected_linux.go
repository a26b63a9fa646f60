package underlay

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

// SocketView is what packets of a socket to a remote have.
type SocketView struct {
	Source   encap.Addr
	MTU      int   // of the path
	HopLimit uint8 // or TTL
}

// ConnectedTo asks the kernel by a socket that is connected to a remote, bound to local unless that is the zero Addr. metric is
// the hop limit of the route, 0 for none.
func ConnectedTo(local, dst encap.Addr, port uint16, metric int) (s SocketView, err error) {
	v6 := !dst.Is4()
	family, level, freebind, mtu, ttl := unix.AF_INET, unix.IPPROTO_IP, unix.IP_FREEBIND, unix.IP_MTU, unix.IP_TTL
	if v6 {
		family, level, freebind, mtu, ttl = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, unix.IPV6_MTU, unix.IPV6_UNICAST_HOPS
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return s, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if local != (encap.Addr{}) {
		err = unix.SetsockoptInt(fd, level, freebind, 1)
		if err == nil {
			err = unix.Bind(fd, unixSockaddr(local, 0))
		}
	}
	if err == nil {
		err = unix.Connect(fd, unixSockaddr(dst, port))
	}
	if err != nil {
		return s, fmt.Errorf("a socket has no way there: %w", err)
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		return s, os.NewSyscallError("getsockname", err)
	}
	switch own := own.(type) {
	case *unix.SockaddrInet4:
		s.Source = encap.AddrFrom(netip.AddrFrom4(own.Addr))
	case *unix.SockaddrInet6:
		s.Source = own.Addr
	}
	if s.MTU, err = unix.GetsockoptInt(fd, level, mtu); err != nil {
		return s, os.NewSyscallError("getsockopt", err)
	}
	hops, err := unix.GetsockoptInt(fd, level, ttl)
	if err != nil {
		return s, os.NewSyscallError("getsockopt", err)
	}
	if s.HopLimit = uint8(hops); metric != 0 {
		s.HopLimit = uint8(metric)
	}
	return s, nil
}

func unixSockaddr(a encap.Addr, port uint16) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(port), Addr: [4]byte(a[12:])}
	}
	return &unix.SockaddrInet6{Port: int(port), Addr: a}
}

// AutoFlowLabels reports whether the kernel gives packets of IPv6 sockets a flow label where they ask for none
// (net.ipv6.auto_flowlabels).
func AutoFlowLabels() bool {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false // there is no IPv6
	}
	defer unix.Close(fd)
	auto, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_AUTOFLOWLABEL)
	return err == nil && auto != 0
}
