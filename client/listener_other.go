//go:build !linux

package client

import "net"

// listenerOf is for Linux: elsewhere it cannot be told.
func listenerOf(net.Conn) int { return 0 }
