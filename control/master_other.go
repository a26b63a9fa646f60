//go:build !linux

package control

import "errors"

// SetMaster is for Linux.
func SetMaster(string, string) error { return errors.ErrUnsupported }
