package vtep

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// followNeighbours copies the netdev's neighbour table to the link. The caller holds v.mu.
func (v *VTEP) followNeighbours(l *link) {
	if !l.cfg.Proxy {
		l.SetNeighbours(nil)
		return
	}
	all, err := l.at.neighbours()
	if err != nil {
		l.log.Warn("reading the neighbours that the proxy answers for failed", "err", err)
		return
	}
	table := make(forward.Neighbours, len(all))
	for _, n := range all {
		table[encap.AddrFrom(n.IP)] = n.MAC
	}
	l.SetNeighbours(table)
}

// onNeighbours follows a change of the neighbour table.
func (v *VTEP) onNeighbours(l *link) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !l.gone && l.cfg.Proxy {
		v.followNeighbours(l)
	}
}
