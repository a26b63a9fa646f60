package bgp

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// control calls fn with the socket, and returns what failed.
func control(c syscall.RawConn, fn func(fd int) error) error {
	var failed error
	if err := c.Control(func(fd uintptr) { failed = fn(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// dialOptions sets what a socket that is to connect to the neighbour needs.
func dialOptions(c syscall.RawConn, n *NeighbourConfig) error {
	if n.Device != "" {
		if err := control(c, func(fd int) error { return bindToDevice(fd, n.Device) }); err != nil {
			return err
		}
	}
	if n.Password != "" {
		if err := setPassword(c, n); err != nil {
			return err
		}
	}
	return setDistance(c, n)
}

// listenOptions has several sockets listen at one port, each on a device of its own. Their
// answers to a connection have the greatest TTL: a neighbour may look at it (RFC 5082).
func listenOptions(c syscall.RawConn, device string, v4 bool) error {
	level, ttl := unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	if v4 {
		level, ttl = unix.IPPROTO_IP, unix.IP_TTL
	}
	return control(c, func(fd int) error {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return os.NewSyscallError("setsockopt SO_REUSEPORT", err)
		}
		if err := unix.SetsockoptInt(fd, level, ttl, maxTTL); err != nil {
			return os.NewSyscallError("setsockopt TTL", err)
		}
		if device == "" {
			return nil
		}
		return bindToDevice(fd, device)
	})
}

func bindToDevice(fd int, device string) error {
	if err := unix.BindToDevice(fd, device); err != nil {
		return fmt.Errorf("bgp: bind to device %q: %w", device, err)
	}
	return nil
}

// setDistance sets the TTL of packets to the neighbour and, with TTLSecurity, the least one
// of those that it sends: others are dropped by the kernel (net/ipv4/tcp_ipv4.c, min_ttl).
func setDistance(c syscall.RawConn, n *NeighbourConfig) error {
	level, ttl, least := unix.IPPROTO_IP, unix.IP_TTL, unix.IP_MINTTL
	if n.Address.Is6() {
		level, ttl, least = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, unix.IPV6_MINHOPCOUNT
	}
	return control(c, func(fd int) error {
		if err := unix.SetsockoptInt(fd, level, ttl, n.ttl()); err != nil {
			return os.NewSyscallError("setsockopt TTL", err)
		}
		if !n.TTLSecurity {
			return nil
		}
		return os.NewSyscallError("setsockopt MINTTL", unix.SetsockoptInt(fd, level, least, maxTTL+1-int(n.Hops)))
	})
}

// setPassword has the kernel sign what goes to the neighbour and take nothing else from it
// (RFC 2385; include/uapi/linux/tcp.h, struct tcp_md5sig). An empty password ends that.
func setPassword(c syscall.RawConn, n *NeighbourConfig) error {
	sig := unix.TCPMD5Sig{Keylen: uint16(len(n.Password))}
	copy(sig.Key[:], n.Password)
	if n.Address.Is4() {
		sig.Addr.Family = unix.AF_INET
		a := n.Address.As4()
		copy(sig.Addr.Data[2:], a[:]) // struct sockaddr_in: port, address
	} else {
		sig.Addr.Family = unix.AF_INET6
		a := n.Address.As16()
		copy(sig.Addr.Data[6:], a[:]) // struct sockaddr_in6: port, flow, address
	}
	err := control(c, func(fd int) error { return unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, unix.TCP_MD5SIG, &sig) })
	if errors.Is(err, unix.ENOENT) && n.Password == "" { // there was none
		return nil
	}
	if errors.Is(err, unix.ENOPROTOOPT) {
		return fmt.Errorf("this kernel has no TCP MD5 signatures (CONFIG_TCP_MD5SIG): %w", errors.ErrUnsupported)
	}
	return os.NewSyscallError("setsockopt TCP_MD5SIG", err)
}
