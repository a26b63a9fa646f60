package txring

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

const (
	// most is how many packets are looked at together: one call of the data path's.
	most = slots
	// places is the size of the table that packets are counted in by flow: few of most meet by chance.
	places = 16 * most
)

// batch is the memory of one WriteBatch call, and a ring.
type batch struct {
	busy atomic.Bool
	ring *ring
	seed uint64 // makes collisions unpredictable

	count [places]uint8 // packets of a flow and remote, but for collisions
	place [most]uint16  // of each packet
	way   [most]*path   // of packets that leave by the ring; nil: by the transmitter behind
	mine  [most]uint16  // those packets
	rest  [most]encap.Packet
	of    [most]uint16 // whose copies those are
}

func newBatch(r *ring) *batch { return &batch{ring: r, seed: rand.Uint64() | 1} }

// send sends p, at most most of them.
func (b *batch) send(t *Transmitter, p []encap.Packet) error {
	n, alone := b.choose(t, p)
	if alone == 0 {
		t.rest.Store(restingCalls)
	}
	if n < leastCopies {
		clear(b.way[:len(p)])
		return t.Behind.WriteBatch(p)
	}
	left := b.byRing(t, p, b.mine[:n])
	t.sent.Add(uint64(n - left))
	err := b.byRest(t, p, len(p)-n+left)
	clear(b.way[:len(p)])
	return err
}

// choose finds the packets that may leave by the ring, and returns how many, of how many that are alone of their flow, remote and
// VXLAN header. Packets of which there are more can be joined to one message, and would otherwise overtake each other.
func (b *batch) choose(t *Transmitter, p []encap.Packet) (n, alone int) {
	for i := range p {
		at := b.placeOf(t, &p[i])
		b.place[i] = at
		if b.count[at] < 2 {
			b.count[at]++
		}
	}
	for i := range p {
		if b.count[b.place[i]] != 1 {
			continue
		}
		alone++
		if h := t.path(&p[i]); h != nil {
			b.way[i] = h
			b.mine[n] = uint16(i)
			n++
		}
	}
	for i := range p {
		b.count[b.place[i]] = 0
	}
	return n, alone
}

// placeOf is the same for packets that have to keep their order.
func (b *batch) placeOf(t *Transmitter, p *encap.Packet) uint16 {
	hi, lo := binary.LittleEndian.Uint64(p.Dst[:8]), binary.LittleEndian.Uint64(p.Dst[8:])
	hi ^= binary.LittleEndian.Uint64(p.Header[:])
	x, y := bits.Mul64(hi^b.seed, lo^(uint64(t.port(p))<<16|uint64(p.Port))^b.seed<<1)
	return uint16((x ^ y) * b.seed >> 32 % places)
}

// byRing sends the packets of a device by the ring, then those of the next. It returns how many did not leave, whose way is
// nil then.
func (b *batch) byRing(t *Transmitter, p []encap.Packet, mine []uint16) (left int) {
	for len(mine) > 0 {
		device := b.way[mine[0]].dev
		put, others := 0, 0
		for _, i := range mine {
			h := b.way[i]
			switch {
			case h.dev != device:
				b.of[others] = i
				others++
			case b.ring.put(&h.head, &p[i], t.port(&p[i])):
				mine[put] = i // behind what is read
				put++
			default:
				b.way[i] = nil
				left++
			}
		}
		sent := b.ring.kick(device, t.protocol)
		for _, i := range mine[:sent] {
			p[i].Result = encap.SendOK
		}
		for _, i := range mine[sent:put] {
			b.way[i] = nil
			left++
		}
		mine = mine[:copy(mine, b.of[:others])]
	}
	return left
}

// byRest sends the n packets without a way by the transmitter behind, in their order.
func (b *batch) byRest(t *Transmitter, p []encap.Packet, n int) error {
	if n == 0 {
		return nil
	}
	n = 0
	for i := range p {
		if b.way[i] == nil {
			b.rest[n], b.of[n] = p[i], uint16(i)
			n++
		}
	}
	err := t.Behind.WriteBatch(b.rest[:n])
	for k := range b.rest[:n] {
		p[b.of[k]].Result = b.rest[k].Result
	}
	clear(b.rest[:n]) // the frames belong to the caller
	return err
}
