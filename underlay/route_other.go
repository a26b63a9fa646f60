//go:build !linux

package underlay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// RouteTo asks the kernel for the route to dst. Only the interface of a named
// device is known here; without one the error wraps errors.ErrUnsupported.
func RouteTo(dst netip.Addr, device string) (Route, error) {
	if device == "" {
		device = dst.Zone()
	}
	if device == "" {
		return Route{}, fmt.Errorf("underlay: route to %s: %w on this system: name the device", dst, errors.ErrUnsupported)
	}
	index, mtu, err := InterfaceByName(device)
	return Route{MTU: mtu, Interface: index}, err
}

// InterfaceByName gives the index and MTU of a network interface.
func InterfaceByName(device string) (index, mtu int, err error) {
	ifi, err := net.InterfaceByName(device)
	if err != nil {
		return 0, 0, fmt.Errorf("underlay: interface %q: %w", device, err)
	}
	return ifi.Index, ifi.MTU, nil
}
