//go:build !linux

package underlay

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/uvtep/uvtep/encap"
)

// FindOrigins asks for the addresses of this host. It knows of no device: nothing is
// joined by this system's kernel.
func FindOrigins(map[uint32]Device) (Origins, error) {
	nets, err := net.InterfaceAddrs()
	if err != nil {
		return Origins{}, fmt.Errorf("underlay: addresses of this host: %w", err)
	}
	o := Origins{Devices: make(map[uint32]Device), Own: make(map[encap.Addr]uint32, len(nets))}
	for _, n := range nets {
		if p, err := netip.ParsePrefix(n.String()); err == nil {
			o.Own[encap.AddrFrom(p.Addr().Unmap().WithZone(""))] = 0
		}
	}
	return o, nil
}
