package evpn

import (
	"slices"
	"unique"

	"github.com/uvtep/uvtep/bgp"
)

// segment is an Ethernet segment as a link knows it.
type segment struct {
	whole  []*route // T1 per ES: its VTEP is attached to the segment
	perVNI []*route // T1 per EVI: its VTEP takes frames of the link's VNI for the segment
	macs   map[bgp.MAC]int
}

func (l *link) segment(e bgp.ESI) *segment {
	s := l.segments[e]
	if s == nil {
		s = &segment{macs: map[bgp.MAC]int{}}
		l.segments[e] = s
	}
	return s
}

// forget removes a segment that nothing speaks of.
func (l *link) forget(e bgp.ESI, s *segment) {
	if len(s.whole) == 0 && len(s.perVNI) == 0 && len(s.macs) == 0 {
		delete(l.segments, e)
	}
}

// list is where a T1 belongs: MAX-ET tells the two kinds apart (RFC 7432 section 8.2.1).
func (s *segment) list(rt *route) *[]*route {
	if r := rt.key.Route(); r.ETag == bgp.MaxETag {
		return &s.whole
	}
	return &s.perVNI
}

func (l *link) putSegment(rt *route, e bgp.ESI, had bool) {
	s := l.segment(e)
	if list := s.list(rt); !had {
		*list = append(*list, rt)
	}
	l.touchSegment(s)
}

// removeSegment takes out a T1. That of a whole segment moves all of its MAC addresses at once
// (RFC 7432 section 8.2: mass withdrawal).
func (l *link) removeSegment(rt *route, e bgp.ESI) {
	s := l.segment(e)
	list := s.list(rt)
	*list = without(*list, rt)
	l.touchSegment(s)
	l.forget(e, s)
}

func (l *link) touchSegment(s *segment) {
	for m := range s.macs {
		l.touchMAC(m)
	}
}

// none is the ESI of what is behind no Ethernet segment.
func none() unique.Handle[bgp.ESI] { return unique.Handle[bgp.ESI]{} }

// follow keeps count of which MAC addresses are behind which segment: before is the path that
// said so until now, rt has the one that says so from now on; nil: none.
func (l *link) follow(m bgp.MAC, before *path, rt *route) {
	was, is := none(), none()
	if before != nil && before.esi != none() && l.counted(before) {
		was = before.esi
	}
	if rt != nil {
		is = rt.best().esi
	}
	if was == is {
		return
	}
	if was != none() {
		s := l.segment(was.Value())
		if s.macs[m]--; s.macs[m] <= 0 {
			delete(s.macs, m)
		}
		l.forget(was.Value(), s)
	}
	if is != none() {
		l.segment(is.Value()).macs[m]++
	}
}

// counted reports whether follow counted a path: it is one that this link imported.
func (l *link) counted(p *path) bool {
	return slices.Contains(p.importers, l) && l.refusesAddr(p.nextHop.Value()) == Used
}

// behind is the VTEP that has a MAC address by a path: the next hop or, behind an Ethernet segment, one of
// the VTEPs that announced the segment as a whole. Of these the next hop, which announced the MAC address
// itself, needs nothing more (RFC 7432 section 9.2.2), the others a T1 for this VNI, which is optional (section 8.4:
// aliasing). Which one is chosen by a hash of both, so that few addresses move when a VTEP comes or goes.
func (l *link) behind(m bgp.MAC, p *path) (vtep, bool) {
	if p.esi == none() {
		return p.nextHop, true
	}
	s := l.segments[p.esi.Value()]
	if s == nil {
		return vtep{}, false
	}
	best, most := vtep{}, uint64(0)
	consider := func(v vtep) {
		if !s.attached(v) {
			return
		}
		if w := weight(m, v); best == (vtep{}) || w > most {
			best, most = v, w
		}
	}
	consider(p.nextHop)
	if !s.single() {
		for _, rt := range s.perVNI {
			consider(rt.best().nextHop)
		}
	}
	return best, best != vtep{}
}

// attached reports whether a VTEP has announced the whole segment.
func (s *segment) attached(v vtep) bool {
	for _, rt := range s.whole {
		if rt.best().nextHop == v {
			return true
		}
	}
	return false
}

// single reports whether only one VTEP of the segment forwards (RFC 7432 section 14.1.1): the one
// that announces the MAC address.
func (s *segment) single() bool {
	for _, rt := range s.whole {
		if rt.best().single {
			return true
		}
	}
	return false
}

// weight ranks a VTEP for a MAC address.
func weight(m bgp.MAC, v vtep) uint64 {
	a := v.Value().As16()
	b := append(a[:], m[:]...)
	h := uint64(14695981039346656037) // FNV-1a, then mixed: the same on each VTEP and after a restart
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h ^= h >> 33
	return h * 0xff51afd7ed558ccd
}
