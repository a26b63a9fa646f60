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
	i, err := InterfaceByName(device)
	return Route{MTU: i.MTU, Over: i.Over, Interface: i.Index}, err
}

// InterfaceByName asks the system for a device.
func InterfaceByName(device string) (Interface, error) {
	ifi, err := net.InterfaceByName(device)
	if err != nil {
		return Interface{}, fmt.Errorf("underlay: interface %q: %w", device, err)
	}
	return Interface{Index: ifi.Index, MTU: ifi.MTU, Over: []Lower{{Index: ifi.Index, MTU: ifi.MTU}}}, nil
}
