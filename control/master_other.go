//go:build !linux

package control

import (
	"errors"

	"github.com/uvtep/uvtep/vtep"
)

// SetMaster is for Linux.
func SetMaster(*vtep.LinkInfo, string) error { return errors.ErrUnsupported }
