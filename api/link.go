package api

import "net/netip"

// Link is a link as the daemon shows it. Spec has the values in force.
type Link struct {
	Spec      LinkSpec  `json:"spec"`
	Netdev    Netdev    `json:"netdev"`
	MTUSource string    `json:"mtu_source,omitempty"` // what the MTU was derived from; "device": somebody set it there
	Missing   string    `json:"missing,omitempty"`    // what a link that is not complete waits for
	Entries   int       `json:"entries"`              // in the FDB
	Addresses int       `json:"addresses"`            // those of them that maxaddress limits: of unicast addresses
	Learned   int       `json:"proxy_learned"`        // addresses, with proxy learn
	Offload   Offload   `json:"offload"`
	Trouble   []Trouble `json:"trouble,omitempty"` // of remotes
	Stats     LinkStats `json:"stats"`
	// Remotes are the counters of at most 64 remotes, configured ones first, then by
	// address; MoreRemotes is how many there are beyond those.
	Remotes     []RemoteStats `json:"remotes,omitempty"`
	MoreRemotes int           `json:"more_remotes,omitempty"`
	// SharedDrops are those of the sockets that the link shares with others of its
	// local address and dstport, by reason: whose packets they were is not known.
	SharedDrops map[string]uint64 `json:"shared_drops,omitempty"`
}

// Trouble is what is wrong with a remote, or was.
type Trouble struct {
	Dev   string     `json:"dev,omitempty"` // in an event
	Dst   netip.Addr `json:"dst"`
	Port  uint16     `json:"port,omitempty"` // UDP port that the last ICMP error was about
	What  string     `json:"what"`           // loop, port-unreachable, ...: see docs/conformance.md
	Count uint64     `json:"count"`          // number of ICMP errors; anybody can forge them
	Now   bool       `json:"now"`            // the trouble goes on
}

// RemoteStats are the counters of an outer address that a link has remotes with, since the
// link came to know it. Packets and bytes are the frames', as in LinkStats.
type RemoteStats struct {
	Dst        netip.Addr `json:"dst"`
	Configured bool       `json:"configured"` // a user's or a controller's entry names it
	Entries    int        `json:"entries"`    // of the FDB, that lead to it
	Rx         Counts     `json:"rx"`         // Dropped: refused by the link, of what the kernel did not drop before
	Tx         Counts     `json:"tx"`         // Dropped: beyond a limit, or refused by the network
	// Heard is how many seconds ago the last packet was admitted from there; nil: none was.
	Heard *uint32 `json:"heard,omitempty"`
}

// Netdev is the link's network device, in the words of `ip -d -j link show`.
// Index, Name, MAC, MTU and Flags are always there; the rest where the kernel
// could be asked. NSID is the id of the network namespace that the device was moved to, as
// the daemon's namespace numbers them (`ip netns list-id`); nil: it is in the daemon's.
type Netdev struct {
	Index       int      `json:"ifindex"`
	Name        string   `json:"ifname"`
	NSID        *int     `json:"netnsid,omitempty"`
	MAC         string   `json:"address"`
	Broadcast   string   `json:"broadcast,omitempty"`
	MTU         int      `json:"mtu"`
	Flags       []string `json:"flags"`
	Qdisc       string   `json:"qdisc,omitempty"`
	Master      string   `json:"master,omitempty"`
	OperState   string   `json:"operstate,omitempty"`
	LinkMode    string   `json:"linkmode,omitempty"`
	Group       string   `json:"group,omitempty"`
	TxQLen      uint32   `json:"txqlen,omitempty"`
	Alias       string   `json:"ifalias,omitempty"`
	Promiscuity uint32   `json:"promiscuity"`
	AllMulti    uint32   `json:"allmulti"`
	MinMTU      uint32   `json:"min_mtu,omitempty"`
	MaxMTU      uint32   `json:"max_mtu,omitempty"`
	AddrGenMode string   `json:"inet6_addr_gen_mode,omitempty"`
	NumTxQueues uint32   `json:"num_tx_queues,omitempty"`
	NumRxQueues uint32   `json:"num_rx_queues,omitempty"`
	GSOMaxSize  uint32   `json:"gso_max_size,omitempty"`
	GSOMaxSegs  uint32   `json:"gso_max_segs,omitempty"`
	TSOMaxSize  uint32   `json:"tso_max_size,omitempty"`
	TSOMaxSegs  uint32   `json:"tso_max_segs,omitempty"`
	GROMaxSize  uint32   `json:"gro_max_size,omitempty"`
}

// Counts are the counters of one direction of a link.
type Counts struct {
	Bytes     uint64 `json:"bytes"`
	Packets   uint64 `json:"packets"`
	Errors    uint64 `json:"errors"`
	Dropped   uint64 `json:"dropped"`
	Multicast uint64 `json:"multicast,omitempty"` // of Rx only
}

// LinkStats counts since the link was added. Rx came from the underlay and went
// into the device, Tx went the other way, as a kernel vxlan device counts.
type LinkStats struct {
	Rx         Counts            `json:"rx"`
	Tx         Counts            `json:"tx"`
	Reserved   uint64            `json:"reserved"`         // packets with reserved header bits set
	NotLearned uint64            `json:"not_learned"`      // frames delivered while the FDB was full of entries that cannot give way
	Evicted    uint64            `json:"evicted"`          // FDB entries removed to make room for new addresses
	Moves      uint64            `json:"moves"`            // MAC addresses that changed their remote
	TooBigSent uint64            `json:"too_big_sent"`     // ICMP errors sent to hosts whose frames were too big
	Withheld   uint64            `json:"too_big_withheld"` // ICMP errors that the link's limit withheld
	Fragmented uint64            `json:"fragmented"`       // frames that left in fragments
	Answered   uint64            `json:"answered"`         // ARP requests and neighbour solicitations, by proxy
	PolicyID   uint16            `json:"policy_id"`        // of the last packet that carried one, with gbp
	Drops      map[string]uint64 `json:"drops,omitempty"`
}

// Stats counts what belongs to no link.
type Stats struct {
	LinkStats
	Panics     uint64 `json:"panics"`     // faults of uvtep that were caught: see its log
	Addresses  int    `json:"addresses"`  // unicast entries of all links' FDBs
	MaxAddress int    `json:"maxaddress"` // how many of them there may be, 0 for any number
	// Reload is why the configuration file was not applied when it was last read again; nil: it was.
	Reload *FailedReload `json:"failed_reload,omitempty"`
}

// FailedReload is a configuration file that was read again and not applied, or not whole.
type FailedReload struct {
	File    string `json:"file"`
	Seconds uint32 `json:"seconds"` // ago
	Error   string `json:"error"`   // in one line
}
