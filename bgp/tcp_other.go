//go:build !linux

package bgp

import (
	"errors"
	"fmt"
	"syscall"
)

// dialOptions refuses what this system's sockets are not asked for.
func dialOptions(_ syscall.RawConn, n *NeighbourConfig) error {
	if n.Device != "" || n.Password != "" || n.TTLSecurity {
		return fmt.Errorf("bgp: device, password and TTL security: %w", errors.ErrUnsupported)
	}
	return nil
}

func listenOptions(_ syscall.RawConn, device string, _ bool) error {
	if device != "" {
		return fmt.Errorf("bgp: device: %w", errors.ErrUnsupported)
	}
	return nil
}

func setDistance(c syscall.RawConn, n *NeighbourConfig) error { return dialOptions(c, n) }

func setPassword(c syscall.RawConn, n *NeighbourConfig) error { return dialOptions(c, n) }
