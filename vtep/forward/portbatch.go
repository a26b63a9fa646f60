package forward

import "github.com/uvtep/uvtep/encap"

// maxPending is how many frames a port gets in one call: more than Batch, since one
// datagram may hold several.
const maxPending = 512

// maxOwners is how many links may have frames in one call to a trunk port.
const maxOwners = 64

// portBatch holds frames for one port: of one link or, for a trunk port, of several links,
// whose VLANs the frames carry.
type portBatch struct {
	port    Port // nil: the batch is not in use
	frames  [maxPending]encap.Frame
	n       int
	ownerOf [maxPending]uint8 // index in owners
	owners  [maxOwners]owner
	used    int                      // owners
	at      int                      // index of the owner of the next frame
	byVLAN  [encap.MaxVLAN + 1]uint8 // index in owners of a VLAN's link, if the link is there
}

// owner is a link that has frames in a portBatch.
type owner struct {
	link  *Link
	vlan  uint16
	c     *Counters
	taken tally // to be added to c once the port has taken the frames
}

// turnTo makes l the owner of the frames that are added next; they carry vlan and are
// counted in c. It reports false where the batch has frames of too many links and has to be
// written first.
func (b *portBatch) turnTo(l *Link, vlan uint16, c *Counters) bool {
	if i := int(b.byVLAN[vlan]); i < b.used && b.owners[i].link == l {
		b.at = i
		return true
	}
	if b.used == len(b.owners) {
		return false
	}
	b.at = b.used
	b.byVLAN[vlan] = uint8(b.at)
	b.owners[b.at] = owner{link: l, vlan: vlan, c: c}
	b.used++
	return true
}

// owner is the owner of the frame that is added next.
func (b *portBatch) owner() *owner { return &b.owners[b.at] }

// add appends f. There must be room.
func (b *portBatch) add(f *encap.Frame) {
	b.frames[b.n] = *f
	b.ownerOf[b.n] = uint8(b.at)
	b.n++
}

// write writes the frames to the port, by the queue of the worker, and counts them. The
// owner of the next frame stays.
func (b *portBatch) write(worker int) {
	if b.n > 0 {
		frames := b.frames[:b.n]
		if n, _ := b.port.WriteBatch(worker%b.port.Queues(), frames); n < len(frames) {
			b.recount(n)
		}
		for i := range b.owners[:b.used] {
			b.owners[i].c.received(&b.owners[i].taken)
		}
		b.n = 0
	}
	if b.used > 0 {
		o := &b.owners[b.at]
		b.owners[0] = owner{link: o.link, vlan: o.vlan, c: o.c}
		b.byVLAN[o.vlan] = 0
		b.used, b.at = 1, 0
	}
}

// recount counts the frames where the port took n of them only. It takes the first n for
// those: which ones they were is not known, and a port that is down takes none.
func (b *portBatch) recount(n int) {
	for i := range b.owners[:b.used] {
		b.owners[i].taken = tally{}
	}
	for i := range b.frames[:b.n] {
		o := &b.owners[b.ownerOf[i]]
		if i >= n {
			o.c.drop(RxPort)
			if s := o.link.State.Load(); s.Captures != nil {
				s.capture(&Record{Way: ToPort, Fate: Fate{true, RxPort}, Frame: b.frames[i]})
			}
			continue
		}
		in := encap.ParseInner(b.frames[i].Data)
		o.taken.add(&b.frames[i], &in)
	}
}

// release frees an empty batch for another port.
func (b *portBatch) release() {
	b.port, b.used, b.at = nil, 0, 0
}

// toHost writes a frame that the VTEP itself made to the link's port, by the worker's queue.
func (w *portWorker) toHost(s *State, frame []byte) bool {
	w.toPort[0] = encap.Frame{Data: frame, VLAN: s.VLAN}
	if s.Captures != nil {
		s.capture(&Record{Way: Answer, Frame: w.toPort[0]})
	}
	n, _ := s.Port.WriteBatch(w.queue, w.toPort[:])
	return n == 1
}

// joinBatch is a portBatch whose frames are joined to superframes on the way.
type joinBatch struct {
	portBatch
	join encap.Joiner
}

// keep adds f, which in describes. Where joined says that the port takes superframes, f is
// joined to the frame before if it can be; ends reports that the next segment may follow it.
func (b *joinBatch) keep(f *encap.Frame, in *encap.Inner, joined bool) (ends bool) {
	b.owner().taken.add(f, in)
	if !joined {
		b.add(f)
		return false
	}
	b.ownerOf[b.n] = uint8(b.at)
	b.n, ends = b.join.Add(b.frames[:], b.n, *f, in)
	return ends
}

// full reports whether the frames have to be written before one more is kept.
func (b *joinBatch) full() bool { return b.n == len(b.frames) || b.join.Full() }

// deliver writes the frames.
func (b *joinBatch) deliver(worker int) {
	b.join.Finish(b.frames[:b.n])
	b.write(worker)
}

// maxPorts is how many ports a worker gathers frames for at once.
const maxPorts = 8

// joinBatches are the batches of a worker, made when they are needed.
type joinBatches [maxPorts]*joinBatch

// of is the batch of port. Where other ports have all batches, it writes those first.
func (p *joinBatches) of(port Port, worker int) *joinBatch {
	for i, b := range p {
		if b == nil {
			b = new(joinBatch)
			p[i] = b
		}
		if b.port == port || b.port == nil {
			b.port = port
			return b
		}
	}
	p.deliver(worker)
	p[0].port = port
	return p[0]
}

// deliver writes and frees all batches.
func (p *joinBatches) deliver(worker int) {
	for _, b := range p {
		if b == nil {
			return
		}
		b.deliver(worker)
		b.release()
	}
}
