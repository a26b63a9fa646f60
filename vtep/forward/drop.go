package forward

import "strconv"

// DropReason names why a frame or packet went no further. One list feeds the
// counters, the CLI, the metrics and docs/conformance.md.
type DropReason uint8

// The reasons in packet order, first those of the way from a port to the
// underlay, then those of the way back.
const (
	TxPortOverflow    DropReason = iota // the port's queue was full: the kernel dropped it before it was read
	TxUnreadable                        // what was read from the port is no frame
	TxUnknownVLAN                       // trunk port: no VLAN tag, or one that no link has
	TxLinkDown                          // trunk port: the VLAN's link is administratively down
	TxTooShort                          // shorter than an Ethernet header
	TxBadOffload                        // checksum or segment offsets outside the frame
	TxTooManySegments                   // superframe that stands for more frames than the kernel makes of one
	TxLoop                              // sent by this VTEP before, or to a remote whose route leads through it
	TxInnerVLAN                         // VLAN tag, and the link has `innervlan drop`
	TxNoNeighbour                       // a question for an unknown neighbour, and the link has `proxy l3miss`
	TxNoRemote                          // no FDB entry and an empty flood list
	TxFloodLoop                         // the same frame was flooded too often within the second: it goes round a loop
	TxBUMLimit                          // flooded beyond `bumlimit`
	TxPeerBUMLimit                      // a flooded frame's copy beyond `peerbumlimit`
	TxTooBig                            // larger than the path MTU of its remote
	TxUnreachable                       // no route to the remote
	TxNoBuffer                          // socket or device queue full
	TxRefused                           // refused by the host, e.g. by a firewall

	RxSocketOverflow // the receive socket was full: the kernel dropped it before it was read
	RxUnreadable     // datagram that the kernel gave cut
	RxUndecided      // may be joined datagrams or one superframe of a sender on this host
	RxShortHeader    // datagram shorter than a VXLAN header
	RxNoVNIFlag      // I flag not set
	RxUnknownVNI     // no link has this VNI
	RxReserved       // reserved bits set, and the link has `reserved drop`
	RxNotEthernet    // the header says that the payload is no Ethernet frame
	RxLinkDown       // the link is administratively down
	RxLowTTL         // outer TTL below `min_ttl`
	RxOwnEcho        // outer source is the link's own address
	RxNotPeer        // outer source not covered by `accept`
	RxTooShort       // inner frame shorter than an Ethernet header
	RxBadSource      // inner source MAC is zero or multicast
	RxOwnMAC         // inner source MAC is the link's own
	RxInnerVLAN      // VLAN tag, and the link has `innervlan drop`
	RxPeerBUMLimit   // broadcast or multicast beyond `peerbumlimit`
	RxStaticMAC      // inner source MAC is pinned to another remote
	RxMoveGuard      // inner source MAC moved too often and is held behind another remote
	RxECN            // outer CE on a frame that cannot carry it (RFC 6040)
	RxPort           // the port refused it

	numDropReasons
)

// class says which of the netdev counters a reason adds to, as the kernel's
// driver does.
type class uint8

const (
	txDropped class = iota
	txErrors
	rxDropped
	rxErrors
)

