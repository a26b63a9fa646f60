package vtep

import (
	"net/netip"
	"slices"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep/forward"
)

// meetDevices asks the kernel about the device that the data path does not know, at most once
// a second. Where the kernel does not know it either, senders on this host may be behind it.
func (v *VTEP) meetDevices() {
	device := v.plane.Unmet.Load()
	if device == 0 || v.meetAgain > v.now() {
		return
	}
	v.meetAgain = v.now() + 1
	o, err := v.host.Origins(nil)
	if err != nil {
		v.log.Warn("asking for the devices of the underlay failed, trying again", "err", err)
		return
	}
	if o.Devices[device].Origin == encap.OriginUnknown {
		o.Devices[device] = underlay.Device{Origin: encap.OriginMixed}
	}
	v.plane.Unmet.Store(0)
	v.locked(func() { v.publishArrivals(o) })
}

// followAddresses reads the addresses of this host.
func (v *VTEP) followAddresses() {
	var known map[uint32]underlay.Device
	v.locked(func() { known = v.origins.Devices })
	if known == nil {
		return // there is no endpoint yet
	}
	o, err := v.host.Origins(known)
	if err != nil {
		v.log.Warn("asking for the addresses of the underlay failed, trying again", "err", err)
		return
	}
	v.locked(func() { v.publishArrivals(o) })
}

// findOrigins reads the devices and addresses before the first endpoint is opened. On an
// error all are unknown. The caller holds v.mu.
func (v *VTEP) findOrigins() {
	if v.origins.Devices != nil {
		return
	}
	o, err := v.host.Origins(nil)
	if err != nil {
		v.log.Warn("asking for the devices of the underlay failed", "err", err)
		return
	}
	v.publishArrivals(o)
}

// publishArrivals stores a new snapshot for the data path; the caller holds v.mu.
func (v *VTEP) publishArrivals(o underlay.Origins) {
	v.origins = o
	v.seen.Store(&o)
	a := &forward.Arrivals{Nobody: v.sameHost.links == 0, Of: o.Of}
	for p := range v.sameHost.prefixes {
		a.Prefixes = append(a.Prefixes, p)
	}
	v.plane.Arrivals.Store(a)
}

// sameHostWords are the words `samehost` of all links together, since a datagram belongs to no
// link before its VNI is read. Guarded by VTEP.mu.
type sameHostWords struct {
	links    int                  // how many links do not have `samehost none`
	prefixes map[netip.Prefix]int // number of links by prefix
}

func (c *sameHostWords) count(w SameHost, n int) {
	if w.Mode != SameHostNone {
		c.links += n
	}
	for _, p := range w.Prefixes {
		if c.prefixes[p] += n; c.prefixes[p] == 0 {
			delete(c.prefixes, p)
		}
	}
}

// countSameHost follows a change of l's word; the caller holds v.mu.
func (v *VTEP) countSameHost(l *link) {
	is := l.cfg.SameHost
	if was := l.sameHost; was != nil && (l.gone || was.Mode != is.Mode || !slices.Equal(was.Prefixes, is.Prefixes)) {
		v.sameHost.count(*was, -1)
		l.sameHost = nil
	}
	if l.sameHost == nil && !l.gone {
		l.sameHost = &is
		v.sameHost.count(is, 1)
	}
	if a := v.plane.Arrivals.Load(); a.Nobody != (v.sameHost.links == 0) || len(a.Prefixes) != len(v.sameHost.prefixes) || len(is.Prefixes) > 0 {
		v.publishArrivals(v.origins)
	}
}
