package vtep

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// bypassers are the links that a link which comes or goes may concern, so that
// among thousands not all have to be asked. Guarded by VTEP.mu.
type bypassers struct {
	byVNI   map[encap.VNI][]*Link
	vni     map[*Link]encap.VNI // that it stands under in byVNI
	foreign map[*Link]struct{}  // those that have, or had, remotes of another VNI or port than their own
}

func newBypassers() bypassers {
	return bypassers{byVNI: make(map[encap.VNI][]*Link), vni: make(map[*Link]encap.VNI), foreign: make(map[*Link]struct{})}
}

func (b *bypassers) add(l *Link) {
	b.vni[l] = l.cfg.VNI
	b.byVNI[l.cfg.VNI] = append(b.byVNI[l.cfg.VNI], l)
}

func (b *bypassers) remove(l *Link) {
	delete(b.foreign, l)
	b.unlist(l)
}

// renumber follows a change of l's VNI. It returns the links of the one before.
func (b *bypassers) renumber(l *Link) []*Link {
	before := b.vni[l]
	b.unlist(l)
	b.add(l)
	return b.byVNI[before]
}

func (b *bypassers) unlist(l *Link) {
	vni, ok := b.vni[l]
	if !ok {
		return // it was never complete
	}
	delete(b.vni, l)
	if b.byVNI[vni] = slices.DeleteFunc(b.byVNI[vni], func(o *Link) bool { return o == l }); len(b.byVNI[vni]) == 0 {
		delete(b.byVNI, vni)
	}
}

// findBypasses brings in line the bypasses of l and of the links that have
// remotes which l may be: those of l's VNI, and those with remotes of another
// VNI or port than their own. The caller holds v.mu.
func (v *VTEP) findBypasses(l *Link) {
	for _, o := range v.bypassers.byVNI[l.cfg.VNI] {
		v.ownBypasses(o)
	}
	for o := range v.bypassers.foreign {
		if o.cfg.VNI != l.cfg.VNI {
			v.ownBypasses(o)
		}
	}
}

// ownBypasses brings in line the bypasses of l alone.
func (v *VTEP) ownBypasses(l *Link) {
	l.mayBypass = false
	l.Remotes.Each(func(r *forward.Remote) { v.setBypass(l, r) })
}

// setBypass gives r, a remote of l, the bypass that it ought to have.
func (v *VTEP) setBypass(l *Link, r *forward.Remote) {
	b := r.Bypass.Load()
	to := v.linkBehind(l, &r.RemoteKey)
	if to == nil {
		if b != nil {
			r.Bypass.Store(nil)
		}
		return
	}
	from := forward.RemoteKey{Addr: encap.AddrFrom(l.cfg.source()), Port: l.cfg.dstPort(), VNI: l.cfg.VNI}
	if from.Addr == (encap.Addr{}) {
		from.Addr = r.Addr // to an address of its own, the kernel's source is that address
	}
	if b != nil && b.To == to.Link && b.Back.RemoteKey == from {
		return
	}
	back := to.Remotes.Keep(from)
	if b != nil && b.To == to.Link {
		to.moveLearned(b.Back.ID, back.ID, v.now()) // l is another remote now
	}
	v.bypassers.foreign[to] = struct{}{}
	r.Bypass.Store(&forward.Bypass{To: to.Link, Back: back})
	v.setBypass(to, back) // the way back; it ends where both ways are set
}

// linkBehind is the link of this VTEP that packets of l to r reach, nil where
// they leave the host, or reach l itself or somebody else.
func (v *VTEP) linkBehind(l *Link, r *forward.RemoteKey) *Link {
	addr := r.Addr.Netip()
	if l.cfg.NoLocalBypass || !addr.IsValid() || addr.IsMulticast() || addr.IsLinkLocalUnicast() {
		return nil
	}
	to := v.listener(l, r)
	if to == nil || to == l {
		return nil
	}
	l.mayBypass = true // addresses come and go: everySecond looks again
	route, err := v.host.RouteTo(addr, cmp.Or(r.Via, l.vrf))
	if err != nil || !route.Local {
		return nil
	}
	return to
}

// listener is the link that a packet of l to r would be given, if r is of this
// host.
func (v *VTEP) listener(l *Link, r *forward.RemoteKey) *Link {
	key := endpointKey{local: r.Addr.Netip(), port: r.Port, v6: !r.Addr.Is4()}
	if len(l.endpoints) > 0 {
		own := &l.endpoints[0].key
		key.vrf, key.vrfIndex = own.vrf, own.vrfIndex
	}
	wild := key
	wild.local = netip.Addr{}
	for _, k := range [2]endpointKey{key, wild} {
		for _, k.zeroChecksum6 = range [2]bool{false, true} {
			if ep := v.endpoints[k]; ep != nil {
				return ep.listener(r.VNI)
			}
		}
	}
	return nil
}
