package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// RateConfig describes numbered datagrams that are sent one way at a steady rate.
type RateConfig struct {
	From, To *Host
	Dst      netip.Addr      // an address of To
	Size     int             // UDP payload; at least 16, less is made 16
	Rate     int             // datagrams a second
	Duration time.Duration   // how long to send
	Until    <-chan struct{} // ends the sending before, where it is closed; nil: nothing does
}

const (
	// rateBurst bounds what a sender that was held up sends at once, in time: what it missed before is left out.
	rateBurst = 10 * time.Millisecond
	// ratePause is how long a sender sleeps that is ahead of its rate.
	ratePause = 200 * time.Microsecond
	// rateBatch is the most datagrams of one system call.
	rateBatch = 32
	// rateBuffer is the receiver's buffer. What is lost should be lost before it.
	rateBuffer = 16 << 20
)

// UDPAtRate sends at a rate, as far as the sender gets: Sent over Elapsed is what it was. Loss is no error.
func UDPAtRate(ctx context.Context, c RateConfig) (UDPCount, error) {
	var count UDPCount
	u := UDPConfig{From: c.From, To: c.To, Dst: c.Dst, Size: max(c.Size, udpHeader), Window: -1,
		Count: int(float64(c.Rate) * c.Duration.Seconds())}
	near, far, err := u.open(ctx)
	if err != nil {
		return count, fmt.Errorf("lab: udp %s -> %s (%s): %w", c.From, c.To, c.Dst, err)
	}
	defer near.Close()
	defer far.Close()
	forceReadBuffer(far, rateBuffer)
	d := newUDPDirection(&u, near, far, &count)
	var wg sync.WaitGroup
	wg.Go(func() { d.receive(ctx) })
	d.sendAtRate(ctx, c.Rate, c.Duration, c.Until)
	wg.Wait()
	if err := errors.Join(d.sendErr, d.receiveErr, ctx.Err()); err != nil {
		return count, fmt.Errorf("lab: udp %s -> %s (%s): %w", c.From, c.To, c.Dst, err)
	}
	return count, nil
}

// sendAtRate sends what is due by the clock until duration is over or until is closed.
func (d *udpDirection) sendAtRate(ctx context.Context, rate int, duration time.Duration, until <-chan struct{}) {
	defer close(d.sent)
	conn := ipv4.NewPacketConn(d.out) // for sendmmsg alone, which is the same for IPv6
	batch := make([]ipv4.Message, rateBatch)
	for i := range batch {
		batch[i].Buffers = [][]byte{make([]byte, d.Size)}
	}
	per := time.Second / time.Duration(rate)
	begin := time.Now()
	missed := time.Duration(0) // not to be made up for
	for n := 0; n < d.Count && ctx.Err() == nil; {
		now := time.Since(begin)
		if now > duration || isClosed(until) {
			return
		}
		behind := now - missed - time.Duration(n)*per
		if behind < 0 {
			time.Sleep(max(-behind, ratePause))
			continue
		}
		if behind > rateBurst {
			missed += behind - rateBurst
		}
		due := batch[:min(int(behind/per)+1, rateBatch, d.Count-n)]
		for i := range due {
			fillDatagram(due[i].Buffers[0], uint64(n+i))
		}
		sent, err := conn.WriteBatch(due, 0)
		d.count.Sent += max(sent, 0)
		n += max(sent, 0)
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			d.sendErr = err
			return
		default:
			n++
			d.count.SendErrors++
			d.count.LastSendError = err
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// forceReadBuffer goes beyond net.core.rmem_max where that is allowed; the limit is good enough else.
func forceReadBuffer(c *net.UDPConn, size int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size)
	})
}
