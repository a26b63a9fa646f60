//go:build !linux

package underlay

import (
	"errors"
	"fmt"
)

// EnableGRO is for Linux.
func EnableGRO(index int) (device string, changed bool, err error) {
	return "", false, fmt.Errorf("underlay: GRO of interface %d: %w on this system", index, errors.ErrUnsupported)
}
