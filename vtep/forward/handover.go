package forward

import "github.com/uvtep/uvtep/encap"

// Bypass is the way to another link of this VTEP without the network: what a
// remote that is this host's own address, with a link that listens there, has
// (encap_bypass_if_local in drivers/net/vxlan/vxlan_core.c). It does not change.
type Bypass struct {
	To *Link
	// Back is the sending link as a remote of to, by which to judges and learns
	// where a frame came from. The kernel learns the loopback address, behind
	// which an answer finds the link that sent it.
	Back *Remote
}

// handBatch is frames on their way to other links of this VTEP, by one port.
type handBatch struct {
	to *Link
	s  *State // of to
	portBatch
}

// hand gives o's frame, which goes to r, to the link behind b, whole, with its
// checksum as it is. What a packet from the network is judged by, it is judged by.
func (w *portWorker) hand(from *source, o *outFrame, r *Remote, b *Bypass) {
	from.c.txPackets.Add(uint64(o.packet.Segments))
	from.c.txBytes.Add(uint64(o.packet.Bytes))
	h := &w.handed
	if h.to != b.To {
		w.handTo(b.To)
	}
	header := r.header
	encap.SetPolicyID(&header, from.s.PolicyID)
	a := arrived{carry: true, src: b.Back.Addr, peer: b.Back.peer, back: b.Back}
	a.header, _ = encap.DecodeHeader(header[:])
	f := &o.packet.Frame
	var in encap.Inner
	c := h.owner().c
	if reason, v := b.To.admit(h.s, c, &a, f.Data, &in, w.now, &w.clock); v == refused {
		c.drop(reason)
		return
	}
	if h.s.ClampMSS { // in place: other copies of a flooded SYN get the lowest of them
		encap.ClampMSS(f, &in, h.s.mssMTU(a.peer, &in, w.now))
	}
	h.owner().taken.add(f, &in)
	g := *f
	g.VLAN = h.s.VLAN
	if h.add(&g); h.n == len(h.frames) {
		h.write(w.queue)
	}
}

// handTo has frames for l follow.
func (w *portWorker) handTo(l *Link) {
	h, s := &w.handed, l.State.Load()
	c := l.netCounters(w.queue % len(l.plane.Counters))
	if h.port != s.Port || !h.turnTo(l, s.VLAN, c) {
		w.handOver()
		h.port = s.Port
		h.turnTo(l, s.VLAN, c)
	}
	h.to, h.s = l, s
}

// handOver writes the frames for other links to their port.
func (w *portWorker) handOver() {
	h := &w.handed
	h.write(w.queue)
	h.release()
	h.to, h.s = nil, nil
}
