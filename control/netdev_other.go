//go:build !linux

package control

import "errors"

// readNetdev is for Linux: elsewhere the core's knowledge of a device has to do.
func readNetdev(string) (Netdev, error) { return Netdev{}, errors.ErrUnsupported }
