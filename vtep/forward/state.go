package forward

import (
	"net/netip"

	"github.com/uvtep/uvtep/encap"
)

// Port is the side of an access port that the data path writes to: frames for the host.
type Port interface {
	// Queues is the number of queues. One worker reads each.
	Queues() int
	// WriteBatch gives frames to the host without keeping or changing them, and
	// returns how many the host took. It may be called concurrently.
	WriteBatch(q int, frames []encap.Frame) (int, error)
}

// Transmitter sends packets to remotes.
type Transmitter interface {
	// WriteBatch sends p, in order within a flow hash and remote, and sets the Result of
	// each. The error is net.ErrClosed or nil. It may be called concurrently.
	WriteBatch(p []encap.Packet) error
	// PathMTU is the size of the IP packets that reach dst, known where a packet was
	// refused with encap.SendTooBig.
	PathMTU(dst encap.Addr) (mtu int, ok bool)
}

// State is the immutable snapshot of a link that the data path reads.
type State struct {
	Name      string // the netdev's present one
	Up        bool
	MAC       encap.MAC
	MTU       int
	Own       encap.Addr     // outer source address of the link, where known
	PeersOnly bool           // the link accepts packets of configured remotes alone
	Sources   []netip.Prefix // else of these addresses alone; nil: of everybody
	MinTTL    uint8          // of packets from the network; 0: any

	TrustNobody bool           // no sender is on this host
	SameHost    []netip.Prefix // senders with these addresses are on this host, too

	Port Port   // the link's own, or its trunk's
	VLAN uint16 // tag of the link's frames on a trunk; 0: none

	Join                              bool // segments of one flow are joined to superframes
	Learn, DropVLAN                   bool
	DropReserved                      uint64 // reserved header bits that drop a packet
	Proxy, GBP, L2Miss, L3Miss        bool
	ProxyLearn                        bool
	MoveGuard, LoopGuard, ClampMSS    bool
	BUMLimit, PeerBUMLimit            uint32 // flooded frames a second; 0: no limit
	PolicyID                          uint16 // sent where it is not 0
	TTLInherit, TOSInherit, DFInherit bool
	TTL, TOS                          uint8
	FlowLabel                         uint32
	LabelInherit                      bool
	TX                                [2]Transmitter // by lane
	Fragments                         Transmitter    // for short frames that a path refuses; nil: none
	Dev                               uint32         // index of the underlay device, or 0
	Learned                           RemoteKey      // of learned remotes, but for the address
	Limit                             int            // remotes that learning may make
	MaxBindings                       int            // addresses that a proxy may learn; 0: any number
	Local                             encap.Addr     // configured outer source address; zero: the route chooses
	Captures                          []*Capture     // of the link's frames; nil: none
}

// accepts applies the peer policy: whether the link takes packets from src, whose peer is
// p (S01 in docs/conformance.md).
func (s *State) accepts(src encap.Addr, p *Peer) bool {
	if s.PeersOnly {
		return p.IsPeer()
	}
	return s.Sources == nil || contains(s.Sources, src)
}
