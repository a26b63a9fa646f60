package forward

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// The data path, in packet order. Nothing here allocates, locks, reads a clock
// or logs; every early exit counts one DropReason.
//
// From a port (portWorker.Forward, one call a batch):
//  1. length
//  2. own packets that come back (ownpackets.go)
//  3. inner VLAN policy
//  4. the source's addresses are on this side, with learnlocal (locals.go)
//  5. questions for neighbours that a proxy answers (proxy.go)
//  6. destinations: the entry of the MAC, of the group MAC, or the flood list
//  7. limits of floods, then inner checksum completed, a loop, MSS, outer TOS, TTL, flow label and DF chosen
//  8. one packet for each destination, sent as batches: of flooded frames first
//     all to one remote, then all to the next, so that they leave together;
//     what is for another link of this VTEP is handed to it (handover.go)
//
// From the underlay (netWorker.Forward, one call a batch):
//  1. what the kernel joined is walked packet by packet (samehost.go)
//  2. header: length, I flag
//  3. VNI to link
//  4. link up, TTL, own echo, peer policy (admit.go, as the next three): up to here the
//     kernel has dropped what it could (filter.go)
//  5. policy extension, reserved bits, a payload that is no Ethernet frame
//  6. inner length, source MAC, inner VLAN policy, limit of floods
//  7. learning, of neighbours too (bindings.go)
//  8. ECN
//  9. offload metadata of what a kernel on this host left undone, MSS
//  10. segments of one flow joined to superframes
//  11. ports, one write for each and read of the underlay (portbatch.go)
//
// A frame from the underlay goes to its port and never back to a remote: the absence of
// that path is split horizon (S04 in docs/conformance.md).

// Forward forwards the frames that one read of the port gave.
func (w *PortWorker) Forward(frames []encap.Frame, now fdb.Tick) {
	w.begin(now)
	w.forward(w.source(w.link, w.link.State.Load()), frames)
	w.finish()
}

// begin prepares the worker for the frames of one read; finish sends what they became.
func (w *portWorker) begin(now fdb.Tick) {
	w.portScratch = w.plane.scratch.Borrow(nil)
	w.nAnswered, w.now, w.clock = 0, now, clock{}
}

func (w *portWorker) finish() {
	w.flushAll()
	w.handOver()
	w.talk.flush(w.now)
	w.plane.scratch.Return(w.portScratch)
	w.portScratch = nil
}

// forward prepares frames of a link and adds their packets to the batches.
func (w *portWorker) forward(from source, frames []encap.Frame) {
	w.lanes = [2]*outBatch{}
	n := 0
	for i := range frames {
		if w.prepare(&from, &w.sending[n], &frames[i]) {
			n++
		}
	}
	for i := 0; i < n; {
		o := &w.sending[i]
		if o.one != nil {
			w.send(&from, o, o.one)
			i++
			continue
		}
		run := w.sending[i : i+floodRun(w.sending[i:n])]
		for _, id := range o.many {
			r := from.link.Remotes.At(id)
			for k := range run {
				if w.floods(&from, &run[k], r) {
					w.send(&from, &run[k], r)
				}
			}
		}
		i += len(run)
	}
}

