package vtep

import (
	"log/slog"
	"sync"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/tap"
)

// Link is one VNI: what its frames need, and its configuration.
type Link struct {
	*dataLink
	vtep   *VTEP
	log    *slog.Logger
	netdev *netdev    // its own, or that of its trunk port
	at     attachment // to netdev
	moves  moveLog
	filter peerFilter

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

// newState builds the snapshot from what the link holds.
func (l *Link) newState(own encap.Addr, dev int) *linkState {
	c := &l.cfg
	s := &linkState{
		name:         l.device.Name,
		up:           l.device.Up,
		mac:          l.device.MAC,
		mtu:          l.device.MTU,
		own:          own,
		peersOnly:    c.accept() == AcceptPeers,
		trustNobody:  c.SameHost.Mode == SameHostNone,
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
		tx:           [2]packetSender{l.senders[0].tx, l.senders[1].tx},
		dev:          uint32(dev),
		learned:      remoteKey{port: c.dstPort(), vni: c.VNI},
	}
	if c.ipv6() {
		s.learned.zone = uint32(dev) // used for link-local addresses only
	}
	if l.fragments != nil {
		s.fragments = l.fragments.tx
	}
	if c.accept() == AcceptPrefixes {
		s.sources = c.Accept.Prefixes
	}
	if c.SameHost.Mode == SameHostPrefixes {
		s.sameHost = c.SameHost.Prefixes
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

// sweep ages learned entries and gives up remotes that nothing refers to.
func (l *Link) sweep(now fdb.Tick) {
	l.vtep.mu.Lock()
	ageing := l.cfg.ageing()
	l.vtep.mu.Unlock()
	l.age(now, fdb.Tick((max(ageing, 0)+time.Second-1)/time.Second)) // 0 ages nothing
	l.vtep.onNeighbours(l)                                           // in case that events were lost
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
		Learned:   l.dataLink.Learned(),
		Stats:     sumCounters(l.shards),
		Troubles:  l.troubleList(),
		ICMP:      l.icmpCounts(),
		Shared:    l.sharedDrops(),

		TxQueueLen: l.device.TxQueueLen,
		GSOMaxSize: l.device.GSOMaxSize,
		GSOMaxSegs: l.device.GSOMaxSegs,
		Offloads:   l.offloads(),
	}
	i.Stats.PolicyID = uint16(l.LastPolicy())
	i.Stats.Evicted, _ = l.Evicted()
	return i
}
