package api

// Offload says what the kernel does for a link at present. A Reason says why an offload is not
// in use.
type Offload struct {
	TAP    TAPOffload `json:"tap"`
	UDPGSO UDPGSO     `json:"udp_gso"`
	UDPGRO UDPGRO     `json:"udp_gro"`
	Filter Filter     `json:"filter"`
	// TunnelGSO is on where TCP superframes to some remote leave whole.
	TunnelGSO TunnelGSO `json:"tunnel_gso"`
	// TXRing is on where copies to some remote leave by a ring that the kernel shares.
	TXRing TXRing `json:"tx_ring"`
}

// TAPOffload has the offloads of the link's device: checksum, tso and uso.
type TAPOffload struct {
	Read   []string `json:"read"`  // what the kernel leaves to uvtep in frames that uvtep reads
	Write  []string `json:"write"` // superframes that the kernel takes whole; uvtep cuts the others
	Reason string   `json:"reason,omitempty"`
}

// UDPGSO is the offload of packets that are sent to the underlay.
type UDPGSO struct {
	Segments int    `json:"segments"` // most datagrams in a message
	Reason   string `json:"reason,omitempty"`
}

// TunnelGSO is the offload of TCP superframes that are sent to the underlay whole, for its device to cut.
type TunnelGSO struct {
	On     bool   `json:"on"`
	Reason string `json:"reason,omitempty"` // also where it is on: of a remote to which it is not
}

// TXRing says whether copies of frames, and others that cannot be joined, leave without a system call each.
type TXRing struct {
	On     bool   `json:"on"`
	Reason string `json:"reason,omitempty"` // also where it is on: of a remote to which it is not
}

// UDPGRO is the offload of packets that are received from the underlay.
type UDPGRO struct {
	On     bool   `json:"on"`
	Reason string `json:"reason,omitempty"`
}

// Filter says whether the kernel drops packets from no peer.
type Filter struct {
	On     bool   `json:"on"`
	Reason string `json:"reason,omitempty"`
}
