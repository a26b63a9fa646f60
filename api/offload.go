package api

// Offload says what the kernel does for a link at present, as far as it is
// known. Reasons are given where less than the most is in use.
type Offload struct {
	TAP    TAPOffload `json:"tap"`
	UDPGSO UDPGSO     `json:"udp_gso"`
	UDPGRO UDPGRO     `json:"udp_gro"`
	Filter Filter     `json:"filter"`
}

// TAPOffload is of the link's device: checksum, tso and uso.
type TAPOffload struct {
	Read   []string `json:"read"`  // left to uvtep in frames that it reads
	Write  []string `json:"write"` // superframes that the kernel takes whole; others are cut
	Reason string   `json:"reason,omitempty"`
}

// UDPGSO is of what is sent to the underlay.
type UDPGSO struct {
	Segments int    `json:"segments"` // datagrams a message, at most
	Reason   string `json:"reason,omitempty"`
}

// UDPGRO is of what is received from the underlay.
type UDPGRO struct {
	On     bool   `json:"on"`
	Reason string `json:"reason,omitempty"`
}

// Filter is whether the kernel drops what comes from no peer.
type Filter struct {
	On     bool   `json:"on"`
	Reason string `json:"reason,omitempty"`
}
