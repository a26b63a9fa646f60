package tunnelgso

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

const (
	clonePath = "/dev/net/tun"
	// names is the pattern of the netdev's name: the kernel puts the least number that is free in
	// (dev_alloc_name in net/core/dev.c), so that each process has one of its own.
	names = "uvtepgso%d"
	// offloads are all of TUN_F_* that Linux 6.17 has but UFO: the last two are of UDP tunnels
	// (include/uapi/linux/if_tun.h).
	offloads = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN | unix.TUN_F_USO4 | unix.TUN_F_USO6 |
		tunFTunnelGSO | tunFTunnelGSOCsum
	tunFTunnelGSO, tunFTunnelGSOCsum = 0x080, 0x100
)

// device is the TAP's netdev.
type device struct {
	name  string
	index int
	mac   encap.MAC
}

// openDevice makes the TAP, which goes with its descriptor.
func openDevice() (int, device, error) {
	fd, err := unix.Open(clonePath, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, device{}, os.NewSyscallError("open "+clonePath, err)
	}
	name, err := attach(fd)
	var d device
	if err == nil {
		d, err = configure(name)
	}
	if err != nil {
		return -1, device{}, errors.Join(err, unix.Close(fd))
	}
	return fd, d, nil
}

// attach makes the netdev of fd.
func attach(fd int) (name string, err error) {
	req, err := unix.NewIfreq(names)
	if err != nil {
		return "", err
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	switch err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); {
	case errors.Is(err, unix.EPERM):
		return "", errors.New("the process lacks CAP_NET_ADMIN, which a TAP of its own needs")
	case err != nil:
		return "", os.NewSyscallError("TUNSETIFF", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, vnetLen); err != nil {
		return "", os.NewSyscallError("TUNSETVNETHDRSZ", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETLE, 1); err != nil {
		return "", os.NewSyscallError("TUNSETVNETLE", err)
	}
	switch err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads); {
	case errors.Is(err, unix.EINVAL):
		return "", errors.New("the kernel has no tunnel GSO for TAPs: Linux 6.17 has")
	case err != nil:
		return "", os.NewSyscallError("TUNSETOFFLOAD", err)
	}
	return req.Name(), nil
}

// Identifiers of what is set (include/uapi/linux/if_link.h, include/uapi/linux/ip.h).
const (
	iflaInetConf          = 1
	iflaInet6AddrGenMode  = 8
	addrGenModeNone       = 1
	devconfForwarding     = 1
	devconfSendRedirects  = 6
	devconfRPFilter       = 8
	devconfAcceptLocal    = 23
	looseReversePath      = 2
	mostQueued            = 1
	loopbackBits, allBits = 8, 32
)

// configure makes the kernel forward what is written to the TAP, with the host's own addresses as source, and nothing
// that comes by another device: what is set is the TAP's alone, and goes with it. By netlink, since /proc/sys may be
// read-only.
//
// Who could have packets forwarded is who can write to the TAP: this process alone, which has it open, and
// writes only headers of its own making.
//
// An address has the kernel ask the routing table about sources, and rp_filter 2 take whatever is the
// answer, also where net.ipv4.conf.all.rp_filter is 1: the larger value counts
// (__fib_validate_source in net/ipv4/fib_frontend.c). It is one of 127.0.0.0/8, which are this host's anyway.
func configure(name string) (device, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return device{}, err
	}
	d := device{name: name, index: link.Attrs().Index, mac: encap.MAC(link.Attrs().HardwareAddr)}
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(d.index)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFLA_TXQLEN, nl.Uint32Attr(mostQueued))) // nobody reads
	families := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	conf := families.AddRtAttr(unix.AF_INET, nil).AddRtAttr(iflaInetConf, nil)
	for id, value := range map[int]uint32{devconfForwarding: 1, devconfAcceptLocal: 1, devconfRPFilter: looseReversePath, devconfSendRedirects: 0} {
		conf.AddRtAttr(id, nl.Uint32Attr(value))
	}
	if withIPv6(name) {
		families.AddRtAttr(unix.AF_INET6, nil).AddRtAttr(iflaInet6AddrGenMode, nl.Uint8Attr(addrGenModeNone))
	}
	req.AddData(families)
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return d, fmt.Errorf("set %s: %w", name, err)
	}
	own := &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(127, 47, 89, 1), Mask: net.CIDRMask(allBits, allBits)}, Scope: unix.RT_SCOPE_HOST}
	if err := netlink.AddrAdd(link, own); err != nil {
		return d, fmt.Errorf("address of %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return d, fmt.Errorf("set %s up: %w", name, err)
	}
	return d, nil
}

// conf6 is where the kernel's IPv6 settings of a netdev are.
func conf6(name, setting string) string {
	return filepath.Join(Settings, name, setting)
}

// withIPv6 reports whether the netdev takes IPv6 settings.
func withIPv6(name string) bool {
	_, err := os.Stat(conf6(name, "forwarding"))
	return err == nil
}

// forwardIPv6 makes the kernel forward IPv6 packets that are written to the TAP, since Linux 6.17
// (Documentation/networking/ip-sysctl.rst, force_forwarding). netlink has no word for it.
func forwardIPv6(name string) error {
	err := os.WriteFile(conf6(name, "force_forwarding"), []byte("1"), 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errors.New("the kernel has no net.ipv6.conf.*.force_forwarding: Linux 6.17 has")
	case err != nil:
		return fmt.Errorf("%w: it may be that /proc/sys is read-only here", err)
	}
	return nil
}
