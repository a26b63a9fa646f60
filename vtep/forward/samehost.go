package forward

import (
	"net/netip"

	"github.com/uvtep/uvtep/encap"
)

// A kernel VTEP on this host leaves work to a device, and between the two VTEPs there is
// none: inner superframes arrive as one datagram, and inner checksums are partial (T1 in
// docs/conformance.md). No byte of a datagram says so for certain, and tenants choose the
// bytes. What follows is inferred from where the kernel says that a datagram came from;
// SECURITY.md lists who could lie.

// Arrivals is the immutable snapshot of where datagrams come from that the data
// path reads.
type Arrivals struct {
	Of       func(device uint32, src encap.Addr) encap.Origin
	Prefixes []netip.Prefix // of senders on this host, as any link's `samehost` names them
	Nobody   bool           // every link has `samehost none`
}

// originOf is where d came from. Where a prefix names the sender, it may be on this host,
// whatever device d came by.
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

// isTrain reports whether d, which came with a size, is several datagrams of that size that
// the kernel joined. From outside this host nothing else comes. From a sender that may be
// on this host, the size can also be that of the segments of an inner UDP superframe: d is
// cut only where that can do no harm (see alike). Otherwise d cannot be decided and is
// dropped, and the endpoint goes on without UDP_GRO, where the kernel joins nothing.
func (w *NetWorker) isTrain(b *netBatch, d *encap.Datagram) bool {
	if w.originOf(b, d) == encap.OriginWire || b.arrivals.Nobody || alike(d.Payload, int(d.SegSize)) {
		return true
	}
	w.undecided(d)
	return false
}

// alike reports whether payload, cut into pieces of size, looks like a train of frames of one
// VNI: each piece has room for an Ethernet header and begins with the VXLAN header of the
// first, and the IP packet in the first piece, if there is one, ends within it. Where payload
// is an inner superframe nonetheless, its sender made an IP header that contradicts its own
// segments, and the pieces are frames of the VNI that it may send to anyway.
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

// undecided drops d. The first VXLAN header tells the link, whatever d is; a sender that is
// no peer of the link changes nothing.
func (w *NetWorker) undecided(d *encap.Datagram) {
	h, ok := encap.DecodeHeader(d.Payload)
	if !ok {
		w.c.drop(RxShortHeader)
		w.ep.captureStray(RxShortHeader, d, d.Payload)
		return
	}
	if !h.Valid() {
		w.c.drop(RxNoVNIFlag)
		w.ep.captureStray(RxNoVNIFlag, d, d.Payload)
		return
	}
	l := w.ep.link(h.VNI)
	if l == nil {
		w.c.drop(RxUnknownVNI)
		w.unknown.Add(h.VNI)
		w.ep.captureStray(RxUnknownVNI, d, d.Payload)
		return
	}
	s, c := l.State.Load(), l.netCounters(w.n)
	reason := RxUndecided
	switch {
	case !s.Up:
		reason = RxLinkDown
	case d.TTL < s.MinTTL:
		reason = RxLowTTL
	case d.Src == s.Own:
		reason = RxOwnEcho
	case !s.accepts(d.Src, l.Remotes.peers.lookup(d.Src, d.Device)):
		reason = RxNotPeer
	default:
		w.ep.Undecided.Store(true)
		w.ep.plane.wake()
	}
	c.drop(reason)
	if s.Captures != nil {
		s.captureArrived(d, d.Payload, &encap.Frame{Data: d.Payload[encap.HeaderLen:]}, Fate{true, reason})
	}
}

// fromThisHost reports whether src may be a kernel VTEP on this host, whose undone work is
// restored.
func (s *State) fromThisHost(from encap.Origin, src encap.Addr) bool {
	return !s.TrustNobody && (from == encap.OriginHere || contains(s.SameHost, src))
}

// restoreOffload sets the offload metadata of work that a kernel VTEP on the same host left
// undone: segmentation, of a packet longer than the link's MTU, and the transport checksum.
// A long frame that is no superframe, from a link with a larger MTU, passes as it is.
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
