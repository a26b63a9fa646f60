package encap

import "encoding/binary"

// FlagGBP is the G flag: the group policy extension is there (draft-smith-vxlan-
// group-policy-05 section 2.1; struct vxlanhdr_gbp in include/net/vxlan.h).
//
//	|G|R|R|R|I|R|R|R|R|D|R|R|A|R|R|R|        Group Policy ID        |
const FlagGBP uint8 = 0x80

// D and A in the 24 bits behind the flags.
const (
	gbpDontLearn = 0x400000
	gbpApplied   = 0x080000
)

// Policy is what the group policy extension of a header says.
type Policy struct {
	ID        uint16
	DontLearn bool // D: the receiver does not learn the frame's source
	Applied   bool // A: policy was applied already
}

// TakePolicy reads the extension and clears its bits in h, so that they do not
// count as reserved: the G flag and, as in the kernel, the 24 bits behind the
// flags with or without it (vxlan_parse_gbp_hdr in
// drivers/net/vxlan/vxlan_core.c). It is false without the G flag.
func (h *Header) TakePolicy() (p Policy, ok bool) {
	if ok = h.Flags&FlagGBP != 0; ok {
		p = Policy{
			ID:        uint16(h.Reserved1),
			DontLearn: h.Reserved1&gbpDontLearn != 0,
			Applied:   h.Reserved1&gbpApplied != 0,
		}
	}
	h.Flags &^= FlagGBP
	h.Reserved1 = 0
	return p, ok
}

// SetPolicyID puts a policy id into an encoded header. Id 0 leaves it without
// the extension (vxlan_build_gbp_hdr).
func SetPolicyID(h *[HeaderLen]byte, id uint16) {
	if id == 0 {
		return
	}
	h[0] |= FlagGBP
	binary.BigEndian.PutUint16(h[2:], id)
}
