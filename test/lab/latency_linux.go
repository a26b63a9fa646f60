package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// Latencies are round-trip times in ascending order.
type Latencies []time.Duration

// Percentile returns the value that p per cent of the round trips do not exceed, 0 where there are none.
func (l Latencies) Percentile(p float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[min(int(float64(len(l))*p/100), len(l)-1)]
}

// UDPPingPong sends c.Count datagrams of c.Size bytes one at a time, each when the echo of the one before it is back, and
// returns the round-trip times. A datagram without an echo within 100 ms is lost: the result is shorter than Count.
func UDPPingPong(ctx context.Context, c UDPConfig) (Latencies, error) {
	c.Size = max(c.Size, udpHeader)
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	near, far, err := c.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("lab: udp %s -> %s (%s): %w", c.From, c.To, c.Dst, err)
	}
	echoed := make(chan struct{})
	go func() {
		defer close(echoed)
		b := make([]byte, c.Size+1)
		for {
			n, err := far.Read(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = far.Write(b[:n]) // a refused echo is a lost one
			}
		}
	}()
	defer func() { near.Close(); far.Close(); <-echoed }()

	var l Latencies
	b := make([]byte, c.Size+1)
	for seq := range uint64(c.Count) {
		fillDatagram(b[:c.Size], seq)
		start := time.Now()
		if err := near.SetReadDeadline(start.Add(udpPatience)); err != nil {
			return nil, err
		}
		if _, err := near.Write(b[:c.Size]); err != nil {
			return nil, fmt.Errorf("lab: udp %s -> %s (%s): %w", c.From, c.To, c.Dst, err)
		}
		for {
			n, err := near.Read(b)
			if err != nil {
				break // lost
			}
			if got, ok := checkDatagram(b[:n], c.Size); ok && got == seq {
				l = append(l, time.Since(start))
				break
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("lab: udp %s -> %s (%s): %w", c.From, c.To, c.Dst, err)
		}
	}
	slices.Sort(l)
	return l, nil
}
