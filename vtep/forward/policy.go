package forward

import "github.com/uvtep/uvtep/encap"

// policy takes the group policy extension out of the header of a packet for a
// link with gbp, notes its id and reports whether its source may be learned:
// the kernel leaves that bit to whoever reads the packet's mark.
func (l *Link) policy(h *encap.Header) (learn bool) {
	p, ok := h.TakePolicy()
	if id := uint32(p.ID); ok && l.LastPolicy.Load() != id {
		l.LastPolicy.Store(id)
	}
	return !p.DontLearn
}