// dropReasons is indexed by DropReason.
var dropReasons = [numDropReasons]struct { //nolint:gochecknoglobals // a table, never written
	name  string
	class class
	about string
}{
	TxPortOverflow:    {"tx-port-overflow", txDropped, "queue of the port full: dropped by the kernel before it was read"},
	TxUnreadable:      {"tx-unreadable", txErrors, "read from the port, and no frame: cut, or with a virtio-net header that cannot be"},
	TxUnknownVLAN:     {"tx-unknown-vlan", txDropped, "frame of a trunk port without VLAN tag, or with one that no link has"},
	TxLinkDown:        {"tx-link-down", txDropped, "frame of a trunk port whose VLAN's link is down"},
	TxTooShort:        {"tx-too-short", txDropped, "frame shorter than an Ethernet header"},
	TxBadOffload:      {"tx-bad-offload", txErrors, "checksum or segment offsets outside the frame"},
	TxTooManySegments: {"tx-too-many-segments", txErrors, "superframe that stands for more than 128 frames"},
	TxLoop:            {"tx-loop", txErrors, "a packet of this daemon that came back, or a remote whose route leads through the tunnel"},
	TxInnerVLAN:       {"tx-inner-vlan", txDropped, "VLAN tag and `innervlan drop`"},
	TxNoNeighbour:     {"tx-no-neighbour", txDropped, "question for an unknown neighbour and `proxy l3miss`"},
	TxNoRemote:        {"tx-no-remote", txDropped, "no FDB entry and an empty flood list"},
	TxFloodLoop:       {"tx-flood-loop", txDropped, "the same frame was to be flooded more than 200 times within a second: a loop (`loopguard`)"},
	TxBUMLimit:        {"tx-bum-limit", txDropped, "flooded beyond `bumlimit`"},
	TxPeerBUMLimit:    {"tx-peer-bum-limit", txDropped, "copy of a flooded frame beyond the `peerbumlimit` of its remote"},
	TxTooBig:          {"tx-too-big", txErrors, "larger than the path MTU of the remote"},
	TxUnreachable:     {"tx-unreachable", txErrors, "no route to the remote"},
	TxNoBuffer:        {"tx-no-buffer", txDropped, "socket or device queue full"},
	TxRefused:         {"tx-refused", txErrors, "refused by the host, for example by a firewall"},

	RxSocketOverflow: {"rx-socket-overflow", rxDropped, "receive socket full, or UDP checksum wrong: dropped by the kernel before it was read"},
	RxUnreadable:     {"rx-unreadable", rxErrors, "datagram that the kernel gave cut, or without a sender"},
	RxUndecided:      {"rx-undecided", rxDropped, "may be joined datagrams or one superframe of a sender on this host; UDP GRO is then off for ten minutes"},
	RxShortHeader:    {"rx-short-header", rxErrors, "datagram shorter than a VXLAN header"},
	RxNoVNIFlag:      {"rx-no-vni-flag", rxErrors, "I flag not set"},
	RxUnknownVNI:     {"rx-unknown-vni", rxDropped, "no link has the VNI"},
	RxReserved:       {"rx-reserved", rxErrors, "reserved header bits set and `reserved drop`"},
	RxNotEthernet:    {"rx-not-ethernet", rxErrors, "the header has a next protocol (VXLAN-GPE) that is not Ethernet"},
	RxLinkDown:       {"rx-link-down", rxDropped, "link down"},
	RxLowTTL:         {"rx-low-ttl", rxDropped, "outer TTL or hop limit below `min_ttl`"},
	RxOwnEcho:        {"rx-own-echo", rxDropped, "outer source is the link's own address"},
	RxNotPeer:        {"rx-not-peer", rxDropped, "outer source not covered by `accept`"},
	RxTooShort:       {"rx-too-short", rxErrors, "inner frame shorter than an Ethernet header"},
	RxBadSource:      {"rx-bad-source", rxDropped, "inner source MAC zero or multicast"},
	RxOwnMAC:         {"rx-own-mac", rxDropped, "inner source MAC is the link's own"},
	RxInnerVLAN:      {"rx-inner-vlan", rxDropped, "VLAN tag and `innervlan drop`"},
	RxPeerBUMLimit:   {"rx-peer-bum-limit", rxDropped, "broadcast or multicast beyond the `peerbumlimit` of the remote that sent it"},
	RxStaticMAC:      {"rx-static-mac", rxDropped, "inner source MAC pinned to another remote"},
	RxMoveGuard:      {"rx-move-guard", rxDropped, "inner source MAC moved too often and is held behind another remote"},
	RxECN:            {"rx-ecn", rxErrors, "outer CE on a frame that is not ECN-capable"},
	RxPort:           {"rx-port", rxDropped, "refused by the port"},
}

// DropReasons lists every reason, in packet order.
func DropReasons() []DropReason {
	all := make([]DropReason, numDropReasons)
	for i := range all {
		all[i] = DropReason(i)
	}
	return all
}

// String is the reason's name, as counters and documents show it.
func (r DropReason) String() string {
	if r >= numDropReasons {
		return "drop-reason-" + strconv.Itoa(int(r))
	}
	return dropReasons[r].name
}

// About says in a few words what the reason means.
func (r DropReason) About() string {
	if r >= numDropReasons {
		return ""
	}
	return dropReasons[r].about
}
