package forward

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// arrived is what a packet for a link is judged by beside its frame: its header, and who
// sent it.
type arrived struct {
	header encap.Header
	carry  bool       // the header says that an Ethernet frame follows
	src    encap.Addr // outer source address
	device uint32     // index of the device that the packet came by; 0: it is not known
	ttl    uint8      // outer TTL; 255 where no network is between
	peer   *Peer      // the peer with that address; nil: there is none yet
	// back is the remote that the frame's source MAC is learned behind, known where
	// another link of this VTEP hands the frame over; nil: peer.learned, which is made
	// where there is none.
	back *Remote
}

// verdict is what admit decides about a packet.
type verdict uint8

const (
	refused   verdict = iota // for the DropReason beside it
	admitted                 // and so is the next packet with the same headers and MACs
	unlearned                // admitted, but the source MAC found no place: the next packet has to try again
)

// admit is the one way into a link, from the network and from another link of this
// VTEP: it runs the checks on a packet and its frame, parses the frame to in, and learns
// the frame's source. The caller has read the header and found the link by it.
func (l *Link) admit(s *State, c *Counters, a *arrived, frame []byte, in *encap.Inner, now fdb.Tick, clock *clock) (DropReason, verdict) {
	if !s.Up {
		return RxLinkDown, refused
	}
	if a.ttl < s.MinTTL { // RFC 5082 section 3: before all that takes more time
		return RxLowTTL, refused
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
	if s.ProxyLearn && learn == s.Learn { // else the packet's policy extension forbids learning
		l.learnFromRemote(s, frame, in, a.src, now)
	}
	return 0, v
}

// policy takes the group policy extension out of the header of a packet for a link with
// gbp, stores the policy id, and reports whether the packet's source may be learned. (The
// kernel leaves the bit that forbids learning to whoever reads the packet's mark.)
func (l *Link) policy(h *encap.Header) (learn bool) {
	p, ok := h.TakePolicy()
	if id := uint32(p.ID); ok && l.LastPolicy.Load() != id {
		l.LastPolicy.Store(id)
	}
	return !p.DontLearn
}
