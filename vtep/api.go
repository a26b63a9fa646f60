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

// SameHostMode says which senders on this host a link looks for: kernel VTEPs whose
// superframes and partial checksums arrive as they are (docs/conformance.md, trap 1).
type SameHostMode uint8

const (
	// SameHostAuto: what the kernel says arrived by lo or a veth may come from a
	// sender on this host.
	SameHostAuto SameHostMode = iota
	// SameHostNone: no sender is on this host.
	SameHostNone
	// SameHostPrefixes is SameHostAuto, and senders with these addresses are on this
	// host as well: behind a bridge, a macvlan or in a virtual machine.
	SameHostPrefixes
)

// SameHost is which senders are on this host.
type SameHost struct {
	Mode     SameHostMode
	Prefixes []netip.Prefix // for SameHostPrefixes
}

// ReservedPolicy has a 1 for each reserved bit of the header that drops a
// packet, where encap.Header.Reserved has it; Linux takes such a mask, too
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
	DefaultMTU          = 1500  // where no route tells better
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
	// 0, 0 stands for 49152-65535 (RFC 7348 section 5).
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

	// GBP: the group policy extension (draft-smith-vxlan-group-policy; IFLA_VXLAN_GBP)
	// is taken on receipt, its bits no longer being reserved, and PolicyID is sent
	// where it is not 0. The kernel takes the id from the packet's mark.
	GBP      bool
	PolicyID uint16

	// NoMoveGuard lets a MAC move between remotes as often as it likes; else it is
	// held after 5 moves within 180 s (RFC 7432 section 15.1). Linux has none.
	NoMoveGuard bool
	// NoLoopGuard floods a frame as often as it comes; else no more than 200 times a
	// second, byte for byte the same. Linux has no such guard.
	NoLoopGuard bool
	// BUMLimit is how many broadcast, unknown unicast and multicast frames the link
	// sends a second, before copies; 0: any number.
	BUMLimit uint32
	// PeerBUMLimit is the same for each remote by itself: how many copies of them
	// are sent to it a second, and how many broadcast and multicast frames are taken
	// from it.
	PeerBUMLimit uint32
	// ClampMSS lowers the MSS of TCP SYNs, in both directions, to what fits the
	// link's MTU, and the path to the remote where that is known to be smaller.
	ClampMSS bool
	// Proxy answers ARP requests and neighbour solicitations from the netdev's
	// neighbour table (IFLA_VXLAN_PROXY).
	Proxy bool
	// ProxyLearn has a proxy answer from what remote hosts say of themselves, too,
	// where the neighbour table does not know: see bindings. Linux has no such thing.
	ProxyLearn bool
	// L2Miss and L3Miss: subscribers are told of what has no entry (IFLA_VXLAN_L2MISS,
	// IFLA_VXLAN_L3MISS).
	L2Miss, L3Miss bool

	NoLearning   bool
	Ageing       time.Duration // 0: DefaultAgeing; NeverAge
	MaxAddresses int           // 0: DefaultMaxAddresses; UnlimitedAddresses

	NoUDPChecksum  bool // IPv4: send checksum 0; on IPv6 it says nothing, as to Linux
	UDP6ZeroCsumTx bool // IPv6: send checksum 0 (RFC 6935)
	UDP6ZeroCsumRx bool // IPv6: accept checksum 0 (RFC 6935)

	MTU     int       // of the netdev; 0: derived from the route or Dev
	Address encap.MAC // of the netdev; zero: random

	Accept    Accept
	SameHost  SameHost
	Reserved  ReservedPolicy
	InnerVLAN InnerVLANPolicy
	Queues    int // access port queues, one worker each; 0: 1

	// Trunk and VLAN make the link's port a VLAN of a trunk port (AddTrunk) instead
	// of a netdev of its own; its frames have their tag there and nowhere else.
	Trunk string
	VLAN  uint16

	// Persist keeps the netdev, with its addresses and its bridge, where the VTEP
	// ends (TUNSETPERSIST); DelLink deletes it all the same. Owner and OwnerGroup may
	// open it then; nil: nobody but root (TUNSETOWNER, TUNSETGROUP in drivers/net/tun.c).
	Persist           bool
	Owner, OwnerGroup *uint32
}

// LinkInfo is a link as it stands.
type LinkInfo struct {
	Config    LinkConfig // as given, unset fields unset
	tap.State            // of the netdev
	MTUSource string     // what the MTU was derived from: "mtu", "dev eth0", "route", "default"
	Entries   int        // FDB entries
	Learned   int        // addresses that a proxy learned
	Stats     forward.Stats
	// Shared are the drops of the sockets that the link shares with others of its
	// local address and port, without zeros. VTEP.Stats has them, too.
	Shared   map[forward.DropReason]uint64
	Offloads LinkOffloads
	Troubles []Trouble              // of remotes, by address
	ICMP     map[TroubleKind]uint64 // messages about remotes, without zeros
}

// Remote is where frames go: a VTEP.
type Remote struct {
	Addr netip.Addr // invalid: none given
	Port uint16     // 0: the link's dstport; listed only where it differs
	VNI  *encap.VNI // nil: the link's; listed only where it differs
	Via  string     // outgoing device; "": the link's
}

// FDBEntry is one line of a link's forwarding database: a group entry with n
// remotes makes n of them.
type FDBEntry struct {
	Link          string
	MAC           encap.MAC
	Remote        Remote
	State         fdb.State
	Flags         fdb.Flags
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
}
