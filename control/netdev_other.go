//go:build !linux

package control

import (
	"errors"

	"github.com/uvtep/uvtep/api"
)

// readNetdev is for Linux: elsewhere the core's knowledge of a device has to do.
func readNetdev(string) (api.Netdev, error) { return api.Netdev{}, errors.ErrUnsupported }
