package underlay

import (
	"encoding/binary"
	"math/bits"

	"github.com/uvtep/uvtep/encap"
)

const (
	// writeChunk is the most packets that are sorted at once. A burst of
	// frames flooded to many remotes becomes a run for each as far as it fits.
	writeChunk = 4096
	// writeChains is the most chains among them.
	writeChains = 1024
)

// chains sorts the packets of a chunk by socket, then by remote and VXLAN header, and
// keeps their order within those. Indices are stored plus one, so that 0 is none.
type chains struct {
	seed    uint64 // makes collisions unpredictable
	used    int
	last    *chain // of the packet before
	chains  [writeChains]chain
	slots   [2 * writeChains]uint16 // hash table of chains, open addressing
	next    [writeChunk]uint16      // by packet: the next one of its chain
	sockets []socketChains
	touched []uint16 // sockets with a chain, in the order of their first packet
}

type chain struct {
	head, tail   uint16 // packets
	next         uint16 // chain of the same socket
	socket, slot uint16 // not plus one
}

type socketChains struct{ head, tail uint16 }

func (c *chains) init(seed uint64, sockets int) {
	c.seed = seed | 1
	c.sockets = make([]socketChains, sockets)
	c.touched = make([]uint16, 0, min(sockets, writeChunk))
}

// add appends packet i of p to its chain. It returns false where there is no
// room for another chain.
func (c *chains) add(p []encap.Packet, i int, socket uint16) bool {
	q := &p[i]
	ch := c.last
	if ch == nil || ch.socket != socket || !joinable(&p[ch.head-1], q) {
		if ch = c.find(p, q, socket); ch == nil {
			return false
		}
		c.last = ch
	}
	c.next[i] = 0
	if ch.head == 0 {
		ch.head = uint16(i + 1)
	} else {
		c.next[ch.tail-1] = uint16(i + 1)
	}
	ch.tail = uint16(i + 1)
	return true
}

// joinable reports whether one message may have datagrams of both packets. A message has one
// VXLAN header: a receiver on the same host takes a message of several for what it cannot
// decide.
func joinable(a, b *encap.Packet) bool {
	return a.Dst == b.Dst && a.Port == b.Port && a.Header == b.Header
}

// find returns the chain of packets like q, a new one where there is none.
func (c *chains) find(p []encap.Packet, q *encap.Packet, socket uint16) *chain {
	hi, lo := binary.LittleEndian.Uint64(q.Dst[:8]), binary.LittleEndian.Uint64(q.Dst[8:])
	hi ^= binary.LittleEndian.Uint64(q.Header[:])
	a, b := bits.Mul64(hi^c.seed, lo^(uint64(socket)<<16|uint64(q.Port))^c.seed<<1)
	slot := (a ^ b) * c.seed >> 32 % uint64(len(c.slots))
	for ; c.slots[slot] != 0; slot = (slot + 1) % uint64(len(c.slots)) {
		ch := &c.chains[c.slots[slot]-1]
		if ch.socket == socket && joinable(&p[ch.head-1], q) {
			return ch
		}
	}
	if c.used == len(c.chains) {
		return nil
	}
	ch := &c.chains[c.used]
	*ch = chain{socket: socket, slot: uint16(slot)}
	c.used++
	c.slots[slot] = uint16(c.used)
	s := &c.sockets[socket]
	if s.head == 0 {
		s.head = uint16(c.used)
		c.touched = append(c.touched, socket)
	} else {
		c.chains[s.tail-1].next = uint16(c.used)
	}
	s.tail = uint16(c.used)
	return ch
}

// reset empties the chains.
func (c *chains) reset() {
	for i := range c.chains[:c.used] {
		c.slots[c.chains[i].slot] = 0
	}
	for _, s := range c.touched {
		c.sockets[s] = socketChains{}
	}
	c.touched, c.used, c.last = c.touched[:0], 0, nil
}
