package vtep

import (
	"maps"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// ownSources are the source ports and addresses of the transmitters. The caller holds v.mu.
func (v *VTEP) ownSources() *forward.OwnPackets {
	o := &forward.OwnPackets{Addrs: make(map[encap.Addr]struct{})}
	for _, s := range v.senders {
		for _, port := range s.ports {
			o.Ports[port/64] |= 1 << (port % 64)
		}
		if local := s.key.Local; local.IsValid() {
			o.Addrs[encap.AddrFrom(local)] = struct{}{}
		} else {
			o.Wild = true
		}
	}
	if !o.Wild {
		return o
	}
	// A packet of such a transmitter may have any address of this host.
	v.findOrigins()
	host, err := v.host.Origins(v.origins.Devices)
	if err != nil {
		v.log.Debug("the addresses of this host cannot be read", "err", err)
		maps.Copy(o.Addrs, v.plane.OwnPackets.Load().Addrs)
	}
	for a := range host.Own {
		o.Addrs[a] = struct{}{}
	}
	return o
}

// noteSources stores, for the data path, what own packets are known by now. The caller holds
// v.mu.
func (v *VTEP) noteSources() {
	now, before := v.ownSources(), v.plane.OwnPackets.Load()
	if now.Ports != before.Ports || now.Wild != before.Wild || !maps.Equal(now.Addrs, before.Addrs) {
		v.plane.OwnPackets.Store(now)
	}
}
