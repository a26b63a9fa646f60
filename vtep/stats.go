package vtep

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

// counters are one worker's for one link. A worker writes its own only, so
// that the atomic additions never contend; readers sum over workers.
type counters struct {
	rxPackets, rxBytes, multicast atomic.Uint64
	txPackets, txBytes            atomic.Uint64
	reserved                      atomic.Uint64 // packets with reserved bits set, dropped or not
	notLearned                    atomic.Uint64 // frames delivered while the FDB was full
	moves                         atomic.Uint64 // learned entries that changed their remote
	tooBig, unanswered            atomic.Uint64 // ICMP errors sent into the port, and withheld
	fragmented                    atomic.Uint64 // frames that left in fragments, their path being too narrow
	answered                      atomic.Uint64 // questions for neighbours
	drops                         [numDropReasons]atomic.Uint64
	_                             [64]byte // keeps two workers off one cache line
}

// tally is what frames for a port add to its counters.
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

func (c *counters) received(t *tally) {
	c.rxPackets.Add(t.packets)
	c.rxBytes.Add(t.bytes)
	c.multicast.Add(t.multicast)
}

func (c *counters) drop(r DropReason) { c.drops[r].Add(1) }

// sum adds up shards.
func sumCounters(shards []counters) LinkStats {
	s := LinkStats{Drops: make(map[DropReason]uint64)}
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
