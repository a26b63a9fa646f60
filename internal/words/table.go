package words

import (
	"math"
	"net/netip"
	"sync"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
)

// Table are the words of the link sentence, iproute2's (vxlan_parse_opt in
// ip/iplink_vxlan.c, iplink_parse in ip/iplink.c) and uvtep's own. uvtep writes sentences and
// files in this order. The kernel's defaults are those of vxlan_nl2conf in
// drivers/net/vxlan/vxlan_core.c.
func Table() []Word { return table() }

//nolint:gochecknoglobals // never written
var table = sync.OnceValue(rows)

func rows() []Word {
	return []Word{
		{Name: "name", Value: rename(), Owner: Device, About: "Of the device; on a change the new one"},
		{Name: "id", Aliases: []string{"vni"}, Value: number("VNI", 0, uint64(encap.MaxVNI), func(l *link) **uint32 { return &l.ID }), About: "The VNI"},
		{Name: "remote", Value: address("192.0.2.2", func(l *link) **netip.Addr { return &l.Remote }), IP: ipAddress("remote"), About: "The default destination, a host's IP address"},
		{Name: "group", Value: address("239.1.1.1", func(l *link) **netip.Addr { return &l.Group }), IP: ipAddress("group"), About: "The default destination, a multicast IP address"},
		{Name: "local", Value: address("192.0.2.1", func(l *link) **netip.Addr { return &l.Local }), IP: ipAddress("local"), About: "The outer source address; the socket is bound to it"},
		{Name: "dev", Value: device("DEVICE", "eth0", func(l *link) **string { return &l.Dev }), IP: ipForm{key: "link"}, About: "The device of the default remote, the group and the MTU"},
		{Name: "dstport", Value: port(func(l *link) **uint16 { return &l.DstPort }), Default: "4789", Kernel: "8472", IP: ipForm{key: "port"}, Always: true, About: "The UDP port of the link and of its remotes"},
		{Name: "srcport", Aliases: []string{"port"}, Value: portRange(func(l *link) **api.PortRange { return &l.SrcPort }), Default: "0 0", Kernel: "0 0", IP: ipPortRange(), Always: true, About: "The outer source ports; 0 0 is the default range"},
		{Name: "ttl", Aliases: []string{"hoplimit"}, Value: orWord(func(l *link) **api.Value { return &l.TTL }, math.MaxUint8, "auto", "inherit"), Default: "auto", Kernel: "auto", IP: ipTTL(), Always: true, About: "The outer TTL; auto is the route's, and 1 to a group"},
		{Name: "tos", Aliases: []string{"dsfield"}, Value: tos(func(l *link) **api.Value { return &l.TOS }), IP: ipTOS(), About: "The outer TOS or traffic class; inherit copies the inner DSCP"},
		{Name: "df", Value: choice(func(l *link) **string { return &l.DF }, "set", "unset", "inherit"), Default: "set", Kernel: "unset", IP: ipForm{}.or("df", "unset"), About: "The outer Don't Fragment bit"},
		{Name: "flowlabel", Aliases: []string{"label"}, Value: flowLabel(), IP: ipFlowLabel(), About: "The flow label of an outer IPv6 header"},
		{Name: "ageing", Value: seconds(func(l *link) **uint32 { return &l.Ageing }), Default: "300", Kernel: "300", IP: ipForm{}.or("ageing", 0), Always: true, Instead: map[string][2]string{"none": {"4294967295", "ageing 0 (136 years stand for it)"}}, About: "How long a learned entry lives, in seconds; 0 is for ever"},
		{Name: "maxaddress", Value: orWord(func(l *link) **api.Value { return &l.MaxAddress }, maxEntries, "unlimited"), Default: "16384", Kernel: "unlimited", IP: ipLimit(), About: "How many unicast entries the FDB has at most"},
		{Name: "learning", Value: flag(func(l *link) **bool { return &l.Learning }), Default: "on", Kernel: "on", About: "Source addresses of received frames become entries"},
		{Name: "proxy", Value: proxy(), Default: "off", Kernel: "off", IP: ipForm{isOn: true}, About: "Answers for what the device's neighbour table knows"},
		{Name: "l2miss", Value: flag(func(l *link) **bool { return &l.L2Miss }), Default: "off", Kernel: "off", IP: ipForm{isOn: true}, About: "Subscribers hear of MAC addresses without an entry"},
		{Name: "l3miss", Value: flag(func(l *link) **bool { return &l.L3Miss }), Default: "off", Kernel: "off", IP: ipForm{isOn: true}, About: "Subscribers hear of IP addresses without a neighbour"},
		{Name: "udpcsum", Value: flag(func(l *link) **bool { return &l.UDPCsum }), Default: "on", Kernel: "on", IP: ipForm{key: "udp_csum"}, Always: true, About: "Outer UDP checksums over IPv4"},
		{Name: "udp6zerocsumtx", Value: flag(func(l *link) **bool { return &l.UDP6ZeroCsumTx }), Default: "off", Kernel: "off", IP: ipForm{key: "udp_zero_csum6_tx"}, Always: true, About: "No outer UDP checksums over IPv6"},
		{Name: "udp6zerocsumrx", Value: flag(func(l *link) **bool { return &l.UDP6ZeroCsumRx }), Default: "off", Kernel: "off", IP: ipForm{key: "udp_zero_csum6_rx"}, Always: true, About: "Packets over IPv6 without a UDP checksum are taken"},
		{Name: "localbypass", Value: flag(func(l *link) **bool { return &l.LocalBypass }), Default: "on", Kernel: "on", About: "Frames for another link of this host go there without the network"},
		{Name: "gbp", Value: flag(func(l *link) **bool { return &l.GBP }), Default: "off", Kernel: "off", IP: ipForm{isOn: true}, About: "The group policy extension of the header"},

		{Name: "accept", Owner: Own, Value: prefixes(func(l *link) **string { return &l.Accept }, "peers", "any"), Default: "peers", Kernel: "any", Always: true, About: "Whose packets are taken; without it those of peers, with a group any"},
		{Name: "min_ttl", Owner: Own, Value: number("N", 0, math.MaxUint8, func(l *link) **uint8 { return &l.MinTTL }), Default: "0", Kernel: "0", About: "The lowest outer TTL, or hop limit, that packets are taken with (GTSM, RFC 5082); 0: any"},
		{Name: "moveguard", Owner: Own, Value: choice(func(l *link) **string { return &l.MoveGuard }, "on", "off"), Default: "on", Kernel: "off", About: "An address that moves to and fro is held"},
		{Name: "loopguard", Owner: Own, Value: choice(func(l *link) **string { return &l.LoopGuard }, "on", "off"), Default: "on", Kernel: "off", About: "A flooded frame that comes again and again is dropped"},
		{Name: "reserved", Aliases: []string{"reserved_bits"}, Owner: Own, Value: reserved(func(l *link) **string { return &l.Reserved }), Default: "ignore", Kernel: "drop", Always: true, About: "What becomes of packets with reserved header bits, or which bits drop one"},
		{Name: "innervlan", Owner: Own, Value: choice(func(l *link) **string { return &l.InnerVLAN }, "pass", "drop"), Default: "pass", Kernel: "pass", Always: true, About: "What becomes of frames with a VLAN tag"},
		{Name: "proxylearn", Owner: Own, Value: proxyLearn(), Default: "off", Kernel: "off", About: "And, with proxy, for what is heard of remote hosts; unsaid beside proxy: it does not"},
		{Name: "learnlocal", Owner: Own, Value: flag(func(l *link) **bool { return &l.LearnLocal }), Default: "off", Kernel: "off", About: "Addresses on this side are learned from the port's frames, for controllers"},
		{Name: "evpn", Owner: Own, Value: flag(func(l *link) **bool { return &l.EVPN }), Default: "off", Kernel: "off", About: "The link is one of a fabric (uvtep evpn run): with learnlocal and, unless learning is said, nolearning"},
		{Name: "mss", Owner: Own, Value: choice(func(l *link) **string { return &l.MSS }, "clamp", "none"), Default: "none", Kernel: "none", About: "The MSS of TCP connections is lowered to what fits"},
		{Name: "bumlimit", Owner: Own, Value: number("PPS", 0, math.MaxUint32, func(l *link) **uint32 { return &l.BUMLimit }), Default: "0", Kernel: "0", About: "Flooded frames a second; 0: any number"},
		{Name: "peerbumlimit", Owner: Own, Value: number("PPS", 0, math.MaxUint32, func(l *link) **uint32 { return &l.PeerBUMLimit }), Default: "0", Kernel: "0", About: "The same of each remote, and broadcast and multicast frames taken from it; 0: any number"},
		{Name: "samehost", Owner: Own, Value: prefixes(func(l *link) **string { return &l.SameHost }, "auto", "none"), Default: "auto", Kernel: "auto", About: "Senders that are kernel VTEPs on this host: auto (behind lo or a veth), none, or prefixes with commas between"},
		{Name: "gbpid", Owner: Own, Value: number("N", 0, math.MaxUint16, func(l *link) **uint16 { return &l.GBPID }), Kernel: "0", About: "Policy id to send, with gbp"},
		{Name: "persist", Owner: Own, Value: flag(func(l *link) **bool { return &l.Persist }), Default: "off", Kernel: "off", About: "The device stays where the daemon ends"},
		{Name: "user", Owner: Own, Value: number("UID", 0, noID, func(l *link) **uint32 { return &l.User }), About: "UID that may open the device"},
		{Name: "group-owner", Owner: Own, Value: number("GID", 0, noID, func(l *link) **uint32 { return &l.GroupOwner }), About: "GID that may open the device"},
		{Name: "trunk", Owner: Own, Value: device("PORT", "trunk0", func(l *link) **string { return &l.Trunk }), Elsewhere: true, About: "Port whose VLAN is the link's"},
		{Name: "vlan", Owner: Own, Value: number("ID", 1, encap.MaxVLAN, func(l *link) **uint16 { return &l.VLAN }), Elsewhere: true, About: "The VLAN of that port"},

		{Name: "mtu", Owner: Device, Value: number("N", encap.MinMTU, encap.MaxMTU, func(l *link) **int { return &l.MTU }), About: "The device's MTU; without it, what fits the route"},
		{Name: "address", Owner: Device, Value: mac(func(l *link) **string { return &l.Address }), About: "The device's MAC address"},
		{Name: "queues", Aliases: []string{"txqueues", "numtxqueues", "rxqueues", "numrxqueues"}, Owner: Own, Value: queues(), Default: "1", Always: true, Unsaid: "0", Elsewhere: true, About: "The device's queues, with a worker each"},
		{Name: "index", Owner: Own, Value: number("N", 1, math.MaxInt32, func(l *link) **int { return &l.Index }), Elsewhere: true, About: "The device's index, which it keeps; without it, the kernel's next"},
		{Name: "up", Owner: Device, Value: up(), Default: "off", Kernel: "off", About: "In requests: whether the device is to be up"},
		{Name: "master", Owner: Device, Value: master(), Command: true, About: "In requests: the device's master, such as a bridge; an empty name: none"},
	}
}

// noID is the highest UID and GID: -1 stands for none.
const noID = math.MaxUint32 - 1

// maxEntries is more FDB entries than memory holds.
const maxEntries = 1 << 30
