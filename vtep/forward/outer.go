package forward

import "github.com/uvtep/uvtep/encap"

// outer chooses the outer header's TOS (L08 in docs/conformance.md), TTL (L09) and flow
// label (L18).
func (s *State) outer(p *encap.Packet, in *encap.Inner) {
	p.TOS = encap.EncapTOS(in.TOS, s.TOS, s.TOSInherit)
	p.TTL = s.TTL
	if s.TTLInherit {
		p.TTL = in.TTL
	}
	p.FlowLabel = s.FlowLabel
	if s.LabelInherit {
		p.FlowLabel = encap.FlowLabel(p.Frame.Data, in)
	}
}

// lane is the transmitter, of the link's two, that sends the frame: 0, but 1 where the link
// has `df inherit` and the inner IPv4 packet has no DF bit.
func (s *State) lane(in *encap.Inner) int {
	if s.DFInherit && !in.DF && in.IPVersion != 6 {
		return 1
	}
	return 0
}
