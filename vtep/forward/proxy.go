package forward

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// Neighbours are the MACs of addresses that a proxy answers for: an immutable
// copy of the netdev's neighbour table.
type Neighbours map[encap.Addr]encap.MAC

// answers answers f in a neighbour's place, where f asks for a neighbour that the link knows.
// It reports whether f goes no further. A question for an unknown neighbour is told and
// dropped with l3miss, as by the kernel; without l3miss it is forwarded, where the kernel
// drops it (arp_reduce and neigh_reduce in drivers/net/vxlan/vxlan_core.c).
func (w *portWorker) answers(from *source, f *encap.Frame, in *encap.Inner) bool {
	l, s := from.link, from.s
	if s.ProxyLearn {
		l.noteLocal(f, in, w.now)
	}
	q, ok := encap.ParseQuestion(f.Data, in)
	if !ok {
		return false
	}
	known := l.neighbours.Load()
	if known == nil {
		return false
	}
	mac, ok := (*known)[q.Target]
	router, override := false, true
	if !ok {
		var n ToldNeighbour
		if n, ok = l.Told.Find(q.Target); ok {
			mac, router, override = n.MAC, n.Router, n.Override
		}
	}
	if !ok && s.ProxyLearn {
		var tell bool
		if mac, router, tell, ok = l.learnedNeighbour(q.Target, f, w.now); ok && !tell {
			return false // the neighbour itself has to answer
		}
	}
	if !ok {
		if s.L3Miss { // vxlan_ip_miss in drivers/net/vxlan/vxlan_core.c
			w.plane.OnL3Miss(s.Name, q.Target)
			from.drop(TxNoNeighbour, f)
		}
		return s.L3Miss
	}
	if from.here != nil && from.here.has(mac) {
		return false // the neighbour is on this side and answers itself
	}
	id, flags, ok := l.FDB.Peek(mac)
	if ok {
		if r := l.Remotes.At(id); r != nil && r.Addr == (encap.Addr{}) {
			return false // the neighbour is on this side and answers itself
		}
	}
	if w.toHost(s, q.Append(w.reply[:0], mac, router || flags&fdb.FlagRouter != 0, override)) {
		from.c.answered.Add(1)
	} else {
		from.drop(RxPort, f)
	}
	return true
}
