package forward

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

// Stats counts since the link was added. Rx is what came from the underlay
// and went into the port, tx what came from the port and went to remotes, one
// for each copy, as the kernel counts.
type Stats struct {
	RxPackets, RxBytes, RxErrors, RxDropped, Multicast uint64
	TxPackets, TxBytes, TxErrors, TxDropped            uint64
	Reserved                                           uint64                // received with reserved header bits set, dropped or not
	NotLearned                                         uint64                // delivered, not learned: the FDB was full of entries that cannot give way
	Evicted                                            uint64                // FDB entries removed to make room for new addresses
	Moves                                              uint64                // learned entries that changed their remote
	PolicyID                                           uint16                // of the last packet received that carried one, with GBP
	Answered                                           uint64                // ARP requests and neighbour solicitations that the proxy answered
	TooBigSent                                         uint64                // ICMP errors written to the port for frames that were too big
	TooBigWithheld                                     uint64                // ICMP errors that the link's limit withheld
	Fragmented                                         uint64                // short frames that left in fragments
	Drops                                              map[DropReason]uint64 // without zeros
}

// Counters are one worker's for one link. A worker writes its own only, so
// that the atomic additions never contend; readers sum over workers.
type Counters struct {
	rxPackets, rxBytes, multicast atomic.Uint64
	txPackets, txBytes            atomic.Uint64
	reserved                      atomic.Uint64 // packets with reserved bits set, dropped or not
	notLearned                    atomic.Uint64 // frames delivered while the FDB was full
	moves                         atomic.Uint64 // learned entries that changed their remote
	tooBig, unanswered            atomic.Uint64 // ICMP errors sent into the port, and withheld
	fragmented                    atomic.Uint64 // frames that left in fragments, their path being too narrow
	answered                      atomic.Uint64 // questions for neighbours that the proxy answered
	drops                         [numDropReasons]atomic.Uint64
	_                             [64]byte // keeps two workers off one cache line
}

// tally is what frames for a port add to a link's counters.
type tally struct{ packets, bytes, multicast uint64 }

// add counts f, described by in; a superframe counts as what it stands for.
func (t *tally) add(f *encap.Frame, in *encap.Inner) {
	packets, bytes := encap.Wire(f, in)
	t.packets += uint64(packets)
	t.bytes += uint64(bytes)
	if encap.EthDst(f.Data).IsMulticast() {
		t.multicast += uint64(packets)
	}
}

// segment counts b, an ordinary frame.
func (t *tally) segment(b []byte) {
	t.packets++
	t.bytes += uint64(len(b) - encap.EthernetHeaderLen)
	if encap.EthDst(b).IsMulticast() {
		t.multicast++
	}
}

func (c *Counters) received(t *tally) {
	c.rxPackets.Add(t.packets)
	c.rxBytes.Add(t.bytes)
	c.multicast.Add(t.multicast)
}

func (c *Counters) drop(r DropReason) { c.drops[r].Add(1) }

// Count counts n drops.
func (c *Counters) Count(r DropReason, n uint64) { c.drops[r].Add(n) }

// Sum adds up shards.
func Sum(shards []Counters) Stats {
	s := Stats{Drops: make(map[DropReason]uint64)}
	for i := range shards {
		c := &shards[i]
		s.RxPackets += c.rxPackets.Load()
		s.RxBytes += c.rxBytes.Load()
		s.Multicast += c.multicast.Load()
		s.TxPackets += c.txPackets.Load()
		s.TxBytes += c.txBytes.Load()
		s.Reserved += c.reserved.Load()
		s.NotLearned += c.notLearned.Load()
		s.Moves += c.moves.Load()
		s.TooBigSent += c.tooBig.Load()
		s.TooBigWithheld += c.unanswered.Load()
		s.Fragmented += c.fragmented.Load()
		s.Answered += c.answered.Load()
		for r := range c.drops {
			n := c.drops[r].Load()
			if n == 0 {
				continue
			}
			s.Drops[DropReason(r)] += n
			switch dropReasons[r].class {
			case txDropped:
				s.TxDropped += n
			case txErrors:
				s.TxErrors += n
			case rxDropped:
				s.RxDropped += n
			case rxErrors:
				s.RxErrors += n
			}
		}
	}
	return s
}

// DropTotals are the drops by reason.
type DropTotals [numDropReasons]uint64

// TotalDrops adds up what shards count.
func TotalDrops(shards []Counters) (t DropTotals) {
	for i := range shards {
		for r := range t {
			t[r] += shards[i].drops[r].Load()
		}
	}
	return t
}

// NotLearned is how many frames were delivered while the FDB was full.
func NotLearned(shards []Counters) (n uint64) {
	for i := range shards {
		n += shards[i].notLearned.Load()
	}
	return n
}
