package api

// TypeTrunk is the type of a port whose VLANs are the ports of links.
const TypeTrunk = "trunk"

// PortSpec describes a port that is not a link's. A nil field stands for the default when a
// port is added, and for no change when it is changed.
type PortSpec struct {
	Name       string  `json:"name,omitempty" yaml:"name,omitempty"`
	Type       string  `json:"type,omitempty" yaml:"type,omitempty"`       // trunk
	MTU        *int    `json:"mtu,omitempty" yaml:"mtu,omitempty"`         // nil: the least of its links'
	Address    *string `json:"address,omitempty" yaml:"address,omitempty"` // MAC address
	Queues     *int    `json:"queues,omitempty" yaml:"queues,omitempty"`
	Persist    *bool   `json:"persist,omitempty" yaml:"persist,omitempty"`
	User       *uint32 `json:"user,omitempty" yaml:"user,omitempty"`               // UID
	GroupOwner *uint32 `json:"group-owner,omitempty" yaml:"group-owner,omitempty"` // GID
}

// PortChange is a PortSpec, and whether to set the port up or down.
type PortChange struct {
	PortSpec
	Up *bool `json:"up,omitempty" yaml:"up,omitempty"`
}

// Port is a port at present.
type Port struct {
	Spec   PortSpec   `json:"spec"`
	Netdev Netdev     `json:"netdev"`
	VLANs  []PortVLAN `json:"vlans"` // by VLAN id
	// Drops are the drops that no link counts, by reason: the port's queue was full, or no
	// link has the frame's VLAN.
	Drops map[string]uint64 `json:"drops,omitempty"`
}

// PortVLAN is a VLAN of a trunk port and the link that has it.
type PortVLAN struct {
	VLAN uint16 `json:"vlan"`
	ID   uint32 `json:"id"` // VNI
	Link string `json:"link"`
}
