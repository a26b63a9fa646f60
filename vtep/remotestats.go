package vtep

import (
	"net/netip"
	"time"

	"github.com/uvtep/uvtep/vtep/forward"
)

// mostRemoteStats is how many remotes a link's counters are told of: `accept any` lets
// whoever forges sources make as many remotes as the link may have.
const mostRemoteStats = 64

// NeverHeard as RemoteStats.Heard: no packet of the remote was admitted.
const NeverHeard time.Duration = -1

// RemoteStats are the counters of an outer address that a link has remotes with, since the
// link came to know it.
type RemoteStats struct {
	forward.PeerStats
	IP    netip.Addr    // Addr, a link-local one with the name of its device as its zone
	Heard time.Duration // since its last packet was admitted; NeverHeard
}

// RemoteStats lists the counters of at most most remotes of a link, configured ones first, and
// how many are left out: for who needs more than the few that LinkInfo has.
func (v *VTEP) RemoteStats(name string, most int) (list []RemoteStats, left int, err error) {
	v.mu.Lock()
	l, err := v.find(name)
	v.mu.Unlock()
	if err != nil {
		return nil, 0, err
	}
	list, left = l.remoteStats(most)
	return list, left, nil
}

// remoteStats lists the counters of at most most remotes, configured ones first, and how many
// are left out.
func (l *link) remoteStats(most int) (list []RemoteStats, left int) {
	peers, left := l.PeerStats(most)
	now := l.vtep.plane.Now()
	for _, p := range peers {
		s := RemoteStats{PeerStats: p, IP: p.Addr.Netip(), Heard: NeverHeard}
		if p.Ever {
			s.Heard = time.Duration(now-min(p.HeardAt, now)) * time.Second
		}
		if o := l.vtep.seen.Load(); o != nil && p.Zone != 0 {
			s.IP = s.IP.WithZone(o.Devices[p.Zone].Name)
		}
		list = append(list, s)
	}
	return list, left
}
