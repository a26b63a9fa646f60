package forward

import "github.com/uvtep/uvtep/encap"

// outer chooses the outer header's fields (conformance L08, L09, L18).
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

// lane is which of the two transmitters takes the frame: 0 unless `df inherit`
// finds that the inner packet may be fragmented.
func (s *State) lane(in *encap.Inner) int {
	if s.DFInherit && !in.DF && in.IPVersion != 6 {
		return 1
	}
	return 0
}
