package vtep

import "github.com/uvtep/uvtep/encap"

// isOneFrame reports whether a datagram that came with a segment size is one
// inner superframe: a kernel VTEP on this host passes inner UDP so, and the size
// is then that of the inner segments (docs/conformance.md, trap 1). Its checksum is
// partial; a cut packet whose length the datagrams behind it happen to fill is none.
func isOneFrame(payload []byte) bool {
	if len(payload) < encap.HeaderLen+encap.EthernetHeaderLen {
		return true
	}
	frame := payload[encap.HeaderLen:]
	in := encap.ParseInner(frame)
	return in.IPVersion != 0 && int(in.L3)+in.IPLen == len(frame) && encap.LooksPartial(frame, &in)
}

// restoreOffload finds what a kernel VTEP on the same host left to a device
// that never came: segmentation (a packet longer than the link's MTU, or one
// that came with its segment size) and the transport checksum (conformance
// section 4, trap 1). Long frames that are whole, from a link with a larger
// MTU, pass as they are.
func restoreOffload(f *encap.Frame, in *encap.Inner, mtu, size int) {
	if size != 0 {
		if o, ok := encap.SegmentOffloadSize(f.Data, in, size); ok {
			f.Offload = o
			return
		}
	}
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
