package vtep

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// bypassers are indexes of links by which the bypasses are found that a new or removed link
// concerns, without a look at all of thousands of links. Guarded by VTEP.mu.
type bypassers struct {
	byVNI   map[encap.VNI][]*link
	vni     map[*link]encap.VNI // the VNI that byVNI has the link under
	foreign map[*link]struct{}  // links that have, or had, remotes of another VNI or port than their own
}

func newBypassers() bypassers {
	return bypassers{byVNI: make(map[encap.VNI][]*link), vni: make(map[*link]encap.VNI), foreign: make(map[*link]struct{})}
}

func (b *bypassers) add(l *link) {
	b.vni[l] = l.cfg.VNI
	b.byVNI[l.cfg.VNI] = append(b.byVNI[l.cfg.VNI], l)
}

func (b *bypassers) remove(l *link) {
	delete(b.foreign, l)
	b.unlist(l)
}

// renumber follows a change of l's VNI. It returns the links of the VNI before.
func (b *bypassers) renumber(l *link) []*link {
	before := b.vni[l]
	b.unlist(l)
	b.add(l)
	return b.byVNI[before]
}

func (b *bypassers) unlist(l *link) {
	vni, ok := b.vni[l]
	if !ok {
		return // AddLink failed before add
	}
	delete(b.vni, l)
	if b.byVNI[vni] = slices.DeleteFunc(b.byVNI[vni], func(o *link) bool { return o == l }); len(b.byVNI[vni]) == 0 {
		delete(b.byVNI, vni)
	}
}

// findBypasses updates the bypasses of l and of the links that may have l as a remote: those
// of l's VNI, and those with remotes of another VNI or port than their own. The caller holds
// v.mu.
func (v *VTEP) findBypasses(l *link) {
	for _, o := range v.bypassers.byVNI[l.cfg.VNI] {
		v.ownBypasses(o)
	}
	for o := range v.bypassers.foreign {
		if o.cfg.VNI != l.cfg.VNI {
			v.ownBypasses(o)
		}
	}
}

// ownBypasses updates the bypasses of l alone.
func (v *VTEP) ownBypasses(l *link) {
	l.mayBypass = false
	l.Remotes.Each(func(r *forward.Remote) { v.setBypass(l, r) })
}

// setBypass updates the bypass of r, a remote of l.
func (v *VTEP) setBypass(l *link, r *forward.Remote) {
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
		from.Addr = r.Addr // the kernel sends to an address of the host from that address
	}
	if b != nil && b.To == to.Link && b.Back.RemoteKey == from {
		return
	}
	back := to.Remotes.Keep(from)
	if b != nil && b.To == to.Link {
		to.moveLearned(b.Back.ID, back.ID, v.now()) // l is another remote of to now
	}
	v.bypassers.foreign[to] = struct{}{}
	r.Bypass.Store(&forward.Bypass{To: to.Link, Back: back})
	v.setBypass(to, back) // the way back; the recursion ends where both ways are set
}

// linkBehind is the link of this VTEP that packets of l to r reach; nil: they leave the host,
// or reach l itself or a process other than this VTEP.
func (v *VTEP) linkBehind(l *link, r *forward.RemoteKey) *link {
	addr := r.Addr.Netip()
	if l.cfg.NoLocalBypass || !addr.IsValid() || addr.IsMulticast() || addr.IsLinkLocalUnicast() {
		return nil
	}
	to := v.listener(l, r)
	if to == nil || to == l {
		return nil
	}
	l.mayBypass = true // everySecond looks again, since addresses come and go
	route, err := v.host.RouteTo(addr, cmp.Or(r.Via, l.vrf))
	if err != nil || !route.Local {
		return nil
	}
	return to
}

// listener is the link that would receive a packet of l to r if r were an address of this
// host; nil: there is none.
func (v *VTEP) listener(l *link, r *forward.RemoteKey) *link {
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