// prepare fills in o with the packet that f becomes, but for the remote. It reports
// false where f was dropped or answered.
func (w *portWorker) prepare(from *source, o *outFrame, f *encap.Frame) bool {
	l, s := from.link, from.s
	if len(f.Data) < encap.EthernetHeaderLen {
		from.drop(TxTooShort, f)
		return false
	}
	in := encap.ParseInner(f.Data)
	if in.Proto == encap.ProtoUDP && w.comesBack(from, f.Data, &in) {
		l.looped()
		from.drop(TxLoop, f)
		return false
	}
	if s.DropVLAN && in.Tags > 0 {
		from.drop(TxInnerVLAN, f)
		return false
	}
	if from.here != nil {
		from.here.note(from, f.Data, &in, w.now)
	}
	if s.Proxy && w.answers(from, f, &in) {
		return false
	}
	o.one, o.many = l.destinations(encap.EthDst(f.Data), w.now)
	if o.one == nil && o.many == nil {
		if dst := encap.EthDst(f.Data); s.L2Miss && !dst.IsMulticast() { // vxlan_fdb_miss in drivers/net/vxlan/vxlan_core.c
			w.plane.OnL2Miss(s.Name, dst)
		}
		from.drop(TxNoRemote, f)
		return false
	}
	segments, bytes := encap.Wire(f, &in)
	if segments > encap.MaxSegments {
		from.drop(TxTooManySegments, f)
		return false
	}
	if o.one == nil && s.BUMLimit != 0 && !l.flood.takes(s.BUMLimit, segments, w.clock.read(w.plane)) {
		from.drop(TxBUMLimit, f)
		return false
	}
	// A superframe's checksums are made when it is cut.
	if f.Offload.Kind == encap.GSONone && f.Offload.Csum == encap.CsumPartial && !encap.CompleteChecksum(f) {
		from.drop(TxBadOffload, f)
		return false
	}
	if o.one == nil && s.LoopGuard && !l.loops.takes(f, w.now) {
		from.drop(TxFloodLoop, f)
		return false
	}
	if s.ClampMSS {
		encap.ClampMSS(f, &in, s.mssMTU(o.behind(), &in, w.now))
	}
	o.packet = encap.Packet{
		Frame: *f, Hash: encap.FlowHash(f.Data, &in),
		Segments: uint16(segments), Bytes: uint32(bytes),
	}
	s.outer(&o.packet, &in)
	o.lane = s.lane(&in)
	return true
}

// destinations looks up where a frame goes: one remote, or the remotes of a
// group MAC, or the flood list (RFC 7348 sections 4.1 and 4.2).
func (l *Link) destinations(dst encap.MAC, now fdb.Tick) (*Remote, []fdb.RemoteID) {
	if !dst.IsMulticast() {
		if id, ok := l.FDB.Lookup(dst, now); ok {
			if r := l.Remotes.At(id); r != nil {
				return r, nil
			}
		}
	} else if many := l.FDB.Group(dst, now); many != nil {
		return nil, many
	}
	return nil, l.FDB.Group(encap.MAC{}, now)
}

// send appends a copy of o's packet for r, and sends the batch when it is full.
func (w *portWorker) send(from *source, o *outFrame, r *Remote) {
	if r.Addr == (encap.Addr{}) { // the entry has no dst
		from.dropCopy(TxNoRemote, o, r)
		return
	}
	if r.Loops.Load() {
		from.dropCopy(TxLoop, o, r)
		r.peer.sent.drops.Add(1)
		return
	}
	w.to(r, &o.packet)
	if b := r.Bypass.Load(); b != nil {
		w.hand(from, o, r, b)
		return
	}
	b := w.batchFor(from, o.lane)
	q := &b.packets[b.n]
	*q = o.packet
	q.Header, q.Dst, q.Port, q.Zone = r.header, r.Addr, r.Port, r.Zone
	encap.SetPolicyID(&q.Header, from.s.PolicyID)
	if b.n++; b.n == len(b.packets) {
		w.flush(b)
	}
}

// Forward forwards the datagrams that one read of a receiver gave.
func (w *NetWorker) Forward(datagrams []encap.Datagram, now fdb.Tick) {
	w.to.link, w.tail.open = nil, false // the link's state may have changed since the read before
	b := netBatch{now: now, arrivals: w.ep.plane.Arrivals.Load()}
	w.ep.count(uint64(len(datagrams)))
	for i := range datagrams {
		d := &datagrams[i]
		if d.SegSize == 0 || int(d.SegSize) >= len(d.Payload) {
			w.packet(&b, d, d.Payload)
			continue
		}
		if !w.isTrain(&b, d) {
			continue
		}
		size := int(d.SegSize)
		for p := d.Payload; len(p) > 0; {
			n := min(size, len(p))
			w.packet(&b, d, p[:n:n])
			p = p[n:]
		}
	}
	w.talk.flush(now)
	w.ports.deliver(w.n)
}

