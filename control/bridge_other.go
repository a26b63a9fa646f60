//go:build !linux

package control

import (
	"errors"

	"github.com/uvtep/uvtep/vtep"
)

// changeBridge is for Linux.
func changeBridge(*vtep.LinkInfo, string, *vtep.FDBEntry) error { return errors.ErrUnsupported }
