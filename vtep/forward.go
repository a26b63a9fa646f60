package vtep

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// The data path, in packet order. Nothing here allocates, locks, reads a clock
// or logs; every early exit counts one DropReason.
//
// From a port (fromPort, one call a batch):
//  1. length
//  2. inner VLAN policy
//  3. destinations: the entry of the MAC, of the group MAC, or the flood list
//  4. inner checksum completed, outer TOS, TTL and DF chosen
//  5. one packet for each destination, sent as a batch
//
// From the underlay (fromUnderlay, one call a batch):
//  1. header: length, I flag
//  2. VNI to link, link up
//  3. reserved bits
//  4. own echo, peer policy
//  5. inner length, source MAC, inner VLAN policy
//  6. learning
//  7. ECN
//  8. offload metadata of what a kernel on this host left undone
//  9. port, one write for each run of one link
//
// A frame from the underlay goes to its port and never back to a remote: split
// horizon (conformance S04) is the absence of that path.

// fromPort forwards the frames that one read of a port gave.
func (w *portWorker) fromPort(frames []encap.Frame, now fdb.Tick) {
	s := w.link.state.Load()
	w.told = nil
	for i := range frames {
		f := &frames[i]
		if len(f.Data) < encap.EthernetHeaderLen {
			w.c.drop(TxTooShort)
			continue
		}
		in := encap.ParseInner(f.Data)
		if s.dropVLAN && in.Tags > 0 {
			w.c.drop(TxInnerVLAN)
			continue
		}
		one, many := w.link.destinations(encap.EthDst(f.Data), now)
		if one == nil && many == nil {
			w.c.drop(TxNoRemote)
			continue
		}
		if f.Offload.Csum == encap.CsumPartial && !encap.CompleteChecksum(f) {
			w.c.drop(TxBadOffload)
			continue
		}
		p := encap.Packet{Frame: *f, Hash: encap.FlowHash(f.Data, &in)}
		s.outer(&p, &in)
		lane := s.lane(&in)
		if one != nil {
			w.send(s, lane, &p, one)
		}
		for _, id := range many {
			if r := w.link.remotes.at(id); r != nil {
				w.send(s, lane, &p, r)
			}
		}
	}
	w.flush(s, 0)
	w.flush(s, 1)
}

// destinations looks up where a frame goes: one remote, or the remotes of a
// group MAC, or the flood list (RFC 7348 sections 4.1 and 4.2).
func (l *Link) destinations(dst encap.MAC, now fdb.Tick) (*remote, []fdb.RemoteID) {
	if !dst.IsMulticast() {
		if id, ok := l.fdb.Lookup(dst, now); ok {
			if r := l.remotes.at(id); r != nil {
				return r, nil
			}
		}
	} else if many := l.fdb.Group(dst, now); many != nil {
		return nil, many
	}
	return nil, l.fdb.Group(encap.MAC{}, now)
}

// outer chooses the outer header's fields (conformance L08, L09).
func (s *linkState) outer(p *encap.Packet, in *encap.Inner) {
	p.TOS = encap.EncapTOS(in.TOS, s.tos, s.tosInherit)
	p.TTL = s.ttl
	if s.ttlInherit {
		p.TTL = in.TTL
	}
}

// lane is which of the two transmitters takes the frame: 0 unless `df inherit`
// finds that the inner packet may be fragmented.
func (s *linkState) lane(in *encap.Inner) int {
	if s.dfInherit && !in.DF && in.IPVersion != 6 {
		return 1
	}
	return 0
}

// send appends a copy of p for r, and sends the batch when it is full.
func (w *portWorker) send(s *linkState, lane int, p *encap.Packet, r *remote) {
	if r.addr == (encap.Addr{}) {
		w.c.drop(TxNoRemote) // an entry without dst
		return
	}
	b := &w.out[lane]
	q := &b.packets[b.n]
	*q = *p
	q.Header, q.Dst, q.Port = r.header, r.addr, r.port
	if r.zone != s.dev {
		q.Zone = r.zone // the transmitter is bound to the link's own device
	}
	if b.n++; b.n == len(b.packets) {
		w.flush(s, lane)
	}
}

// flush sends the batch of a lane and counts what became of it.
func (w *portWorker) flush(s *linkState, lane int) {
	b := &w.out[lane]
	if b.n == 0 {
		return
	}
	packets := b.packets[:b.n]
	b.n = 0
	if s.tx[lane].WriteBatch(packets) != nil {
		w.c.drops[TxRefused].Add(uint64(len(packets))) // the transmitter is being replaced
		return
	}
	var sent, bytes uint64
	for i := range packets {
		switch p := &packets[i]; p.Result {
		case encap.SendOK:
			sent++
			bytes += payloadBytes(p.Frame.Data)
		case encap.SendTooBig:
			w.c.drop(TxTooBig)
			w.tooBig(s, lane, p)
		case encap.SendUnreachable:
			w.c.drop(TxUnreachable)
		case encap.SendNoBuffer:
			w.c.drop(TxNoBuffer)
		case encap.SendRefused:
			w.c.drop(TxRefused)
		}
	}
	w.c.txPackets.Add(sent)
	w.c.txBytes.Add(bytes)
}

