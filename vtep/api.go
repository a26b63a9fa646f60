package vtep

import (
	"net/netip"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// DF says how the Don't Fragment bit of the outer IPv4 header is set.
type DF uint8

const (
	DFSet     DF = iota // always (RFC 7348 section 4.3: a VTEP must not fragment)
	DFUnset             // never: Linux's default
	DFInherit           // as the inner IPv4 header has it; always for inner IPv6
)

// AcceptMode says from which outer source addresses packets are taken.
type AcceptMode uint8

const (
	// AcceptDefault is AcceptAny for a link with a group, else AcceptPeers.
	AcceptDefault AcceptMode = iota
	// AcceptPeers takes packets from configured remotes only: addresses that a
	// user's or a controller's FDB entry of the link names.
	AcceptPeers
	// AcceptAny takes packets from everybody, as Linux does.
	AcceptAny
	// AcceptPrefixes takes packets from the addresses of Accept.Prefixes.
	AcceptPrefixes
)

// Accept is the peer policy of a link.
type Accept struct {
	Mode     AcceptMode
	Prefixes []netip.Prefix // for AcceptPrefixes
}

// SameHostMode says which senders on this host a link expects: kernel VTEPs, whose
// superframes and partial checksums arrive as they are (T1 in docs/conformance.md).
type SameHostMode uint8

const (
	// SameHostAuto: datagrams that arrived by lo or a veth may come from a sender on
	// this host.
	SameHostAuto SameHostMode = iota
	// SameHostNone: no sender is on this host.
	SameHostNone
	// SameHostPrefixes is SameHostAuto, and senders with addresses of these prefixes are
	// on this host as well: behind a bridge or a macvlan, or in a virtual machine.
	SameHostPrefixes
)

// SameHost says which senders are on this host.
type SameHost struct {
	Mode     SameHostMode
	Prefixes []netip.Prefix // for SameHostPrefixes
}

// ReservedPolicy has a 1 for each reserved bit of the header that drops a packet, in the
// order of encap.Header.Reserved. Linux has such a mask as well
// (IFLA_VXLAN_RESERVED_BITS, vxlan_rcv in drivers/net/vxlan/vxlan_core.c).
type ReservedPolicy uint64

const (
	ReservedIgnore ReservedPolicy = 0                                 // RFC 7348 section 5: ignored on receipt
	ReservedDrop                  = ReservedPolicy(encap.AllReserved) // as Linux, OVS and VPP
)

// InnerVLANPolicy says what becomes of inner frames with a VLAN tag, in both
// directions (RFC 7348 section 6.1).
type InnerVLANPolicy uint8

const (
	InnerVLANPass InnerVLANPolicy = iota // as Linux
	InnerVLANDrop                        // the RFC's SHOULD
)

// Defaults of a link; Linux's unless said otherwise.
const (
	DefaultAgeing       = 300 * time.Second
	DefaultMaxAddresses = 16384 // Linux: unlimited
	DefaultMTU          = 1500  // where no route tells the MTU
)

// NeverAge as LinkConfig.Ageing keeps learned entries for ever, as the
// kernel's `ageing 0` does.
const NeverAge time.Duration = -1

// UnlimitedAddresses as LinkConfig.MaxAddresses lifts the FDB's limit.
const UnlimitedAddresses = -1

// LinkConfig describes a link. The zero value of each field means its default;
// Name and VNI are needed. The words are those of `ip link add type vxlan`.
type LinkConfig struct {
	Name string
	VNI  encap.VNI
	// Remote (unicast) or Group (multicast) is the default destination: the
	// first entry of the flood list. At most one of them is set.
	Remote, Group netip.Addr
	Local         netip.Addr // outer source address; invalid: the route's choice
	Dev           string     // underlay device: of the default remote, the group and the MTU
	DstPort       uint16     // 0: 4789
	// SrcPortMin and SrcPortMax bound the outer source port, both included;
	// 0, 0 stands for 49153-65535 (RFC 7348 section 5; see underlay.DefaultPortMin).
	SrcPortMin, SrcPortMax uint16

	TTL        uint8 // outer TTL; 0: the route's for unicast, 1 for multicast
	TTLInherit bool  // copy the inner one
	TOS        uint8 // outer TOS; its ECN bits are the inner ones
	TOSInherit bool  // copy the inner DSCP
	DF         DF
	// FlowLabel is that of the outer IPv6 header, 20 bits; 0: the kernel's choice,
	// a hash. The driver's is 0 then (vxlan_xmit_one in drivers/net/vxlan/vxlan_core.c).
	FlowLabel uint32
	// FlowLabelInherit copies the inner one (IFLA_VXLAN_LABEL_POLICY); that of what
	// is not IPv6 is 0.
	FlowLabelInherit bool

	// NoLocalBypass sends to remotes that are other links of this VTEP through
	// the network, too (IFLA_VXLAN_LOCALBYPASS of drivers/net/vxlan, on by default).
	NoLocalBypass bool

	// GBP: the link reads the group policy extension of received packets, whose bits are
	// then not reserved (draft-smith-vxlan-group-policy; IFLA_VXLAN_GBP), and sends
	// PolicyID where that is not 0. The kernel sends the packet's mark instead.
	GBP      bool
	PolicyID uint16

	// NoMoveGuard lets MACs move between remotes any number of times; else a MAC is held
	// after 5 moves within 180 s (RFC 7432 section 15.1). Linux has no such guard.
	NoMoveGuard bool
	// NoLoopGuard floods the same frame any number of times; else at most 200 times a
	// second. Linux has no such guard.
	NoLoopGuard bool
	// BUMLimit is how many broadcast, unknown unicast and multicast frames the link
	// sends a second, before copies; 0: any number.
	BUMLimit uint32
	// PeerBUMLimit is the limit of each remote: how many copies of such frames the link
	// sends to the remote a second, and how many broadcast and multicast frames it takes
	// from the remote.
	PeerBUMLimit uint32
	// ClampMSS lowers the MSS of TCP SYNs, in both directions, to what fits the link's
	// MTU, or the MTU of the path to the remote where that is known to be smaller.
	ClampMSS bool
	// Proxy answers ARP requests and neighbour solicitations from the netdev's
	// neighbour table (IFLA_VXLAN_PROXY).
	Proxy bool
	// ProxyLearn makes a proxy answer from what remote hosts claim as well, for addresses
	// that the neighbour table does not have. Linux has no such thing.
	ProxyLearn bool
	// L2Miss and L3Miss: subscribers are told of MACs without an FDB entry and of
	// addresses without a neighbour (IFLA_VXLAN_L2MISS, IFLA_VXLAN_L3MISS).
	L2Miss, L3Miss bool

	// LearnLocal learns the MAC addresses on this side from the port's frames, and their IP
	// addresses from ARP and neighbour discovery (WalkLocal, LocalEvents). An FDB entry of
	// such an address that was learned or is a controller's gives way.
	LearnLocal bool
	// EVPN says that the link is one of a fabric, for an EVPN agent to take: it brings
	// LearnLocal, and changes nothing else.
	EVPN         bool
	NoLearning   bool
	Ageing       time.Duration // 0: DefaultAgeing; NeverAge
	MaxAddresses int           // 0: DefaultMaxAddresses; UnlimitedAddresses

	NoUDPChecksum  bool // IPv4: send checksum 0; on IPv6 it means nothing, as in Linux
	UDP6ZeroCsumTx bool // IPv6: send checksum 0 (RFC 6935)
	UDP6ZeroCsumRx bool // IPv6: accept checksum 0 (RFC 6935)

	MTU     int       // of the netdev; 0: derived from the route or Dev
	Index   int       // of the netdev; 0: the kernel's next
	Address encap.MAC // of the netdev; zero: random

	Accept    Accept
	MinTTL    uint8 // of packets from the network (RFC 5082); 0: any. Linux has no such limit
	SameHost  SameHost
	Reserved  ReservedPolicy
	InnerVLAN InnerVLANPolicy
	Queues    int // access port queues, one worker each; 0: 1

	// Trunk and VLAN make the link's port a VLAN of a trunk port (AddTrunk) instead of a
	// netdev of its own. The link's frames carry the tag on the trunk only.
	Trunk string
	VLAN  uint16

	// Persist keeps the netdev, with its addresses and its bridge, when the VTEP ends
	// (TUNSETPERSIST); DelLink deletes it all the same. Owner and OwnerGroup may then
	// open the netdev; nil: root alone (TUNSETOWNER, TUNSETGROUP in drivers/net/tun.c).
	Persist           bool
	Owner, OwnerGroup *uint32
}

// LinkInfo is a link as it stands.
type LinkInfo struct {
	Config    LinkConfig // as given; fields that were not set are not set here
	tap.State            // of the netdev
	Missing   string     // what a link lacks that is not complete: it is tried again each second
	MTUSource string     // what the MTU was derived from: "mtu", "dev eth0", "route", "default", or "device", which somebody set
	Entries   int        // FDB entries
	Addresses int        // those of unicast addresses, which MaxAddresses limits
	Learned   int        // addresses that a proxy learned
	Stats     forward.Stats
	// Shared are the drops of the sockets that the link shares with other links of its
	// local address and port, without zeros. VTEP.Stats has them as well.
	Shared   map[forward.DropReason]uint64
	Offloads LinkOffloads
	Troubles []Trouble              // of remotes, by address
	ICMP     map[TroubleKind]uint64 // messages about remotes, without zeros
	// Remotes are the counters of at most 64 remotes, and MoreRemotes is how many there are
	// beyond those.
	Remotes     []RemoteStats
	MoreRemotes int
}

// Remote is another VTEP, which frames go to.
type Remote struct {
	Addr netip.Addr // invalid: not given
	Port uint16     // 0: the link's dstport; listed only where it differs
	VNI  *encap.VNI // nil: the link's; listed only where it differs
	Via  string     // outgoing device; "": the link's
}

// FDBEntry is one line of a link's forwarding database. A group with n remotes has n lines.
type FDBEntry struct {
	Link          string
	MAC           encap.MAC
	Remote        Remote
	State         fdb.State
	Flags         fdb.Flags
	Owner         Owner         // the controller that put the entry in
	Used, Updated time.Duration // since the last use, and the last change or receipt
}

// FDBFilter selects entries; unset fields select all.
type FDBFilter struct {
	Link            string
	MAC             *encap.MAC
	Dst             netip.Addr
	Port            uint16
	VNI             *encap.VNI
	Via             string
	States          []fdb.State // any of them; empty: all
	Flags, NotFlags fdb.Flags   // all set; none set
	Owner           string      // "": whoever's
}
