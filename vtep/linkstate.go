package vtep

import (
	"net/netip"

	"github.com/uvtep/uvtep/encap"
)

// framePort is where frames for the host go: an access port, as far as the data path
// writes to it.
type framePort interface {
	// Queues is the number of queues; each is read by one worker.
	Queues() int
	// WriteBatch hands frames to the host without keeping or changing them, and
	// returns how many it took. It may be called concurrently.
	WriteBatch(q int, frames []encap.Frame) (int, error)
}

// packetSender is where packets for remotes go.
type packetSender interface {
	// WriteBatch sends p, in order within a flow hash and remote, and sets the Result of
	// each. The error is net.ErrClosed or nil. It may be called concurrently.
	WriteBatch(p []encap.Packet) error
	// PathMTU is the size of the IP packets that reach dst, where a refusal as
	// encap.SendTooBig told.
	PathMTU(dst encap.Addr) (mtu int, ok bool)
}

// linkState is the immutable snapshot of a link that the data path reads.
type linkState struct {
	name      string // the netdev's present one
	up        bool
	mac       encap.MAC
	mtu       int
	own       encap.Addr     // outer source address, where known
	peersOnly bool           // packets are taken from configured remotes alone
	sources   []netip.Prefix // or from these addresses alone; nil: from everybody

	trustNobody bool           // no sender is on this host
	sameHost    []netip.Prefix // senders with these addresses are on this host, too

	port framePort // where frames go: its own, or that of its trunk
	vlan uint16    // that they carry there; 0: none

	join                              bool // segments of one flow to superframes
	learn, dropVLAN                   bool
	dropReserved                      uint64 // reserved header bits that drop a packet
	proxy, gbp, l2miss, l3miss        bool
	proxyLearn                        bool
	moveGuard, loopGuard, clampMSS    bool
	bumLimit, peerBUMLimit            uint32 // flooded frames a second; 0: no limit
	policyID                          uint16 // sent where it is not 0
	ttlInherit, tosInherit, dfInherit bool
	ttl, tos                          uint8
	flowLabel                         uint32
	labelInherit                      bool
	tx                                [2]packetSender // by lane
	fragments                         packetSender    // for short frames that a path refuses; nil: none
	dev                               uint32          // index of the underlay device, or 0
	learned                           remoteKey       // of learned remotes, but for the address
	limit                             int             // remotes that learning may make
	maxBindings                       int             // addresses that a proxy may learn; 0: any number
}

// accepts applies the peer policy (conformance S01).
func (s *linkState) accepts(src encap.Addr, p *peer) bool {
	if s.peersOnly {
		return p.isPeer()
	}
	return s.sources == nil || contains(s.sources, src)
}
