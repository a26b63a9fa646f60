package control

import (
	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
)

// linkOf is the API's form of a link, with the device as package vtep knows it.
func linkOf(i vtep.LinkInfo) api.Link {
	l := api.Link{
		Spec: SpecOf(i.Config), MTUSource: i.MTUSource, Missing: i.Missing, Entries: i.Entries, Addresses: i.Addresses, Learned: i.Learned,
		Netdev:  netdevOf(&i),
		Offload: offloadOf(&i.Offloads),
		Stats:   statsOf(&i.Stats),

		SharedDrops: dropsOf(i.Shared),
	}
	for _, t := range i.Troubles {
		l.Trouble = append(l.Trouble, api.Trouble{Dst: t.Remote, Port: t.Port, What: t.Kind.String(), Count: t.Count, Now: t.Now})
	}
	for j := range i.Remotes {
		l.Remotes = append(l.Remotes, remoteStatsOf(&i.Remotes[j]))
	}
	l.MoreRemotes = i.MoreRemotes
	l.Spec.Name = l.Netdev.Name
	return l
}

// netdevOf is a link's device as package vtep knows it.
func netdevOf(i *vtep.LinkInfo) api.Netdev {
	d := api.Netdev{
		Index: i.Index, Name: i.Name, MAC: i.MAC.String(), Broadcast: "ff:ff:ff:ff:ff:ff", MTU: i.MTU,
		Flags: []string{"BROADCAST", "MULTICAST"}, OperState: "DOWN", LinkMode: "DEFAULT", Group: "default",
		TxQLen: uint32(i.TxQueueLen), GSOMaxSize: uint32(i.GSOMaxSize), GSOMaxSegs: uint32(i.GSOMaxSegs),
	}
	if i.Up {
		d.Flags, d.OperState = append(d.Flags, "UP", "LOWER_UP"), "UNKNOWN"
	}
	if i.Away {
		d.NSID = new(i.NSID)
	}
	if d.Name == "" {
		d.Name = i.Config.Name
	}
	return d
}

// remoteStatsOf is the API's form of a remote's counters.
func remoteStatsOf(r *vtep.RemoteStats) api.RemoteStats {
	s := api.RemoteStats{
		Dst: r.IP, Configured: r.Configured, Entries: r.Entries,
		Rx: api.Counts{Packets: r.RxPackets, Bytes: r.RxBytes, Dropped: r.RxDrops},
		Tx: api.Counts{Packets: r.TxPackets, Bytes: r.TxBytes, Dropped: r.TxDrops},
	}
	if r.Heard != vtep.NeverHeard {
		s.Heard = new(uint32(r.Heard.Seconds()))
	}
	return s
}

// statsOf is the API's form of counters.
func statsOf(s *forward.Stats) api.LinkStats {
	out := api.LinkStats{
		Rx:       api.Counts{Bytes: s.RxBytes, Packets: s.RxPackets, Errors: s.RxErrors, Dropped: s.RxDropped, Multicast: s.Multicast},
		Tx:       api.Counts{Bytes: s.TxBytes, Packets: s.TxPackets, Errors: s.TxErrors, Dropped: s.TxDropped},
		Reserved: s.Reserved, NotLearned: s.NotLearned, Evicted: s.Evicted, Moves: s.Moves, TooBigSent: s.TooBigSent, Withheld: s.TooBigWithheld, Fragmented: s.Fragmented, Answered: s.Answered, PolicyID: s.PolicyID,
	}
	out.Drops = dropsOf(s.Drops)
	return out
}

// dropsOf is the API's form of drops; nil: there are none.
func dropsOf(drops map[forward.DropReason]uint64) map[string]uint64 {
	if len(drops) == 0 {
		return nil
	}
	out := make(map[string]uint64, len(drops))
	for reason, n := range drops {
		out[reason.String()] = n
	}
	return out
}

// offloadOf is the API's form of a link's offloads.
func offloadOf(o *vtep.LinkOffloads) api.Offload {
	return api.Offload{
		TAP:    api.TAPOffload{Read: o.TAP.Read.Words(), Write: o.TAP.Write.Words(), Reason: o.TAP.Reason()},
		UDPGSO: api.UDPGSO{Segments: o.UDPGSO.Segments, Reason: o.UDPGSO.Reason},
		UDPGRO: api.UDPGRO{On: o.UDPGRO.GRO, Reason: o.UDPGRO.Reason},
		Filter: api.Filter{On: o.Filter.On, Reason: o.Filter.Reason},

		TunnelGSO: api.TunnelGSO{On: o.UDPGSO.Tunnel, Reason: o.UDPGSO.TunnelReason},
		TXRing:    api.TXRing{On: o.UDPGSO.Ring, Reason: o.UDPGSO.RingReason},
	}
}
