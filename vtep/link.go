package vtep

import (
	"log/slog"
	"sync"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// link is one VNI: what its frames need, and its configuration.
type link struct {
	*forward.Link
	vtep   *VTEP
	log    *slog.Logger
	netdev *netdev    // its own, or that of its trunk port
	at     attachment // its part of netdev
	moves  moveLog
	filter peerFilter

	updating sync.Mutex // held over a whole update; locked before VTEP.mu

	// The rest is guarded by VTEP.mu.
	cfg       LinkConfig
	device    tap.State
	mtuSource string
	derived   int               // the MTU that the netdev was last given
	first     forward.RemoteKey // of the default entry; zero: there is none
	endpoints []*endpoint
	senders   [2]*sender
	fragments *sender            // nil: there is none
	tuned     bool               // tune has tried to tune its underlay device
	retry     bool               // the link lacks something: everySecond tries again
	missing   error              // why
	newDev    int                // index of dev when followDevs last looked
	vias      map[string]uint32  // index of each device that an entry names, when followVias last looked
	vrf       string             // VRF device that the sockets are bound to, or ""
	mayBypass bool               // a link listens at one of its remotes, if that address is this host's
	dropsTold forward.DropTotals // as subscribers were told

	conditions linkConditions
	policyTold uint32 // LastPolicy as subscribers were told
	aside      asideState
	notPeers   uint64                       // the rule's count of packets from no peer when it was last counted
	lowTTLs    uint64                       // that of packets with a low TTL
	sameHost   *SameHost                    // as countSameHost has counted it; nil: it has not
	troubles   map[troubleKey]*trouble      // of remotes
	icmp       [numTroubles]uint64          // number of ICMP messages about remotes
	looping    map[*forward.Remote]struct{} // remotes whose route leads through this VTEP
	lookedAt   fdb.Tick                     // when lookForLoops last looked at its routes
	gone       bool
}

// newState makes the snapshot for the data path.
func (l *link) newState(own encap.Addr, dev int) *forward.State {
	c := &l.cfg
	s := &forward.State{
		Name:         l.device.Name,
		Up:           l.device.Up,
		MAC:          l.device.MAC,
		MTU:          l.device.MTU,
		Own:          own,
		PeersOnly:    c.accept() == AcceptPeers,
		MinTTL:       c.MinTTL,
		TrustNobody:  c.SameHost.Mode == SameHostNone,
		Port:         l.netdev.port,
		VLAN:         c.VLAN,
		Join:         l.netdev.joins(),
		Learn:        !c.NoLearning,
		DropReserved: uint64(c.Reserved),
		DropVLAN:     c.InnerVLAN == InnerVLANDrop,
		TTL:          c.TTL,
		TTLInherit:   c.TTLInherit,
		TOS:          c.TOS,
		TOSInherit:   c.TOSInherit,
		DFInherit:    c.DF == DFInherit,
		FlowLabel:    c.FlowLabel,
		LabelInherit: c.FlowLabelInherit,
		Proxy:        c.Proxy,
		ProxyLearn:   c.ProxyLearn,
		MoveGuard:    !c.NoMoveGuard,
		LoopGuard:    !c.NoLoopGuard,
		ClampMSS:     c.ClampMSS,
		BUMLimit:     c.BUMLimit,

		PeerBUMLimit: c.PeerBUMLimit,
		GBP:          c.GBP,
		L2Miss:       c.L2Miss,
		L3Miss:       c.L3Miss,
		PolicyID:     c.PolicyID,
		TX:           [2]forward.Transmitter{l.senders[0].tx, l.senders[1].tx},
		Dev:          uint32(dev),
		Local:        encap.AddrFrom(c.source()),
		Captures:     l.vtep.capturesOf(l),
		Learned:      forward.RemoteKey{Port: c.dstPort(), VNI: c.VNI},
	}
	if l.fragments != nil {
		s.Fragments = l.fragments.tx
	}
	if c.accept() == AcceptPrefixes {
		s.Sources = c.Accept.Prefixes
	}
	if c.SameHost.Mode == SameHostPrefixes {
		s.SameHost = c.SameHost.Prefixes
	}
	s.MaxBindings = c.maxAddresses()
	if n := c.maxAddresses(); n > 0 {
		s.Limit = n + maxConfiguredRemotes
	}
	return s
}

// maxConfiguredRemotes is how many remotes, beyond `maxaddress`, the table of remotes has
// room for: those that the configuration names.
const maxConfiguredRemotes = 1024

// sweep ages learned entries and removes remotes that nothing refers to.
func (l *link) sweep(now fdb.Tick) {
	l.vtep.mu.Lock()
	ageing := l.cfg.ageing()
	l.forgetVias()
	l.vtep.mu.Unlock()
	l.Age(now, fdb.Tick((max(ageing, 0)+time.Second-1)/time.Second)) // 0 ages nothing
	l.vtep.onNeighbours(l)                                           // events may have been lost
}

// info describes the link; the caller holds VTEP.mu.
func (l *link) info() LinkInfo {
	l.takeFiltered()
	i := LinkInfo{
		Config:    l.cfg,
		State:     l.device,
		MTUSource: l.mtuFrom(),
		Entries:   l.FDB.Len(),
		Addresses: l.FDB.Addresses(),
		Learned:   l.Learned(),
		Stats:     forward.Sum(l.Shards),
		Troubles:  l.troubleList(),
		ICMP:      l.icmpCounts(),
		Shared:    l.sharedDrops(),
		Offloads:  l.offloads(),
	}
	if l.retry && l.missing != nil {
		i.Missing = l.missing.Error()
	}
	i.Remotes, i.MoreRemotes = l.remoteStats(mostRemoteStats)
	i.Stats.PolicyID = uint16(l.LastPolicy.Load())
	i.Stats.Evicted, _ = l.Evicted()
	return i
}
