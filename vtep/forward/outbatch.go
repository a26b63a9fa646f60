package forward

import "github.com/uvtep/uvtep/encap"

// outSize is how many packets a transmitter gets in one call: several copies of the frames
// of one read.
const outSize = 512

// outBatch holds packets for one transmitter: of one link or, from a trunk port, of several
// links that share the transmitter.
type outBatch struct {
	tx      Transmitter // nil: the batch is not in use
	packets [outSize]encap.Packet
	n       int
	parts   [Batch]outPart // in the order of packets: at most one for each frame of a read
	used    int            // parts
}

// outPart is the link and lane of the packets from index from up to the next part.
type outPart struct {
	from int
	source
	lane int // of s
}

// batchFor is the batch of the transmitter of a link's lane. Its last part is the link's.
func (w *portWorker) batchFor(from *source, lane int) *outBatch {
	b := w.lanes[lane]
	if b == nil {
		b = w.batchOf(from.s.TX[lane])
		w.lanes[lane] = b
	}
	if b.used == 0 || b.parts[b.used-1].link != from.link { // a batch has one lane of a link: each lane has its own transmitter
		b.parts[b.used] = outPart{b.n, *from, lane}
		b.used++
	}
	return b
}

// batchOf is the batch of tx. Where other transmitters have all batches, it sends those
// first.
func (w *portWorker) batchOf(tx Transmitter) *outBatch {
	for i := range w.out {
		if b := &w.out[i]; b.tx == tx || b.tx == nil {
			b.tx = tx
			return b
		}
	}
	w.flushAll()
	w.out[0].tx = tx
	return &w.out[0]
}

// flush sends the packets of a batch and counts the results.
func (w *portWorker) flush(b *outBatch) {
	if b.n > 0 {
		closed := b.tx.WriteBatch(b.packets[:b.n]) != nil
		for i := range b.parts[:b.used] {
			p, end := &b.parts[i], b.n
			if i+1 < b.used {
				end = b.parts[i+1].from
			}
			packets := b.packets[p.from:end]
			if closed {
				sendAgain(p, packets)
			}
			w.inFragments(p, w.settle(p, packets, p.s.Fragments != nil))
		}
	}
	b.n, b.used = 0, 0
}

// flushAll sends what the batches hold and frees them for other transmitters.
func (w *portWorker) flushAll() {
	for i := range w.out {
		b := &w.out[i]
		w.flush(b)
		b.tx = nil
	}
	w.lanes = [2]*outBatch{}
}

// settle counts the results of packets. Where fragments is set, it returns the packets that
// are too big for their path but short enough to go in fragments, moved to the start of
// packets. It answers the other ones that are too big.
func (w *portWorker) settle(part *outPart, packets []encap.Packet, fragments bool) (again []encap.Packet) {
	var sent, bytes uint64
	c := part.c
	if part.s.Captures != nil {
		part.capture(packets, fragments)
	}
	for i := range packets {
		switch p := &packets[i]; p.Result {
		case encap.SendOK:
			sent += uint64(p.Segments)
			bytes += uint64(p.Bytes)
		case encap.SendTooBig:
			if fragments && mustGo(p) {
				packets[len(again)] = *p
				again = packets[:len(again)+1]
				continue
			}
			c.drop(TxTooBig)
			part.link.notSent(p)
			w.tooBig(part, p)
		case encap.SendUnreachable:
			c.drop(TxUnreachable)
			part.link.notSent(p)
		case encap.SendNoBuffer:
			c.drop(TxNoBuffer)
			part.link.notSent(p)
		case encap.SendRefused:
			c.drop(TxRefused)
			part.link.notSent(p)
		}
	}
	c.txPackets.Add(sent)
	c.txBytes.Add(bytes)
	return again
}

// sendAgain sends packets of a part by the link's new transmitter, where the part's was
// closed before it sent them.
func sendAgain(part *outPart, packets []encap.Packet) {
	now := part.link.State.Load()
	if now.TX[part.lane] == part.s.TX[part.lane] {
		return // the link ends
	}
	for i := range packets {
		if packets[i].Result == encap.SendRefused {
			_ = now.TX[part.lane].WriteBatch(packets[i : i+1]) // the packet's Result says it
		}
	}
}
