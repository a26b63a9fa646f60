package vteptest

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// The devices that datagrams arrive by: eth0, which a network is behind, a veth and
// a bridge.
const (
	Eth0  uint32 = 1
	Veth0 uint32 = 2
	Br0   uint32 = 3
)

// ArriveBy has what the host hears from now on arrive by a device, Eth0 at first.
func (h *Host) ArriveBy(device uint32) { h.device.Store(device) }

// Origins implements vtep.Host.
func (h *Host) Origins(map[uint32]underlay.Device) (underlay.Origins, error) {
	o := underlay.Origins{
		Devices: map[uint32]underlay.Device{
			Eth0: {Name: "eth0", Origin: encap.OriginWire, Martian: true}, Veth0: {Origin: encap.OriginHere}, Br0: {Origin: encap.OriginMixed},
		},
		Own: make(map[encap.Addr]uint32),
	}
	for _, a := range h.addrs {
		o.Own[encap.AddrFrom(a)] = Eth0
	}
	return o, nil
}
