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
//  4. questions for neighbours that a proxy answers (proxy.go)
//  5. destinations: the entry of the MAC, of the group MAC, or the flood list
//  6. limits of floods, then inner checksum completed, a loop, MSS, outer TOS, TTL, flow label and DF chosen
//  7. one packet for each destination, sent as batches: of flooded frames first
//     all to one remote, then all to the next, so that they leave together;
//     what is for another link of this VTEP is handed to it (bypass.go)
//
// From the underlay (netWorker.Forward, one call a batch):
//  1. what the kernel joined is walked packet by packet (samehost.go)
//  2. header: length, I flag
//  3. VNI to link
//  4. link up, own echo, peer policy (admit.go, as the next three): up to here the
//     kernel has dropped what it could (filter.go)
//  5. policy extension, reserved bits, a payload that is no Ethernet frame
//  6. inner length, source MAC, inner VLAN policy, limit of floods
//  7. learning, of neighbours too (bindings.go)
//  8. ECN
//  9. offload metadata of what a kernel on this host left undone, MSS
//  10. segments of one flow joined to superframes
//  11. ports, one write for each and read of the underlay (portbatch.go)
//
// A frame from the underlay goes to its port and never back to a remote: split
// horizon (conformance S04) is the absence of that path.

// Forward forwards the frames that one read of the port gave.
func (w *portWorker) Forward(frames []encap.Frame, now fdb.Tick) {
	w.begin(now)
	w.forward(frames)
	w.finish()
}

// begin is before the first frames of a read, finish after the last: what they
// became leaves then.
func (w *portWorker) begin(now fdb.Tick) {
	w.portScratch = w.plane.scratch.Borrow(nil)
	w.nTold, w.now, w.clock = 0, now, clock{}
}

func (w *portWorker) finish() {
	w.flushAll()
	w.handOver()
	w.plane.scratch.Return(w.portScratch)
	w.portScratch = nil
}

// forward forwards frames of the worker's link.
func (w *portWorker) forward(frames []encap.Frame) {
	s := w.link.State.Load()
	w.lanes = [2]*outBatch{}
	n := 0
	for i := range frames {
		if w.prepare(s, &w.sending[n], &frames[i], w.now) {
			n++
		}
	}
	for i := 0; i < n; {
		o := &w.sending[i]
		if o.one != nil {
			w.send(s, o, o.one)
			i++
			continue
		}
		run := w.sending[i : i+floodRun(w.sending[i:n])]
		for _, id := range o.many {
			r := w.link.Remotes.At(id)
			for k := range run {
				if w.floods(s, &run[k], r) {
					w.send(s, &run[k], r)
				}
			}
		}
		i += len(run)
	}
}

