package forward

import (
	"bytes"
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// traffic counts what goes to a peer, or what comes from it. Workers share it: each adds
// its packets up in a talk first, so that a batch to one peer costs two atomic additions.
type traffic struct {
	packets, bytes atomic.Uint64
	drops          atomic.Uint64
	// unsent of packets, and their bytes, were dropped by the network's side after all.
	unsent, unsentBytes atomic.Uint64
	last                atomic.Uint32 // tick of the last packet, plus 1; 0: there was none
}

// talk is what a worker has not yet added to the counters of the peer of the packet
// before. The next packet is mostly of the same peer.
type talk struct {
	with           *traffic // nil: of none
	packets, bytes uint64
}

// turn makes with the one that add counts for.
func (t *talk) turn(with *traffic, now fdb.Tick) {
	if t.with != with {
		t.flush(now)
		t.with = with
	}
}

func (t *talk) add(packets, bytes uint64) {
	t.packets += packets
	t.bytes += bytes
}

// flush adds what is left to the counters.
func (t *talk) flush(now fdb.Tick) {
	if t.packets > 0 {
		t.with.add(t.packets, t.bytes, now)
	}
	*t = talk{}
}

func (c *traffic) add(packets, bytes uint64, now fdb.Tick) {
	c.packets.Add(packets)
	c.bytes.Add(bytes)
	if at := uint32(now) + 1; c.last.Load() != at {
		c.last.Store(at)
	}
}

// to counts a packet for r's peer before it is given to the network.
func (w *portWorker) to(r *Remote, p *encap.Packet) {
	w.talk.turn(&r.peer.sent, w.now)
	w.talk.add(uint64(p.Segments), uint64(p.Bytes))
}

// notSent counts a packet that to has counted, and that the network's side dropped.
func (l *Link) notSent(p *encap.Packet) {
	if peer := l.Remotes.peers.lookup(p.Dst, p.Zone); peer != nil {
		peer.sent.drops.Add(1)
		peer.sent.unsent.Add(uint64(p.Segments))
		peer.sent.unsentBytes.Add(uint64(p.Bytes))
	}
}

// heardFrom counts a packet that was admitted from the target's peer. Learning from the
// packet itself may have made the peer.
func (w *NetWorker) heardFrom(f *encap.Frame, in *encap.Inner, now fdb.Tick) {
	t := &w.to
	if t.peer == nil && t.s.Learn {
		t.peer = t.link.Remotes.peers.lookup(t.src, t.device)
	}
	if t.peer != nil {
		w.talk.turn(&t.peer.received, now)
		packets, bytes := encap.Wire(f, in)
		w.talk.add(uint64(packets), uint64(bytes))
	}
}

// refused counts a packet for the target that was dropped at its sender.
func (w *NetWorker) refused(reason DropReason, d *encap.Datagram, payload []byte) {
	if p := w.to.peer; p != nil {
		p.received.drops.Add(1)
	}
	if w.to.s.Captures != nil {
		w.to.s.captureArrived(d, payload, &encap.Frame{Data: payload[encap.HeaderLen:]}, Fate{true, reason})
	}
}

// PeerStats are the counters of one outer address that a link has remotes with. They count
// from when the link came to know it. Packets and bytes are the frames', as in Stats.
type PeerStats struct {
	Addr       encap.Addr
	Zone       uint32 // index of the device, of a link-local address
	Configured bool   // a user's or a controller's entry names it
	Entries    int    // of the FDB, that lead to it
	RxPackets, RxBytes, RxDrops,
	TxPackets, TxBytes, TxDrops uint64
	HeardAt fdb.Tick // when the last packet was admitted, if ever
	Ever    bool     // a packet was
}

// PeerStats lists the counters of at most most peers that entries lead to, configured ones first, then by
// address. left is how many more there are.
func (l *Link) PeerStats(most int) (list []PeerStats, left int) { return l.Remotes.stats(most) }

func (r *Remotes) stats(most int) (list []PeerStats, left int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries := make(map[*Peer]int)
	r.Each(func(rem *Remote) { entries[rem.peer] += rem.refs })
	r.peers.each(func(p *Peer) {
		if entries[p] > 0 && p.Addr != (encap.Addr{}) { // without an address: of entries without a destination
			list = append(list, p.stats(entries[p]))
		}
	})
	slices.SortFunc(list, func(a, b PeerStats) int {
		if a.Configured != b.Configured {
			if a.Configured {
				return -1
			}
			return 1
		}
		return cmp.Or(bytes.Compare(a.Addr[:], b.Addr[:]), cmp.Compare(a.Zone, b.Zone))
	})
	if len(list) > most {
		list, left = list[:most:most], len(list)-most
	}
	return list, left
}

// Exchanged are how many packets went to the peer, and when the last one came from it, if ever one did.
func (p *Peer) Exchanged() (sent uint64, heardAt fdb.Tick, ever bool) {
	s := p.stats(0)
	return s.TxPackets, s.HeardAt, s.Ever
}

func (p *Peer) stats(entries int) PeerStats {
	s := PeerStats{
		Addr: p.Addr, Zone: p.Zone, Configured: p.IsPeer(), Entries: entries,
		RxPackets: p.received.packets.Load(), RxBytes: p.received.bytes.Load(), RxDrops: p.received.drops.Load(),
		TxDrops: p.sent.drops.Load(),
	}
	// unsent is read first: it may run ahead of packets, which workers add later.
	unsent, unsentBytes := p.sent.unsent.Load(), p.sent.unsentBytes.Load()
	packets, sent := p.sent.packets.Load(), p.sent.bytes.Load()
	s.TxPackets, s.TxBytes = packets-min(unsent, packets), sent-min(unsentBytes, sent)
	if last := p.received.last.Load(); last > 0 {
		s.HeardAt, s.Ever = fdb.Tick(last-1), true
	}
	return s
}
