package forward

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// arrived is who a packet for a link is from, and what is judged by beside its frame.
type arrived struct {
	header encap.Header
	carry  bool       // what the header carries is an Ethernet frame
	src    encap.Addr // of the outer header
	peer   *Peer      // of src; nil: none yet
	// back is the remote that the frame's source is learned behind; nil: the one that
	// peer has for that, or gets. A packet of this VTEP's own, which is handed over
	// here, knows it.
	back *Remote
}

// verdict is what admit makes of a packet.
type verdict uint8

const (
	refused   verdict = iota // and a DropReason says why
	admitted                 // the next one that is alike is, too
	unlearned                // admitted, but its source found no place: the next one's is looked for again
)

// admit is the one way into a link, from the network and from another link of this
// VTEP: it runs the checks on a packet and its frame, fills in in, and learns the
// frame's source. Header-only checks that tell which link a packet is for come
// before.
func (l *Link) admit(s *State, c *Counters, a *arrived, frame []byte, in *encap.Inner, now fdb.Tick, clock *clock) (DropReason, verdict) {
	if !s.Up {
		return RxLinkDown, refused
	}
	if a.back == nil && a.src == s.Own {
		return RxOwnEcho, refused
	}
	if !s.accepts(a.src, a.peer) {
		return RxNotPeer, refused
	}
	learn := s.Learn
	if s.GBP && !l.policy(&a.header) {
		learn = false
	}
	if a.header.ReservedSet() {
		c.reserved.Add(1)
		if a.header.Reserved()&s.DropReserved != 0 {
			return RxReserved, refused
		}
		if !a.carry {
			return RxNotEthernet, refused
		}
	}
	if len(frame) < encap.EthernetHeaderLen {
		return RxTooShort, refused
	}
	in.Parse(frame)
	src := encap.EthSrc(frame)
	switch {
	case src.IsMulticast() || src.IsZero():
		return RxBadSource, refused
	case src == s.MAC:
		return RxOwnMAC, refused
	case s.DropVLAN && in.Tags > 0:
		return RxInnerVLAN, refused
	case s.limited(frame) && !l.takes(s, a.peer, clock.read(l.plane)):
		return RxPeerBUMLimit, refused
	}
	v := admitted
	if learn {
		var r DropReason
		if r, v = l.learn(c, src, a, now); v == refused {
			return r, refused
		}
	}
	if s.ProxyLearn && learn == s.Learn { // else the packet says not to
		l.hears(s, frame, in, a.src, now)
	}
	return 0, v
}

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
