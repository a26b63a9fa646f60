package tap

import "github.com/songgao/water"

// waterConfig asks for OpenVPN's driver, tap0901, by the connection's name.
func waterConfig(name string) water.Config {
	return water.Config{
		DeviceType: water.TAP,
		PlatformSpecificParams: water.PlatformSpecificParams{
			ComponentID:   "tap0901",
			InterfaceName: name,
		},
	}
}
