package vtep

import (
	"net/netip"
	"slices"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep/forward"
)

// meetDevices asks the kernel about the device that was noted, at most once a
// second. What it does not know either is taken for one that senders on this host
// may be behind.
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

// followAddresses looks which addresses are this host's.
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

// findOrigins asks for devices and addresses before the first endpoint is opened.
// Where that fails all are unknown. The caller holds v.mu.
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

// publishArrivals gives the data path a new snapshot; the caller holds v.mu.
func (v *VTEP) publishArrivals(o underlay.Origins) {
	v.origins = o
	a := &forward.Arrivals{Nobody: v.sameHost.links == 0, Of: o.Of}
	for p := range v.sameHost.prefixes {
		a.Prefixes = append(a.Prefixes, p)
	}
	v.plane.Arrivals.Store(a)
}

// sameHostWords is what the links say of senders on this host, taken together:
// before its VNI is looked at, a datagram is of no link. Guarded by VTEP.mu.
type sameHostWords struct {
	links    int                  // without `samehost none`
	prefixes map[netip.Prefix]int // how many links have which
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

// countSameHost follows what l says; the caller holds v.mu.
func (v *VTEP) countSameHost(l *Link) {
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