// packet judges one packet of d and adds its frame to those for its link's port.
func (w *NetWorker) packet(b *netBatch, d *encap.Datagram, payload []byte) {
	if w.tail.open && w.next(d, payload) {
		return
	}
	w.tail.open = false
	h, ok := encap.DecodeHeader(payload)
	if !ok {
		w.c.drop(RxShortHeader)
		w.ep.captureStray(RxShortHeader, d, payload)
		return
	}
	if !h.Valid() {
		w.c.drop(RxNoVNIFlag)
		w.ep.captureStray(RxNoVNIFlag, d, payload)
		return
	}
	t := &w.to
	if (t.link == nil || h.VNI != t.vni) && !w.turnTo(h.VNI) {
		w.c.drop(RxUnknownVNI)
		w.unknown.Add(h.VNI)
		w.ep.captureStray(RxUnknownVNI, d, payload)
		return
	}
	if d.Src != t.src || d.Device != t.device || t.peer == nil { // nil: learning from the packet before may have made the peer
		t.src, t.device, t.peer = d.Src, d.Device, t.link.Remotes.peers.lookup(d.Src, d.Device)
	}
	s, c := t.s, t.port.owner().c
	a := arrived{header: h, carry: encap.CarriesEthernet(payload), src: d.Src, device: d.Device, ttl: d.TTL, peer: t.peer}
	f := encap.Frame{Data: payload[encap.HeaderLen:], VLAN: s.VLAN}
	var in encap.Inner
	r, v := t.link.admit(s, c, &a, f.Data, &in, b.now, &b.clock)
	if v == refused {
		c.drop(r)
		w.refused(r, d, payload)
		return
	}
	if in.IPVersion != 0 {
		ecn, drop := encap.DecapECN(d.TOS, in.TOS)
		if drop {
			c.drop(RxECN)
			w.refused(RxECN, d, payload)
			return
		}
		if ecn != in.TOS&3 {
			encap.SetInnerECN(f.Data, &in, ecn)
		}
	}
	long := false // and what follows it has to be looked at as well
	if s.fromThisHost(w.originOf(b, d), d.Src) {
		restoreOffload(&f, &in, s.MTU)
		long = in.IPLen > s.MTU
	}
	w.heardFrom(&f, &in, b.now)
	if s.ClampMSS {
		encap.ClampMSS(&f, &in, s.mssMTU(t.peer, &in, b.now))
	}
	if s.Captures != nil {
		s.captureArrived(d, payload, &f, Fate{})
	}
	ends := t.port.keep(&f, &in, s.Join)
	if t.port.full() {
		t.port.deliver(w.n)
		return
	}
	if ends && v == admitted && !long && !h.ReservedSet() && !s.limited(f.Data) && s.Captures == nil {
		w.tail = tail{true, [encap.HeaderLen]byte(payload), d.Src, d.TOS, d.TTL, d.Device}
	}
}

// next adds payload to the superframe that ends with the packet before, where payload is
// that superframe's next segment: from the same peer, by the same device, with the same
// headers. Each check of packet has passed on the same bytes already. Else next reports
// false, and packet has to judge the payload.
func (w *NetWorker) next(d *encap.Datagram, payload []byte) bool {
	t, port := &w.tail, w.to.port
	if len(payload) < encap.HeaderLen || [encap.HeaderLen]byte(payload) != t.header || d.Src != t.src || d.TOS != t.tos || d.TTL != t.ttl || d.Device != t.device {
		return false
	}
	b := payload[encap.HeaderLen:]
	if !port.join.Extend(port.frames[:port.n], b) {
		return false
	}
	port.owner().taken.segment(b)
	if w.to.peer != nil { // whom w.talk is with since the packet before
		w.talk.add(1, uint64(len(b)-encap.EthernetHeaderLen))
	}
	return true
}

// turnTo makes the link of a VNI the target of the packets that follow. It reports false
// where no link has the VNI.
func (w *NetWorker) turnTo(vni encap.VNI) bool {
	l := w.ep.link(vni)
	if l == nil {
		w.to.link = nil
		return false
	}
	s := l.State.Load()
	w.to = target{vni: vni, link: l, s: s, port: w.ports.of(s.Port, w.n)}
	if c := l.netCounters(w.n); !w.to.port.turnTo(l, s.VLAN, c) {
		w.to.port.deliver(w.n)
		w.to.port.turnTo(l, s.VLAN, c)
	}
	return true
}
