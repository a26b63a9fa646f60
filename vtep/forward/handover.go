package forward

import "github.com/uvtep/uvtep/encap"

// Bypass is the way to another link of this VTEP without the network. A remote has one
// where its address is this host's own and a link of this VTEP listens there
// (encap_bypass_if_local in drivers/net/vxlan/vxlan_core.c). A Bypass is immutable.
type Bypass struct {
	To *Link
	// Back is the sending link as a remote of To: To judges frames by it and learns their
	// source MACs behind it, so that answers find the sending link.
	Back *Remote
}

// handBatch holds frames for other links of this VTEP that share a port.
type handBatch struct {
	to *Link  // of the next frame
	s  *State // of to
	portBatch
}

// hand adds o's frame to those for the link behind b, as it is: a superframe whole, a
// partial checksum partial. The link judges it as it judges a packet from the network.
func (w *portWorker) hand(from *source, o *outFrame, r *Remote, b *Bypass) {
	from.c.txPackets.Add(uint64(o.packet.Segments))
	from.c.txBytes.Add(uint64(o.packet.Bytes))
	h := &w.handed
	if h.to != b.To {
		w.handTo(b.To)
	}
	header := r.header
	encap.SetPolicyID(&header, from.s.PolicyID)
	a := arrived{carry: true, ttl: 255, src: b.Back.Addr, peer: b.Back.peer, back: b.Back}
	a.header, _ = encap.DecodeHeader(header[:])
	f := &o.packet.Frame
	var in encap.Inner
	c := h.owner().c
	if reason, v := b.To.admit(h.s, c, &a, f.Data, &in, w.now, &w.clock); v == refused {
		c.drop(reason)
		b.Back.peer.received.drops.Add(1)
		w.captureHanded(from, o, r, b, header, Fate{true, reason})
		return
	}
	if h.s.ClampMSS { // in place: all copies of a flooded SYN get the lowest MSS
		encap.ClampMSS(f, &in, h.s.mssMTU(a.peer, &in, w.now))
	}
	if from.s.Captures != nil || h.s.Captures != nil {
		w.captureHanded(from, o, r, b, header, Fate{})
	}
	h.owner().taken.add(f, &in)
	b.Back.peer.received.add(uint64(o.packet.Segments), uint64(o.packet.Bytes), w.now)
	g := *f
	g.VLAN = h.s.VLAN
	if h.add(&g); h.n == len(h.frames) {
		h.write(w.queue)
	}
}

// handTo makes l the link of the frames that are handed over next.
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

// handOver writes the frames for other links of this VTEP to their port.
func (w *portWorker) handOver() {
	h := &w.handed
	h.write(w.queue)
	h.release()
	h.to, h.s = nil, nil
}
