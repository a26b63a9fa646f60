package status

// adviceOf says what to do about each drop reason (docs/conformance.md has what they mean).
// Where several things may be wrong, the most usual one is first.
var adviceOf = map[string]string{ //nolint:gochecknoglobals // a table, never written
	"tx-port-overflow":     "frames come faster than they are forwarded: give the link queues, or look for what else takes the processor",
	"tx-unreadable":        "look at what writes to the device: a program that gives it no Ethernet frames",
	"tx-unknown-vlan":      "give the VLAN a link (uvtep link add ... trunk NAME vlan N), or keep it off the trunk port",
	"tx-link-down":         "bring the VLAN's link up: uvtep link set NAME up",
	"tx-too-short":         "look at what writes to the device: a program that gives it no Ethernet frames",
	"tx-bad-offload":       "look at what writes to the device; uvtep run --no-offload tap shows whether offloads are in it",
	"tx-too-many-segments": "lower gso_max_size of the device that the frames come from",
	"tx-loop":              "give the remote a route that does not lead through the tunnel: ip route get REMOTE",
	"tx-inner-vlan":        "take the VLAN tags off, or set innervlan pass",
	"tx-no-neighbour":      "add the neighbour (ip neigh add ... dev NAME), or take l3miss off",
	"tx-no-remote":         "give the link a remote, or the address an entry: uvtep fdb append 00:00:00:00:00:00 dev NAME dst IP",
	"tx-flood-loop":        "look for a loop of bridges: two links or cables between the same two networks",
	"tx-bum-limit":         "find who floods (tcpdump -i NAME broadcast or multicast), or raise bumlimit",
	"tx-peer-bum-limit":    "find who floods (tcpdump -i NAME broadcast or multicast), or raise peerbumlimit",
	"tx-too-big":           "make the link's MTU fit the path (uvtep link set NAME mtu N), or the underlay's larger: uvtep ping REMOTE --mtu-probe",
	"tx-unreachable":       "give this host a route to the remote: ip route get REMOTE",
	"tx-no-buffer":         "look at the underlay device: its queue is full, or it is slower than what is sent",
	"tx-refused":           "look for a firewall on this host that refuses UDP to the remote: nft list ruleset, iptables -S OUTPUT",

	"rx-socket-overflow": "raise net.core.rmem_max, or look for what else takes the processor; a wrong UDP checksum counts here, too",
	"rx-unreadable":      "look at the underlay device's MTU and driver: datagrams come cut",
	"rx-undecided":       "say with samehost where kernel VTEPs of this host are, or that there are none",
	"rx-short-header":    "find who sends to this port what is no VXLAN: tcpdump -ni any udp port PORT",
	"rx-no-vni-flag":     "find who sends to this port what is no VXLAN: tcpdump -ni any udp port PORT",
	"rx-unknown-vni":     "compare the VNI with the other end's: no link here has the one that arrives (tcpdump -ni any udp port PORT shows it)",
	"rx-reserved":        "the other end sends an extension of VXLAN: take it off there, or set reserved ignore (gbp, where it is that)",
	"rx-not-ethernet":    "the other end sends VXLAN-GPE: have it send VXLAN",
	"rx-link-down":       "bring the link up: uvtep link set NAME up",
	"rx-low-ttl":         "have the peers send with ttl 255, or lower min_ttl by the routers between",
	"rx-own-echo":        "another host has this VTEP's outer address, or the network gives packets back: give each VTEP an address of its own (arping -D)",
	"rx-not-peer":        "add the sender as a remote (uvtep fdb append 00:00:00:00:00:00 dev NAME dst IP), or set accept",
	"rx-too-short":       "look at the sender: it sends frames without an Ethernet header",
	"rx-bad-source":      "look at the sender: a host behind it sends with a source MAC that no host may have",
	"rx-own-mac":         "another host has the MAC of this link, or a loop brings its frames back: uvtep link set NAME address MAC",
	"rx-inner-vlan":      "take the VLAN tags off at the sender, or set innervlan pass",
	"rx-peer-bum-limit":  "find who floods behind that remote, or raise peerbumlimit",
	"rx-static-mac":      "an entry says that the MAC is behind another remote than the one that sends: correct or delete it (uvtep fdb show, uvtep fdb replace)",
	"rx-move-guard":      "two remotes claim one MAC: find the duplicate, or a loop between them (uvtep monitor fdb)",
	"rx-ecn":             "look for a router that marks ECN on packets that do not take part in it",
	"rx-port":            "the host takes frames too slowly, or the device is down: ip -s link show NAME",
}

// troubleAdvice says what to do about each trouble of a remote.
var troubleAdvice = map[string]string{ //nolint:gochecknoglobals // a table, never written
	"loop":             "give the remote a route out of another device: ip route get REMOTE",
	"port-unreachable": "start the VTEP there, or give this link the port that it listens on (dstport)",
	"host-unreachable": "see whether the host is up, and the last router's route to it",
	"net-unreachable":  "look at the routers' routes to it",
	"prohibited":       "look for a firewall on the way, and at the remote, that refuses the link's UDP port",
	"time-exceeded":    "look for a loop among the routers, or for a ttl that is too small",
	"other-icmp":       "capture ICMP: tcpdump -ni any icmp or icmp6",
}

// AdviceOnDrop says what to do about a drop reason; "": the reason is unknown.
func AdviceOnDrop(reason string) string { return adviceOf[reason] }
