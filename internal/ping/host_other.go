//go:build !linux

package ping

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// Host is the network of this process: only Linux's is asked.
type Host struct{}

var _ Network = (*Host)(nil)

// Route is not supported.
func (*Host) Route(netip.Addr, netip.Addr) (string, netip.Addr, int, error) {
	return "", netip.Addr{}, 0, errors.ErrUnsupported
}

// Echo is not supported.
func (*Host) Echo(netip.Addr, netip.Addr, int, time.Duration) (Answer, error) {
	return Answer{}, errors.ErrUnsupported
}

// UDP is not supported.
func (*Host) UDP(netip.Addr, netip.AddrPort, []byte) error { return errors.ErrUnsupported }

// Neighbour is not supported.
func (*Host) Neighbour(string, net.HardwareAddr, netip.Addr, time.Duration) ([]net.HardwareAddr, error) {
	return nil, errors.ErrUnsupported
}

// Watch is not supported.
func (*Host) Watch(netip.Addr, uint16) (func() (int, error), error) {
	return nil, errors.ErrUnsupported
}

func isRefused(error) bool { return false }
