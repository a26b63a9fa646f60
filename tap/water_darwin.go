package tap

import "github.com/songgao/water"

// waterConfig asks for tuntaposx, the only TAP driver that water knows on
// macOS: the system's own utun carries no Ethernet.
func waterConfig(name string) water.Config {
	return water.Config{
		DeviceType: water.TAP,
		PlatformSpecificParams: water.PlatformSpecificParams{
			Name:   name,
			Driver: water.MacOSDriverTunTapOSX,
		},
	}
}
