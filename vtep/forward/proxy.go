package forward

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// Neighbours are the MACs of addresses that a proxy answers for: an immutable
// copy of the netdev's neighbour table.
type Neighbours map[encap.Addr]encap.MAC

// answers answers f, if it asks for a neighbour that the link knows, in that
// one's place, and reports whether f is done with. Of what it does not know it
// tells with l3miss, as the kernel; without, f goes its way, where the kernel
// drops it (arp_reduce and neigh_reduce in drivers/net/vxlan/vxlan_core.c).
func (w *portWorker) answers(from *source, f *encap.Frame, in *encap.Inner) bool {
	l, s, c := from.link, from.s, from.c
	if s.ProxyLearn {
		l.says(f, in, w.now)
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
	router := false
	if !ok && s.ProxyLearn {
		var tell bool
		if mac, router, tell, ok = l.learnedNeighbour(q.Target, f, w.now); ok && !tell {
			return false // it is for another to answer
		}
	}
	if !ok {
		if s.L3Miss { // vxlan_ip_miss in drivers/net/vxlan/vxlan_core.c
			w.plane.OnL3Miss(s.Name, q.Target)
			c.drop(TxNoNeighbour)
		}
		return s.L3Miss
	}
	id, flags, ok := l.FDB.Peek(mac)
	if ok {
		if r := l.Remotes.At(id); r != nil && r.Addr == (encap.Addr{}) {
			return false // it is on this side and answers itself
		}
	}
	if w.toHost(s, q.Append(w.reply[:0], mac, router || flags&fdb.FlagRouter != 0)) {
		c.answered.Add(1)
	} else {
		c.drop(RxPort)
	}
	return true
}
