package ping

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// Host is the network namespace of this process. The zero value is ready.
type Host struct{ seq int }

var _ Network = (*Host)(nil)

// Route asks the kernel.
func (*Host) Route(remote, _ netip.Addr) (dev string, src netip.Addr, mtu int, err error) {
	r, err := underlay.RouteTo(remote, "")
	if err != nil {
		return "", src, 0, err
	}
	i, err := net.InterfaceByIndex(r.Interface)
	if err != nil {
		return "", src, 0, err
	}
	return i.Name, r.Source, r.MTU, nil
}

func needsRaw(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w: run uvtep ping as root, or with CAP_NET_RAW", err)
	}
	return err
}

// answers is how long ICMP has to say something against a datagram.
const answers = 300 * time.Millisecond

// others is how long a second host has to say that it has an address, too. Who answers by proxy ARP, or as an IPv6 proxy,
// takes up to 0.8 s for a question to all (proxy_delay, arp(7)).
const others = 1200 * time.Millisecond

// UDP sends the datagram three times: a host limits the errors that it sends.
func (*Host) UDP(from netip.Addr, to netip.AddrPort, payload []byte) error {
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(to))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // what it has to say was read
	for range tries {
		if _, err := conn.Write(payload); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(answers)); err != nil {
			return err
		}
		// Whoever answers listens; ErrDeadlineExceeded is silence.
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			return nil
		} else if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	return nil
}

func isRefused(err error) bool { return errors.Is(err, unix.ECONNREFUSED) }

// Neighbour asks by ARP (RFC 826), or by a neighbour solicitation (RFC 4861 section 4.3).
func (*Host) Neighbour(dev string, mac net.HardwareAddr, ip netip.Addr, wait time.Duration) ([]net.HardwareAddr, error) {
	i, err := net.InterfaceByName(dev)
	if err != nil {
		return nil, err
	}
	return asked(i, mac, sourceIn(i, ip), ip, wait)
}

// Probe asks who else has an address of this host: with no source address, so that nobody
// takes the question for an announcement (RFC 5227 section 2.1.1, RFC 4862 section 5.4.2).
func (*Host) Probe(dev string, mac net.HardwareAddr, ip netip.Addr, wait time.Duration) ([]net.HardwareAddr, error) {
	i, err := net.InterfaceByName(dev)
	if err != nil {
		return nil, err
	}
	from := netip.IPv4Unspecified()
	if ip.Is6() {
		from = netip.IPv6Unspecified()
	}
	return asked(i, mac, from, ip, wait)
}

// asked sends a question and gathers the answers.
func asked(i *net.Interface, mac net.HardwareAddr, from, ip netip.Addr, wait time.Duration) ([]net.HardwareAddr, error) {
	dev := i.Name
	question, isAnswer := arpQuestion(mac, from, ip), arpAnswer
	proto := uint16(unix.ETH_P_ARP)
	if ip.Is6() {
		question, isAnswer, proto = solicitation(mac, from, ip), advertisement, unix.ETH_P_IPV6
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(bigEndian(proto)))
	if err != nil {
		return nil, needsRaw(os.NewSyscallError("socket", err))
	}
	defer func() { _ = unix.Close(fd) }() // a socket without a queue to write
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(proto), Ifindex: i.Index}); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	if _, err := unix.Write(fd, question); err != nil {
		return nil, os.NewSyscallError("write "+dev, err)
	}
	buf := make([]byte, 2048)
	return collect(wait, func(b []byte) net.HardwareAddr { return isAnswer(b, ip) }, func(wait time.Duration) ([]byte, error) {
		t := unix.NsecToTimeval(wait.Nanoseconds())
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &t); err != nil {
			return nil, os.NewSyscallError("setsockopt", err)
		}
		n, err := unix.Read(fd, buf)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			return nil, nil
		case err != nil:
			return nil, os.NewSyscallError("read "+dev, err)
		}
		return buf[:n], nil
	})
}

// collect reads frames until wait is over or, once somebody has answered, until others had their time. read waits no
// longer than it is told, and returns nothing where nothing came.
func collect(wait time.Duration, answer func([]byte) net.HardwareAddr, read func(wait time.Duration) ([]byte, error)) ([]net.HardwareAddr, error) {
	var macs []net.HardwareAddr
	for end := time.Now().Add(wait); ; {
		left := time.Until(end)
		if left <= 0 && len(macs) > 0 {
			return macs, nil
		}
		if left <= 0 {
			return nil, ErrSilent
		}
		b, err := read(max(left, time.Millisecond))
		if err != nil {
			return nil, err
		}
		from := answer(b)
		if from == nil || slices.ContainsFunc(macs, func(m net.HardwareAddr) bool { return bytes.Equal(m, from) }) {
			continue
		}
		if macs = append(macs, from); len(macs) == 1 {
			end = time.Now().Add(others)
		}
	}
}

// sourceIn is an address of a device that the host of ip answers to; without one, 0.0.0.0 (an
// ARP probe, RFC 5227) and the link-local address that follows from the MAC.
func sourceIn(i *net.Interface, ip netip.Addr) netip.Addr {
	addrs, _ := i.Addrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Contains(ip) {
			return p.Addr()
		}
	}
	if ip.Is6() {
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsLinkLocalUnicast() && p.Addr().Is6() {
				return p.Addr()
			}
		}
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

func bigEndian(v uint16) uint16 {
	return binary.NativeEndian.Uint16([]byte{byte(v >> 8), byte(v)})
}

// macLen is encap.MAC's.
const macLen = len(encap.MAC{})
