package vtep

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// followNeighbours brings the link's copy of its netdev's neighbour table in
// line. The caller holds v.mu.
func (v *VTEP) followNeighbours(l *Link) {
	if !l.cfg.Proxy {
		l.SetNeighbours(nil)
		return
	}
	all, err := l.at.neighbours()
	if err != nil {
		l.log.Warn("the neighbours that the link answers for cannot be read", "err", err)
		return
	}
	table := make(forward.Neighbours, len(all))
	for _, n := range all {
		table[encap.AddrFrom(n.IP)] = n.MAC
	}
	l.SetNeighbours(table)
}

// onNeighbours follows a change of the neighbour table.
func (v *VTEP) onNeighbours(l *Link) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !l.gone && l.cfg.Proxy {
		v.followNeighbours(l)
	}
}
