//go:build !linux

package cli

import (
	"errors"
	"fmt"
)

// inNetns refuses: network namespaces are Linux's.
func inNetns(name string, _ []string) error {
	if name == "" {
		return nil
	}
	return fmt.Errorf("network namespace %q: %w", name, errors.ErrUnsupported)
}
