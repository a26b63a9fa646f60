package vtep

import "github.com/uvtep/uvtep/encap"

// MissKind says what a link was asked for and does not have.
type MissKind uint8

const (
	// MissL2: a frame for a unicast MAC without an FDB entry, on a link without a
	// default one (vxlan_fdb_miss in drivers/net/vxlan/vxlan_core.c).
	MissL2 MissKind = iota
	// MissL3: a question for the MAC of an address that the link, a proxy, has no
	// neighbour for (vxlan_ip_miss).
	MissL3
)

// Miss is what a controller that fills a link's tables is told.
type Miss struct {
	Link string // the netdev's present name
	Kind MissKind
	MAC  encap.MAC  // of MissL2
	IP   encap.Addr // of MissL3
}

// missedMAC tells of a frame to dst that has nowhere to go.
func (l *Link) missedMAC(s *linkState, dst encap.MAC) {
	if s.l2miss && !dst.IsMulticast() && l.vtep.onMiss != nil {
		l.vtep.onMiss(Miss{Link: s.name, Kind: MissL2, MAC: dst})
	}
}

// missedIP tells of a question for addr that has no answer here.
func (l *Link) missedIP(s *linkState, addr encap.Addr) {
	if s.l3miss && l.vtep.onMiss != nil {
		l.vtep.onMiss(Miss{Link: s.name, Kind: MissL3, IP: addr})
	}
}
