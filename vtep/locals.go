package vtep

import (
	"net/netip"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// LocalEntry is a MAC address on this side of a link with LearnLocal, or one of its IP
// addresses.
type LocalEntry struct {
	Link      string
	MAC       encap.MAC
	IP        netip.Addr // invalid: the entry is the MAC address's
	Router    bool       // the host says that it is a router (RFC 4861 section 4.4)
	Contested bool       // a permanent FDB entry has the MAC address behind a remote
	Pinned    bool       // a permanent FDB entry has the MAC address here
	Updated   time.Duration
}

// WalkLocal calls fn with each address on this side of a link, or of all links for "", until
// fn returns false: a MAC address, then its IP addresses. mac selects one MAC address where
// it is not nil. No lock is held while fn runs. The error is ErrNoLink.
func (v *VTEP) WalkLocal(link string, mac *encap.MAC, fn func(*LocalEntry) bool) error {
	links, err := v.selected(link)
	if err != nil {
		return err
	}
	for _, l := range links {
		more := true
		l.WalkLocals(func(a *forward.Local) bool {
			if mac != nil && a.MAC != *mac {
				return true
			}
			more = fn(&LocalEntry{
				Link: l.State.Load().Name, MAC: a.MAC, IP: a.IP.Netip(), Router: a.Router, Contested: a.Contested,
				Pinned: a.Pinned, Updated: ago(v.now(), a.Updated),
			})
			return more
		})
		if !more {
			break
		}
	}
	return nil
}

// followLearnLocal brings the link's tables of local addresses in line with its
// configuration. The caller holds v.mu.
func (l *link) followLearnLocal() {
	limits := &l.vtep.limits
	l.LearnLocals(l.cfg.LearnLocal || l.cfg.EVPN, limits.localMACs, limits.localAddrs, l.cfg.maxAddresses(), l.tellLocal)
}

// tellLocal tells subscribers of a change of an address on this side. It runs with locks of
// the data path's held.
func (l *link) tellLocal(e *forward.LocalEvent) {
	if !l.vtep.events.wants(LocalEvents) {
		return
	}
	ev := Event{Reason: e.Reason, OldMAC: e.OldMAC, Pinned: e.Pinned, Entry: FDBEntry{Link: l.State.Load().Name, MAC: e.MAC}}
	if e.IP != (encap.Addr{}) {
		ev.Entry.Remote.Addr = e.IP.Netip()
	}
	if e.Router {
		ev.Entry.Flags = fdb.FlagRouter
	}
	if e.Old != nil {
		ev.Old = e.Old.Addr.Netip()
	}
	switch e.Kind {
	case forward.LocalSeen:
		ev.Kind = LocalSeen
	case forward.LocalMoved:
		ev.Kind = LocalMoved
	case forward.LocalGone:
		ev.Kind = LocalGone
	case forward.LocalContested:
		ev.Kind = LocalContested
	}
	l.vtep.events.tell(LocalEvents, &ev)
}
