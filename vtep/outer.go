package vtep

import "github.com/uvtep/uvtep/encap"

// outer chooses the outer header's fields (conformance L08, L09, L18).
func (s *linkState) outer(p *encap.Packet, in *encap.Inner) {
	p.TOS = encap.EncapTOS(in.TOS, s.tos, s.tosInherit)
	p.TTL = s.ttl
	if s.ttlInherit {
		p.TTL = in.TTL
	}
	p.FlowLabel = s.flowLabel
	if s.labelInherit {
		p.FlowLabel = encap.FlowLabel(p.Frame.Data, in)
	}
}

// lane is which of the two transmitters takes the frame: 0 unless `df inherit`
// finds that the inner packet may be fragmented.
func (s *linkState) lane(in *encap.Inner) int {
	if s.dfInherit && !in.DF && in.IPVersion != 6 {
		return 1
	}
	return 0
}
