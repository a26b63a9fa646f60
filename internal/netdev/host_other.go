//go:build !linux

package netdev

import (
	"errors"

	"github.com/uvtep/uvtep/api"
)

// Read is for Linux: elsewhere what is known of a device has to do.
func (Host) Read(*api.Netdev) (api.Netdev, error) { return api.Netdev{}, errors.ErrUnsupported }

// Find is for Linux.
func (Host) Find(string) (int, error) { return 0, errors.ErrUnsupported }

// Master is for Linux.
func (Host) Master(*api.Netdev) (int, error) { return 0, errors.ErrUnsupported }

// SetMaster is for Linux.
func (Host) SetMaster(*api.Netdev, string) error { return errors.ErrUnsupported }

// ChangeBridge is for Linux.
func (Host) ChangeBridge(*api.Netdev, string, *api.FDBEntry) error { return errors.ErrUnsupported }
