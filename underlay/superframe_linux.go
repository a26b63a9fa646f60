package underlay

import "github.com/uvtep/uvtep/encap"

const (
	// arenaSize holds the headers of some 20 full superframes.
	arenaSize = 64 << 10
	// preparedFrames is how many of those are found again.
	preparedFrames = 32
)

// superframes is the memory that the headers of segments are written to. What
// was written stays until the arena is full or the chunk is sent, so that a
// superframe to many remotes is cut, and its payload summed, once.
type superframes struct {
	cutter encap.Segmenter
	used   int
	known  [preparedFrames]prepared
	n      int // known
	arena  [arenaSize]byte
}

// prepared is a superframe whose segment headers stand in the arena.
type prepared struct {
	data    *byte // identifies it, with the next three
	len     int
	offload encap.Offload
	header  [encap.HeaderLen]byte

	at       int // of the first segment's headers, VXLAN header first
	stride   int // of one segment's
	segments int
	end      int // of the payload in the frame
}

func (s *superframes) reset() {
	clear(s.known[:s.n])
	s.n, s.used, s.cutter = 0, 0, encap.Segmenter{}
}

// find returns the segments of p's superframe where they were made before.
func (s *superframes) find(p *encap.Packet) *prepared {
	data, n := &p.Frame.Data[0], len(p.Frame.Data)
	for i := range s.known[:s.n] {
		k := &s.known[i]
		if k.data == data && k.len == n && k.offload == p.Frame.Offload && k.header == p.Header {
			return k
		}
	}
	return nil
}

// superframe queues the segments of p, packet i. Frames that cannot be cut
// stay refused.
func (b *builder) superframe(i uint16, p *encap.Packet) {
	f := &b.super
	if k := f.find(p); k != nil {
		p.Result = encap.SendOK
		b.again(i, p, k)
		return
	}
	if !f.cutter.Init(&p.Frame) {
		return
	}
	k := prepared{data: &p.Frame.Data[0], len: len(p.Frame.Data), offload: p.Frame.Offload, header: p.Header,
		stride: encap.HeaderLen + f.cutter.HeaderLen(), segments: f.cutter.Segments(), end: f.cutter.HeaderLen()}
	if k.stride > arenaSize {
		return
	}
	p.Result = encap.SendOK
	if f.used+k.segments*k.stride > arenaSize {
		b.emptyArena()
	}
	k.at = f.used
	whole := k.segments*k.stride <= arenaSize
	for {
		if f.used+k.stride > arenaSize {
			b.emptyArena()
		}
		head := f.arena[f.used : f.used+k.stride]
		payload, ok := f.cutter.Next(head[encap.HeaderLen:])
		if !ok {
			break
		}
		copy(head, p.Header[:])
		f.used += k.stride
		k.end += len(payload)
		b.datagram(i, p, head, payload)
	}
	if whole && f.n < len(f.known) {
		f.known[f.n] = k
		f.n++
	}
}

// again queues the segments of p from what was prepared.
func (b *builder) again(i uint16, p *encap.Packet, k *prepared) {
	size := int(k.offload.SegSize)
	at := k.stride - encap.HeaderLen
	for n := range k.segments {
		end := min(at+size, k.end)
		b.datagram(i, p, b.super.arena[k.at+n*k.stride:][:k.stride], p.Frame.Data[at:end])
		at = end
	}
}

// emptyArena has the messages sent that refer to the arena.
func (b *builder) emptyArena() {
	b.empty()
	clear(b.super.known[:b.super.n])
	b.super.n, b.super.used = 0, 0
}
