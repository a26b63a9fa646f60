package forward

import (
	"net/netip"

	"github.com/uvtep/uvtep/encap"
)

// A kernel VTEP on this host hands over what it leaves to a device that never
// comes: inner superframes as one datagram, and inner checksums that are partial
// (docs/conformance.md, trap 1). Nothing in the bytes of a datagram says so for
// certain, and tenants choose the bytes. What follows is inferred from where the
// kernel says that a datagram came from; SECURITY.md lists who could lie.

// Arrivals is the immutable snapshot of where datagrams come from that the data
// path reads.
type Arrivals struct {
	Of       func(device uint32, src encap.Addr) encap.Origin
	Prefixes []netip.Prefix // of senders on this host, by any link's `samehost`
	Nobody   bool           // every link has `samehost none`
}

// origin is where d came from. Of one whose sender a prefix names, the bytes are
// not trusted, whatever device it came by.
func (w *NetWorker) originOf(b *netBatch, d *encap.Datagram) encap.Origin {
	f := &b.from
	if f.known && d.Device == f.device && d.Src == f.src {
		return f.origin
	}
	*f = arrival{known: true, device: d.Device, src: d.Src, origin: b.arrivals.Of(d.Device, d.Src)}
	switch f.origin {
	case encap.OriginUnknown:
		w.ep.plane.meet(d.Device)
	case encap.OriginWire:
		if len(b.arrivals.Prefixes) > 0 && contains(b.arrivals.Prefixes, d.Src) {
			f.origin = encap.OriginMixed
		}
	case encap.OriginMixed, encap.OriginHere:
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
func (w *NetWorker) isTrain(b *netBatch, d *encap.Datagram) bool {
	if w.originOf(b, d) == encap.OriginWire || b.arrivals.Nobody || alike(d.Payload, int(d.SegSize)) {
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
func (w *NetWorker) undecided(d *encap.Datagram) {
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
	s, c := l.State.Load(), l.netCounters(w.n)
	switch {
	case !s.Up:
		c.drop(RxLinkDown)
	case d.Src == s.Own:
		c.drop(RxOwnEcho)
	case !s.accepts(d.Src, l.Remotes.peers.lookup(d.Src)):
		c.drop(RxNotPeer)
	default:
		c.drop(RxUndecided)
		w.ep.Undecided.Store(true)
		w.ep.plane.wake()
	}
}

// fromThisHost reports whether what a kernel VTEP leaves undone is restored in what
// src sent.
func (s *State) fromThisHost(from encap.Origin, src encap.Addr) bool {
	return !s.TrustNobody && (from == encap.OriginHere || contains(s.SameHost, src))
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
