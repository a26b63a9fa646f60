//go:build !linux

package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// newDemoCommand builds `uvtep demo`, which needs network namespaces.
func newDemoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Join two hosts in network namespaces (Linux only)",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return fmt.Errorf("demo: %w: it builds its hosts from Linux network namespaces", errors.ErrUnsupported)
		},
	}
}