// payloadBytes is what a frame adds to a byte counter: the kernel's driver
// counts without the inner Ethernet header (drivers/net/vxlan/vxlan_core.c
// after eth_type_trans, include/net/ip_tunnels.h iptunnel_xmit_stats).
func payloadBytes(frame []byte) uint64 {
	return uint64(len(frame) - encap.EthernetHeaderLen)
}

// fromUnderlay forwards the datagrams that one read of a receiver gave.
func (w *netWorker) fromUnderlay(datagrams []encap.Datagram, now fdb.Tick) {
	vnis := w.ep.vnis.Load()
	for i := range datagrams {
		w.datagram(vnis, &datagrams[i], now)
	}
	w.deliver()
}

// datagram takes one packet as far as the link's pending frames.
func (w *netWorker) datagram(vnis *vniMap, d *encap.Datagram, now fdb.Tick) {
	h, ok := encap.DecodeHeader(d.Payload)
	if !ok {
		w.c.drop(RxShortHeader)
		return
	}
	if !h.Valid() {
		w.c.drop(RxNoVNIFlag)
		return
	}
	l := vnis.link(h.VNI)
	if l == nil {
		w.c.drop(RxUnknownVNI)
		return
	}
	if l != w.link {
		w.deliver()
		w.link, w.s = l, l.state.Load()
	}
	c, s := l.netCounters(w.n), w.s
	if !s.up {
		c.drop(RxLinkDown)
		return
	}
	if h.ReservedSet() {
		c.reserved.Add(1)
		if s.dropReserved {
			c.drop(RxReserved)
			return
		}
	}
	if d.Src == s.own {
		c.drop(RxOwnEcho)
		return
	}
	p := l.remotes.peers.lookup(d.Src)
	if !s.accepts(d.Src, p) {
		c.drop(RxNotPeer)
		return
	}
	f := encap.Frame{Data: d.Payload[encap.HeaderLen:]}
	if r, ok := w.admit(c, &f, d, p, now); !ok {
		c.drop(r)
		return
	}
	w.frames[w.pending] = f
	w.pending++
}

// admit runs the checks on the inner frame, learns its source and fills in its
// offload metadata.
func (w *netWorker) admit(c *counters, f *encap.Frame, d *encap.Datagram, p *peer, now fdb.Tick) (DropReason, bool) {
	l, s := w.link, w.s
	if len(f.Data) < encap.EthernetHeaderLen {
		return RxTooShort, false
	}
	src := encap.EthSrc(f.Data)
	if src.IsMulticast() || src.IsZero() {
		return RxBadSource, false
	}
	if src == s.mac {
		return RxOwnMAC, false
	}
	in := encap.ParseInner(f.Data)
	if s.dropVLAN && in.Tags > 0 {
		return RxInnerVLAN, false
	}
	if s.learn && !l.learn(c, src, d.Src, p, now) {
		return RxStaticMAC, false
	}
	if in.IPVersion != 0 {
		ecn, drop := encap.DecapECN(d.TOS, in.TOS)
		if drop {
			return RxECN, false
		}
		if ecn != in.TOS&3 {
			encap.SetInnerECN(f.Data, &in, ecn)
		}
	}
	restoreOffload(f, &in, s.mtu)
	return 0, true
}

// restoreOffload finds what a kernel VTEP on the same host left to a device
// that never came: segmentation (a packet longer than the link's MTU) and the
// transport checksum (conformance section 4, trap 1). Long frames that are
// whole, from a link with a larger MTU, pass as they are.
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

// learn binds src to the peer that the frame came from; false: src is pinned
// to another remote (conformance L04-L06).
func (l *Link) learn(c *counters, src encap.MAC, from encap.Addr, p *peer, now fdb.Tick) bool {
	var r *remote
	if p != nil {
		r = p.learned.Load()
	}
	if r == nil {
		if r = l.firstLearned(from); r == nil {
			c.notLearned.Add(1)
			return true
		}
	}
	switch l.fdb.Learn(src, r.id, now).Outcome {
	case fdb.LearnRefusedStatic:
		return false
	case fdb.LearnFull:
		c.notLearned.Add(1)
	case fdb.LearnMoved:
		c.moves.Add(1)
	case fdb.LearnRefreshed, fdb.LearnNew, fdb.LearnRefusedInvalid:
	}
	return true
}

// deliver writes the pending frames to their link's port.
func (w *netWorker) deliver() {
	if w.pending == 0 {
		return
	}
	frames := w.frames[:w.pending]
	w.pending = 0
	c := w.link.netCounters(w.n)
	n, _ := w.link.port.WriteBatch(w.n%w.link.port.Queues(), frames)
	if lost := len(frames) - n; lost > 0 {
		c.drops[RxPort].Add(uint64(lost))
	}
	// Which frames a port refused is not known; a port that is down takes none.
	var bytes, multicast uint64
	for i := range frames[:n] {
		bytes += payloadBytes(frames[i].Data)
		if encap.EthDst(frames[i].Data).IsMulticast() {
			multicast++
		}
	}
	c.rxPackets.Add(uint64(n))
	c.rxBytes.Add(bytes)
	c.multicast.Add(multicast)
}
