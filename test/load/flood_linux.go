package load

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// FloodConfig describes numbered datagrams sent as fast as the sender can, or at a rate, whatever is lost.
type FloodConfig struct {
	From, To *lab.Host
	Dst      netip.Addr // an address of To
	Sizes    []int      // UDP payloads, used in turn; at least [MinDatagram]
	Flows    int        // sockets of the sender, used in turn; 0: 1
	Segment  int        // datagrams of one size that a send has (UDP_SEGMENT); 0: one, without UDP_SEGMENT
	// Net has one socket send all flows, datagrams of many in a call: flow n goes to the n-th address of it, IPv4, which
	// To has. Dst is not used then. The zero value: a socket a flow.
	Net      netip.Prefix
	Rate     int // datagrams a second, with Net; 0: as many as go
	Duration time.Duration
}

// MinDatagram is the least payload: the flow's number and the datagram's in its flow.
const MinDatagram = 12

// FloodResult says what arrived.
type FloodResult struct {
	Sent, Received int64         // datagrams
	Refused        int64         // datagrams that the sender's kernel did not take; not in Sent
	Reordered      int64         // arrived after a higher number of the same flow
	Corrupt        int64         // of a wrong length or flow; not in Received
	Elapsed        time.Duration // from the first datagram that arrived to the last one
	CPU            time.Duration // of all the machine's CPUs, soft interrupts included
}

// PerSecond returns the rate of arrival.
func (r FloodResult) PerSecond() float64 { return float64(r.Received) / r.Elapsed.Seconds() }

// Loss returns the part that was sent and did not arrive, 0 to 1.
func (r FloodResult) Loss() float64 {
	if r.Sent == 0 {
		return 0
	}
	return float64(r.Sent-r.Received) / float64(r.Sent)
}

// String returns a line for people.
func (r FloodResult) String() string {
	return fmt.Sprintf("%d sent, %d received, %d refused, %d reordered, %d corrupt, %.1f kpps", r.Sent, r.Received,
		r.Refused, r.Reordered, r.Corrupt, r.PerSecond()/1e3)
}

// Flood runs c. That all was lost is an error; less is in the result.
func Flood(c FloodConfig) (FloodResult, error) {
	if len(c.Sizes) == 0 || slices.Min(c.Sizes) < MinDatagram || (c.Segment > 0 && len(c.Sizes) != 1) {
		return FloodResult{}, fmt.Errorf("load: datagrams of %v bytes, %d a send: at least %d bytes, and one size with UDP_SEGMENT",
			c.Sizes, c.Segment, MinDatagram)
	}
	if c.Rate > 0 && !c.Net.IsValid() || c.Net.IsValid() && (c.Segment > 0 || !c.Net.Addr().Is4() || 1<<(32-c.Net.Bits()) < c.Flows) {
		return FloodResult{}, fmt.Errorf("load: %d flows to %v, %d a second, %d a send: a rate needs Net, which needs at least an IPv4 address a flow and has no UDP_SEGMENT",
			c.Flows, c.Net, c.Rate, c.Segment)
	}
	o := order{Kind: "udp-receive", Addr: netip.AddrPortFrom(c.Dst, 0), Streams: max(c.Flows, 1), Sizes: c.Sizes,
		Segment: c.Segment, Net: c.Net, Rate: c.Rate, Duration: c.Duration}
	if c.Net.IsValid() {
		o.Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	receive := o
	o.Kind = "udp-send"
	if c.Net.IsValid() {
		o.Kind = "udp-send-spread"
	}
	sent, received, cpu, err := duel(c.From, c.To, receive, o)
	if err == nil && received.Count == 0 {
		err = fmt.Errorf("%d datagrams sent, none arrived (%d corrupt)", sent.Count, received.Corrupt)
	}
	if err != nil {
		return FloodResult{}, fmt.Errorf("load: udp %s -> %s (%s): %w", c.From, c.To, c.Dst, err)
	}
	return FloodResult{Sent: sent.Count, Received: received.Count, Refused: sent.Refused, Reordered: received.Reordered,
		Corrupt: received.Corrupt, Elapsed: received.Elapsed, CPU: cpu}, nil
}

// number writes what identifies a datagram.
func number(b []byte, flow uint32, seq uint64) {
	binary.BigEndian.PutUint32(b, flow)
	binary.BigEndian.PutUint64(b[4:], seq)
}

// tally counts what arrives.
type tally struct {
	sizes []int
	next  []uint64 // the number after the highest seen, a flow
	r     *report
}

func newTally(flows int, sizes []int, r *report) *tally {
	return &tally{sizes: sizes, next: make([]uint64, flows), r: r}
}

// add takes the first bytes of a datagram and its length. A datagram's number says its size: the sizes are used in turn.
func (t *tally) add(head []byte, length int) {
	if length < MinDatagram || len(head) < MinDatagram {
		t.r.Corrupt++
		return
	}
	flow, seq := binary.BigEndian.Uint32(head), binary.BigEndian.Uint64(head[4:])
	if flow >= uint32(len(t.next)) || length != t.sizes[seq%uint64(len(t.sizes))] {
		t.r.Corrupt++
		return
	}
	t.r.Count++
	t.r.Bytes += int64(length)
	if seq < t.next[flow] {
		t.r.Reordered++
		return
	}
	t.next[flow] = seq + 1
}