// prepare makes of f what is sent, but for the remote; false: it is dropped or
// was answered.
func (w *portWorker) prepare(s *State, o *outFrame, f *encap.Frame, now fdb.Tick) bool {
	if len(f.Data) < encap.EthernetHeaderLen {
		w.c.drop(TxTooShort)
		return false
	}
	in := encap.ParseInner(f.Data)
	if in.Proto == encap.ProtoUDP && w.comesBack(s, f.Data, &in) {
		w.link.looped()
		w.c.drop(TxLoop)
		return false
	}
	if s.DropVLAN && in.Tags > 0 {
		w.c.drop(TxInnerVLAN)
		return false
	}
	if s.Proxy && w.answers(s, f, &in) {
		return false
	}
	o.one, o.many = w.link.destinations(encap.EthDst(f.Data), now)
	if o.one == nil && o.many == nil {
		w.link.tellL2Miss(s, encap.EthDst(f.Data))
		w.c.drop(TxNoRemote)
		return false
	}
	segments, bytes := encap.Wire(f, &in)
	if segments > encap.MaxSegments {
		w.c.drop(TxTooManySegments)
		return false
	}
	if o.one == nil && s.BUMLimit != 0 && !w.link.flood.takes(s.BUMLimit, segments, w.clock.read(w.plane)) {
		w.c.drop(TxBUMLimit)
		return false
	}
	// A superframe's checksums are made when it is cut.
	if f.Offload.Kind == encap.GSONone && f.Offload.Csum == encap.CsumPartial && !encap.CompleteChecksum(f) {
		w.c.drop(TxBadOffload)
		return false
	}
	if o.one == nil && s.LoopGuard && !w.link.loops.takes(f, now) {
		w.c.drop(TxFloodLoop)
		return false
	}
	if s.ClampMSS {
		encap.ClampMSS(f, &in, s.mssMTU(o.behind(), &in, now))
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
func (w *portWorker) send(s *State, o *outFrame, r *Remote) {
	if r.Addr == (encap.Addr{}) {
		w.c.drop(TxNoRemote) // an entry without dst
		return
	}
	if r.Loops.Load() {
		w.c.drop(TxLoop)
		return
	}
	if b := r.Bypass.Load(); b != nil {
		w.hand(o, r, b, s.PolicyID)
		return
	}
	b := w.batchFor(s, o.lane)
	q := &b.packets[b.n]
	*q = o.packet
	q.Header, q.Dst, q.Port = r.header, r.Addr, r.Port
	encap.SetPolicyID(&q.Header, s.PolicyID)
	if r.Zone != s.Dev {
		q.Zone = r.Zone // the transmitter is bound to the link's own device
	}
	if b.n++; b.n == len(b.packets) {
		w.flush(b)
	}
}

// Forward forwards the datagrams that one read of a receiver gave.
func (w *NetWorker) Forward(datagrams []encap.Datagram, now fdb.Tick) {
	w.link, w.usual = nil, false // its state may have changed while we waited
	w.arrivals, w.from.known = w.ep.plane.arrivals.Load(), false
	w.clock = clock{}
	w.ep.messages.Add(uint64(len(datagrams)))
	for i := range datagrams {
		d := &datagrams[i]
		if d.SegSize == 0 || int(d.SegSize) >= len(d.Payload) {
			w.packet(d, d.Payload, now)
			continue
		}
		if !w.isTrain(d) {
			continue
		}
		size := int(d.SegSize)
		for p := d.Payload; len(p) > 0; {
			n := min(size, len(p))
			w.packet(d, p[:n:n], now)
			p = p[n:]
		}
	}
	w.ports.deliver(w.n)
}

// packet takes one packet of d as far as the frames for its link's port.
func (w *NetWorker) packet(d *encap.Datagram, payload []byte, now fdb.Tick) {
	if w.usual && w.next(d, payload) {
		return
	}
	w.usual = false
	h, ok := encap.DecodeHeader(payload)
	if !ok {
		w.c.drop(RxShortHeader)
		return
	}
	if !h.Valid() {
		w.c.drop(RxNoVNIFlag)
		return
	}
	if w.link == nil || h.VNI != w.vni {
		if w.link, w.vni = w.ep.link(h.VNI), h.VNI; w.link == nil {
			w.c.drop(RxUnknownVNI)
			return
		}
		w.turnTo(w.link)
	}
	l, c, s := w.link, w.to.owner().c, w.s
	if d.Src != w.src || w.peer == nil { // none yet: the packet before may have made it
		w.src, w.peer = d.Src, l.Remotes.peers.lookup(d.Src)
	}
	a := arrived{header: h, carry: encap.CarriesEthernet(payload), src: d.Src, peer: w.peer}
	f := encap.Frame{Data: payload[encap.HeaderLen:]}
	var in encap.Inner
	learned := c.notLearned.Load()
	if r, ok := l.admit(s, c, &a, f.Data, &in, now, &w.clock); !ok {
		c.drop(r)
		return
	}
	if in.IPVersion != 0 {
		ecn, drop := encap.DecapECN(d.TOS, in.TOS)
		if drop {
			c.drop(RxECN)
			return
		}
		if ecn != in.TOS&3 {
			encap.SetInnerECN(f.Data, &in, ecn)
		}
	}
	if s.fromThisHost(w.originOf(d), d.Src) {
		restoreOffload(&f, &in, s.MTU)
	}
	if s.ClampMSS {
		encap.ClampMSS(&f, &in, s.mssMTU(w.peer, &in, now))
	}
	ends := w.keep(&f, &in)
	if w.usual = ends && !h.ReservedSet() && learned == c.notLearned.Load() && !s.limited(f.Data); w.usual {
		w.header, w.tos, w.device = [encap.HeaderLen]byte(payload), d.TOS, d.Device
	}
}

// next takes payload if it is the next segment of the superframe that the packet
// before is the end of, from the same peer by the same device with the same headers:
// each of packet's checks has passed on the same bytes. False: it must
// go their way.
func (w *NetWorker) next(d *encap.Datagram, payload []byte) bool {
	if len(payload) < encap.HeaderLen || [encap.HeaderLen]byte(payload) != w.header || d.Src != w.src || d.TOS != w.tos || d.Device != w.device {
		return false
	}
	b := payload[encap.HeaderLen:]
	if !w.to.join.Extend(w.to.frames[:w.to.n], b) {
		return false
	}
	w.to.owner().taken.segment(b)
	return true
}

// turnTo has packets for l follow.
func (w *NetWorker) turnTo(l *Link) {
	w.s, w.src, w.peer = l.State.Load(), encap.Addr{}, nil
	w.to = w.ports.of(w.s.Port, w.n)
	if c := l.netCounters(w.n); !w.to.turnTo(l, w.s.VLAN, c) {
		w.to.deliver(w.n)
		w.to.turnTo(l, w.s.VLAN, c)
	}
}

// keep puts f among the frames for its port, as the end of a superframe if it can,
// and says whether it is one.
func (w *NetWorker) keep(f *encap.Frame, in *encap.Inner) (ends bool) {
	f.VLAN = w.s.VLAN
	ends = w.to.keep(f, in, w.s.Join)
	if w.to.full() {
		w.to.deliver(w.n)
		return false
	}
	return ends
}
