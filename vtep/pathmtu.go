package vtep

import (
	"slices"

	"github.com/uvtep/uvtep/encap"
)

// tooBig tells the sender of a frame that did not fit the path of its remote
// (conformance C10 and section 5): ICMP fragmentation needed or ICMPv6 packet
// too big, with the MTU that fits, goes back into the port. The kernel's driver
// does so for bridge ports only (skb_tunnel_check_pmtu in
// net/ipv4/ip_tunnel_core.c).
func (w *portWorker) tooBig(s *linkState, lane int, p *encap.Packet) {
	if slices.Contains(w.told[:w.nTold], &p.Frame.Data[0]) {
		return // for another copy
	}
	path, ok := s.tx[lane].PathMTU(p.Dst)
	if !ok {
		return
	}
	in := encap.ParseInner(p.Frame.Data)
	mtu := encap.LinkMTU(path, !p.Dst.Is4(), int(in.Tags))
	reply, ok := encap.AppendFragNeeded(w.reply[:0], p.Frame.Data, &in, mtu, s.mac)
	if !ok {
		return
	}
	w.toPort[0].Data = reply
	if n, _ := w.link.port.WriteBatch(w.queue, w.toPort[:]); n == 1 {
		w.c.tooBig.Add(1)
		w.told[w.nTold] = &p.Frame.Data[0]
		w.nTold++
	}
}
