//go:build !linux && !darwin && !windows

package tap

import "github.com/songgao/water"

// waterConfig has no name to give: water takes none on these systems.
func waterConfig(string) water.Config {
	return water.Config{DeviceType: water.TAP}
}
