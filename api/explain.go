package api

import "net/netip"

// Question is a frame whose way is to be explained, as GET /v1/explain takes it.
type Question struct {
	// Dev is the link, or the trunk port, whose port the frame comes from; of a packet the
	// link that it is for.
	Dev     string
	Frame   []byte     // the Ethernet frame; of a trunk port with its VLAN tag
	From    netip.Addr // of a packet: its outer source address
	Payload []byte     // of a packet: its UDP payload; nil: a VXLAN header and Frame
	VNI     *uint32    // of the header that is made; nil: the link's
	TOS     uint8      // of a packet: its outer TOS or traffic class
}

// Explanation is what the data path does with a frame.
type Explanation struct {
	Steps   []ExplainStep `json:"steps"`           // in packet order, up to the one where the frame ends
	Drops   []string      `json:"drops,omitempty"` // why the frame, or copies of it, go no further
	Dropped bool          `json:"dropped"`         // the frame goes nowhere
	Verdict string        `json:"verdict"`
}

// ExplainStep is one step of the data path.
type ExplainStep struct {
	Name string `json:"name"`
	Text string `json:"text"`
	Drop string `json:"drop,omitempty"` // why the frame, or this copy of it, ends here
}
