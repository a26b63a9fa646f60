package vtep

import (
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/tap"
)

// Link is one VNI: a port, a FDB and a configuration.
type Link struct {
	vtep    *VTEP
	log     *slog.Logger
	netdev  *netdev    // its own, or that of its trunk port
	at      attachment // to netdev
	fdb     *fdb.Table
	remotes *remotes
	state   atomic.Pointer[linkState]
	// shards are the counters: one for each port worker, then one for each
	// worker of an endpoint.
	shards []counters

	moves      moveLog
	evicted    atomic.Uint64 // FDB entries that made room for new addresses
	giver      atomic.Uint32 // the remote that the last of them was of
	guard      moveGuard
	loops      loopGuard
	flood      pace
	answers    floodLimit                 // of frames that are too big
	strangers  pace                       // of what comes from those who are no peers
	neighbours atomic.Pointer[neighbours] // nil but for a proxy
	bindings   atomic.Pointer[bindings]   // nil but for one that learns
	cameBack   atomic.Bool                // an own packet, since it was last looked
	lastPolicy atomic.Uint32              // id of the last packet that carried one

	updating sync.Mutex // held over a whole update; locked before VTEP.mu

	// The rest is guarded by VTEP.mu.
	cfg       LinkConfig
	device    tap.State
	mtuSource string
	derived   int       // MTU that was last given to the netdev
	first     remoteKey // of the default entry, zero if there is none
	endpoints []*endpoint
	senders   [2]*sender
	fragments *sender // nil: there is none
	tuned     bool    // its underlay device was, or could not be
	retry     bool    // something could not be had yet: see VTEP.everySecond
	newDev    int     // index that dev had when it was last looked at
	missing   error   // what that is
	mayBypass bool    // one of its remotes is another link's, if its address is this host's
	dropsTold dropTotals

	conditions linkConditions
	policyTold uint32 // of lastPolicy
	aside      asideState
	notPeers   uint64                  // that the kernel has dropped and that are counted
	sameHost   *SameHost               // as counted by countSameHost; nil: not
	troubles   map[troubleKey]*trouble // of remotes
	icmp       [numTroubles]uint64     // messages about remotes
	looping    map[*remote]struct{}    // those whose route leads through this VTEP
	lookedAt   fdb.Tick                // when packets that came back last had it look at routes
	gone       bool
}

// linkState is the immutable snapshot of a link that the data path reads.
type linkState struct {
	name     string // the netdev's present one
	up       bool
	mac      encap.MAC
	mtu      int
	own      encap.Addr // outer source address, where known
	accept   AcceptMode
	prefixes []netip.Prefix
	sameHost SameHost

	port Port   // where frames go: its own, or that of its trunk
	vlan uint16 // that they carry there; 0: none

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
	tx                                [2]Transmitter // by lane
	fragments                         Transmitter    // for short frames that a path refuses; nil: none
	dev                               uint32         // index of the underlay device, or 0
	learned                           remoteKey      // of learned remotes, but for the address
	limit                             int            // remotes that learning may make
	maxBindings                       int            // addresses that a proxy may learn; 0: any number
}

// newState builds the snapshot from what the link holds.
func (l *Link) newState(own encap.Addr, dev int) *linkState {
	c := &l.cfg
	s := &linkState{
		name:         l.device.Name,
		up:           l.device.Up,
		mac:          l.device.MAC,
		mtu:          l.device.MTU,
		own:          own,
		accept:       c.accept(),
		prefixes:     c.Accept.Prefixes,
		sameHost:     c.SameHost,
		port:         l.netdev.port,
		vlan:         c.VLAN,
		join:         l.netdev.joins(),
		learn:        !c.NoLearning,
		dropReserved: uint64(c.Reserved),
		dropVLAN:     c.InnerVLAN == InnerVLANDrop,
		ttl:          c.TTL,
		ttlInherit:   c.TTLInherit,
		tos:          c.TOS,
		tosInherit:   c.TOSInherit,
		dfInherit:    c.DF == DFInherit,
		flowLabel:    c.FlowLabel,
		labelInherit: c.FlowLabelInherit,
		proxy:        c.Proxy,
		proxyLearn:   c.ProxyLearn,
		moveGuard:    !c.NoMoveGuard,
		loopGuard:    !c.NoLoopGuard,
		clampMSS:     c.ClampMSS,
		bumLimit:     c.BUMLimit,

		peerBUMLimit: c.PeerBUMLimit,
		gbp:          c.GBP,
		l2miss:       c.L2Miss,
		l3miss:       c.L3Miss,
		policyID:     c.PolicyID,
		tx:           [2]Transmitter{l.senders[0].tx, l.senders[1].tx},
		dev:          uint32(dev),
		learned:      remoteKey{port: c.dstPort(), vni: c.VNI},
	}
	if c.ipv6() {
		s.learned.zone = uint32(dev) // used for link-local addresses only
	}
	if l.fragments != nil {
		s.fragments = l.fragments.tx
	}
	s.maxBindings = c.maxAddresses()
	if n := c.maxAddresses(); n > 0 {
		s.limit = n + maxConfiguredRemotes
	}
	return s
}

// maxConfiguredRemotes is room in the remote table beyond `maxaddress` for
// remotes that configuration names.
const maxConfiguredRemotes = 1024

// accepts applies the peer policy (conformance S01).
func (s *linkState) accepts(src encap.Addr, p *peer) bool {
	switch s.accept {
	case AcceptPeers:
		return p != nil && p.configured.Load() > 0
	case AcceptPrefixes:
		return contains(s.prefixes, src)
	default:
		return true
	}
}

// firstLearned makes the remote for the first MAC learned from an address.
func (l *Link) firstLearned(from encap.Addr) *remote {
	s := l.state.Load()
	key := s.learned
	key.addr = from
	if key.zone != 0 && !from.Netip().IsLinkLocalUnicast() {
		key.zone = 0
	}
	return l.remotes.learned(key, s.limit)
}

// netCounters is the shard of endpoint worker n.
func (l *Link) netCounters(n int) *counters {
	return &l.shards[l.netdev.port.Queues()+n]
}

// sweep ages learned entries and gives up remotes that nothing refers to.
func (l *Link) sweep(now fdb.Tick) {
	l.vtep.mu.Lock()
	ageing := l.cfg.ageing()
	l.vtep.mu.Unlock()
	ticks := fdb.Tick((max(ageing, 0) + time.Second - 1) / time.Second) // 0 ages nothing
	l.fdb.Age(now, ticks)
	l.bindings.Load().age(now, ticks)
	l.remotes.sweep()
	l.vtep.onNeighbours(l) // in case that events were lost
}

// info describes the link; the caller holds VTEP.mu.
func (l *Link) info() LinkInfo {
	l.takeFiltered()
	i := LinkInfo{
		Config:    l.cfg,
		Name:      l.device.Name,
		Index:     l.device.Index,
		MAC:       l.device.MAC,
		MTU:       l.device.MTU,
		MTUSource: l.mtuSource,
		Up:        l.device.Up,
		Entries:   l.fdb.Len(),
		Learned:   l.bindings.Load().len(),
		Stats:     sumCounters(l.shards),
		Troubles:  l.troubleList(),
		ICMP:      l.icmpCounts(),
		Shared:    l.sharedDrops(),

		TxQueueLen: l.device.TxQueueLen,
		GSOMaxSize: l.device.GSOMaxSize,
		GSOMaxSegs: l.device.GSOMaxSegs,
		Offloads:   l.offloads(),
	}
	i.Stats.PolicyID = uint16(l.lastPolicy.Load())
	i.Stats.Evicted = l.evicted.Load()
	return i
}
