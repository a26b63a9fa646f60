package forward

import (
	"net/netip"

	"github.com/uvtep/uvtep/encap"
)

// Port is where frames for the host go: an access port, as far as the data path
// writes to it.
type Port interface {
	// Queues is the number of queues; each is read by one worker.
	Queues() int
	// WriteBatch hands frames to the host without keeping or changing them, and
	// returns how many it took. It may be called concurrently.
	WriteBatch(q int, frames []encap.Frame) (int, error)
}

// Transmitter is where packets for remotes go.
type Transmitter interface {
	// WriteBatch sends p, in order within a flow hash and remote, and sets the Result of
	// each. The error is net.ErrClosed or nil. It may be called concurrently.
	WriteBatch(p []encap.Packet) error
	// PathMTU is the size of the IP packets that reach dst, where a refusal as
	// encap.SendTooBig told.
	PathMTU(dst encap.Addr) (mtu int, ok bool)
}

// State is the immutable snapshot of a link that the data path reads.
type State struct {
	Name      string // the netdev's present one
	Up        bool
	MAC       encap.MAC
	MTU       int
	Own       encap.Addr     // outer source address, where known
	PeersOnly bool           // packets are taken from configured remotes alone
	Sources   []netip.Prefix // or from these addresses alone; nil: from everybody

	TrustNobody bool           // no sender is on this host
	SameHost    []netip.Prefix // senders with these addresses are on this host, too

	Port Port   // where frames go: its own, or that of its trunk
	VLAN uint16 // that they carry there; 0: none

	Join                              bool // segments of one flow to superframes
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
}

// accepts applies the peer policy (conformance S01).
func (s *State) accepts(src encap.Addr, p *Peer) bool {
	if s.PeersOnly {
		return p.IsPeer()
	}
	return s.Sources == nil || contains(s.Sources, src)
}
