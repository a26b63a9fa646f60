package underlay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// option is one integer socket option.
type option struct {
	level, name, value int
	what               string
}

func setOptions(fd int, opts ...option) error {
	for _, o := range opts {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("%s: %w", o.what, os.NewSyscallError("setsockopt", err))
		}
	}
	return nil
}

// bufferOption sets a socket buffer beyond net.core.[rw]mem_max where
// CAP_NET_ADMIN allows it, else up to it.
func bufferOption(fd, force, plain, bytes int, what string) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, bytes) == nil {
		return nil
	}
	return setOptions(fd, option{unix.SOL_SOCKET, plain, bytes, what})
}

// newSocket makes a UDP socket with what receivers and transmitters share.
// IP_FREEBIND allows an address that is not configured yet.
func newSocket(v6 bool, device string) (int, error) {
	family := unix.AF_INET
	if v6 {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if v6 {
		err = setOptions(fd,
			option{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1, "IPV6_V6ONLY"},
			option{unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1, "IPV6_FREEBIND"})
	} else {
		err = setOptions(fd, option{unix.IPPROTO_IP, unix.IP_FREEBIND, 1, "IP_FREEBIND"})
	}
	if err == nil && device != "" {
		err = bindToDevice(fd, device)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func bindToDevice(fd int, device string) error {
	err := unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, device)
	switch {
	case errors.Is(err, unix.ENODEV):
		return noInterface(device)
	case err != nil:
		return fmt.Errorf("bind to device %q: %w", device, os.NewSyscallError("setsockopt", err))
	}
	return nil
}

// unbindDevice takes back that bind to a link-local address binds to its device, too
// (__inet6_bind in net/ipv6/af_inet6.c): packets say by which they leave. It needs
// CAP_NET_RAW (sock_bindtoindex in net/core/sock.c); without it the socket sends by that
// device alone.
func unbindDevice(fd int, vrf string) error {
	if err := bindToDevice(fd, vrf); !errors.Is(err, unix.EPERM) {
		return err
	}
	return nil
}

// bind binds fd. A link-local address takes its scope from its zone, else from
// ifindex.
func bind(fd int, addr netip.Addr, port uint16, ifindex int) error {
	var sa unix.Sockaddr
	if addr.Is4() {
		sa = &unix.SockaddrInet4{Port: int(port), Addr: addr.As4()}
	} else {
		sa6 := &unix.SockaddrInet6{Port: int(port), Addr: addr.As16()}
		if addr.IsLinkLocalUnicast() || addr.IsLinkLocalMulticast() || addr.IsInterfaceLocalMulticast() {
			sa6.ZoneId = uint32(ifindex)
		}
		sa = sa6
	}
	err := unix.Bind(fd, sa)
	if errors.Is(err, unix.EADDRINUSE) {
		return portError(port)
	}
	return os.NewSyscallError("bind", err)
}

// scope is the interface index of a link-local address: its zone's, else that
// of device, else fallback.
func scope(addr netip.Addr, device string, fallback int) (int, error) {
	zone := addr.Zone()
	if zone == "" {
		zone = device
	}
	if zone == "" || addr.Is4() {
		return fallback, nil
	}
	if n, err := strconv.Atoi(zone); err == nil {
		return n, nil
	}
	link, err := linkByName(zone)
	if err != nil {
		return 0, err
	}
	return link.Attrs().Index, nil
}

func boundPort(fd int) (uint16, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return uint16(sa.Port), nil
	case *unix.SockaddrInet6:
		return uint16(sa.Port), nil
	}
	return 0, fmt.Errorf("getsockname: unexpected %T", sa)
}

// packetConn returns a second descriptor of fd as a net.UDPConn, registered with
// the runtime's poller.
func packetConn(fd int) (*net.UDPConn, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	f := os.NewFile(uintptr(dup), "udp")
	defer f.Close()
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*net.UDPConn)
	if !ok {
		_ = c.Close()
		return nil, fmt.Errorf("descriptor %d is a %T", fd, c)
	}
	return conn, nil
}
