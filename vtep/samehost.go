package vtep

import (
	"net/netip"
	"slices"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// A kernel VTEP on this host hands over what it leaves to a device that never
// comes: inner superframes as one datagram, and inner checksums that are partial
// (docs/conformance.md, trap 1). Nothing in the bytes of a datagram says so for
// certain, and tenants choose the bytes. What follows is inferred from where the
// kernel says that a datagram came from; SECURITY.md lists who could lie.

// arrivals is the immutable snapshot of where datagrams come from that the data
// path reads.
type arrivals struct {
	underlay.Origins
	prefixes []netip.Prefix // of senders on this host, by any link's `samehost`
	nobody   bool           // every link has `samehost none`
}

// origin is where d came from. Of one whose sender a prefix names, the bytes are
// not trusted, whatever device it came by.
func (w *netWorker) origin(d *encap.Datagram) underlay.Origin {
	f := &w.from
	if f.known && d.Device == f.device && d.Src == f.src {
		return f.origin
	}
	*f = arrival{known: true, device: d.Device, src: d.Src, origin: w.arrivals.Of(d.Device, d.Src)}
	switch f.origin {
	case underlay.OriginUnknown:
		w.ep.vtep.meet(d.Device)
	case underlay.OriginWire:
		if len(w.arrivals.prefixes) > 0 && contains(w.arrivals.prefixes, d.Src) {
			f.origin = underlay.OriginMixed
		}
	case underlay.OriginMixed, underlay.OriginHere:
	}
	return f.origin
}

func contains(prefixes []netip.Prefix, a encap.Addr) bool {
	ip := a.Netip()
	for _, p := range prefixes {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// isTrain reports whether d, which came with a size, is several datagrams of that
// size. A sender that is not on this host sends nothing else. Of one that may be,
// the size can be that of the segments of an inner UDP superframe; then d is cut
// only where that can do no harm, see alike. What is left cannot be decided: it is
// dropped, and the endpoint goes on without UDP_GRO, where the kernel itself cuts
// what it joined.
func (w *netWorker) isTrain(d *encap.Datagram) bool {
	if w.origin(d) == underlay.OriginWire || w.arrivals.nobody || alike(d.Payload, int(d.SegSize)) {
		return true
	}
	w.undecided(d)
	return false
}

// alike reports whether payload, cut into pieces of size, is what a train of frames
// of one VNI looks like: each piece holds an Ethernet header, all have the VXLAN
// header of the first, and the first one's IP packet, if it is one, ends with its
// piece. Where payload is an inner superframe all the same, its sender made an IP
// header that contradicts its own segments, and what is cut out of it are frames of
// the VNI that it was sent in.
func alike(payload []byte, size int) bool {
	const least = encap.HeaderLen + encap.EthernetHeaderLen
	if size < least {
		return false
	}
	header := [encap.HeaderLen]byte(payload)
	for p := payload[size:]; len(p) > 0; p = p[min(size, len(p)):] {
		if len(p) < least || [encap.HeaderLen]byte(p) != header {
			return false
		}
	}
	in := encap.ParseInner(payload[encap.HeaderLen:size])
	return in.IPVersion == 0 || encap.HeaderLen+int(in.L3)+in.IPLen <= size
}

// undecided drops d. Who is no peer of its link is told so, and changes nothing:
// the first VXLAN header is one whatever d is.
func (w *netWorker) undecided(d *encap.Datagram) {
	h, ok := encap.DecodeHeader(d.Payload)
	if !ok {
		w.c.drop(RxShortHeader)
		return
	}
	if !h.Valid() {
		w.c.drop(RxNoVNIFlag)
		return
	}
	l := w.ep.link(h.VNI)
	if l == nil {
		w.c.drop(RxUnknownVNI)
		return
	}
	s, c := l.state.Load(), l.netCounters(w.n)
	switch {
	case !s.up:
		c.drop(RxLinkDown)
	case d.Src == s.own:
		c.drop(RxOwnEcho)
	case !s.accepts(d.Src, l.remotes.peers.lookup(d.Src)):
		c.drop(RxNotPeer)
	default:
		c.drop(RxUndecided)
		w.ep.undecided.Store(true)
		w.ep.vtep.wake()
	}
}

// fromThisHost reports whether what a kernel VTEP leaves undone is restored in what
// src sent.
func (s *linkState) fromThisHost(origin underlay.Origin, src encap.Addr) bool {
	switch s.sameHost.Mode {
	case SameHostNone:
		return false
	case SameHostPrefixes:
		return origin == underlay.OriginHere || contains(s.sameHost.Prefixes, src)
	default:
		return origin == underlay.OriginHere
	}
}

// restoreOffload finds what a kernel VTEP on the same host left to a device
// that never came: segmentation (a packet longer than the link's MTU) and the
// transport checksum. Long frames that are whole, from a link with a larger MTU,
// pass as they are.
func restoreOffload(f *encap.Frame, in *encap.Inner, mtu int) {
	if in.IPLen > mtu {
		if o, ok := encap.SegmentOffload(f.Data, in, mtu); ok {
			f.Offload = o
			return
		}
	}
	if encap.LooksPartial(f.Data, in) {
		f.Offload, _ = encap.PartialOffload(in)
	}
}

// meet notes a device that nothing is known of, for the control plane to ask about.
func (v *VTEP) meet(device uint32) {
	if device != 0 && v.unmet.Load() != device {
		v.unmet.Store(device)
		v.wake()
	}
}

// meetDevices asks the kernel about the device that was noted, at most once a
// second. What it does not know either is taken for one that senders on this host
// may be behind.
func (v *VTEP) meetDevices() {
	device := v.unmet.Load()
	if device == 0 || v.meetAgain > v.now() {
		return
	}
	v.meetAgain = v.now() + 1
	o, err := v.host.Origins(nil)
	if err != nil {
		v.log.Warn("asking for the devices of the underlay failed, trying again", "err", err)
		return
	}
	if o.Devices[device].Origin == underlay.OriginUnknown {
		o.Devices[device] = underlay.Device{Origin: underlay.OriginMixed}
	}
	v.unmet.Store(0)
	v.locked(func() { v.publishArrivals(o) })
}

// followAddresses looks which addresses are this host's.
func (v *VTEP) followAddresses() {
	known := v.arrivals.Load().Devices
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
	if v.arrivals.Load().Devices != nil {
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
	a := &arrivals{Origins: o, nobody: v.sameHost.links == 0}
	for p := range v.sameHost.prefixes {
		a.prefixes = append(a.prefixes, p)
	}
	v.arrivals.Store(a)
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
	if a := v.arrivals.Load(); a.nobody != (v.sameHost.links == 0) || len(a.prefixes) != len(v.sameHost.prefixes) || len(is.Prefixes) > 0 {
		v.publishArrivals(a.Origins)
	}
}
