package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/test/lab"
)

// TunnelConfig describes VXLAN packets, all alike, that a host sends past any VTEP of its own, at a steady rate.
type TunnelConfig struct {
	From     *lab.Host
	Src      netip.Addr     // one of From's addresses
	Dst      netip.AddrPort // the VTEP's
	VNI      uint32
	Size     int // of the frames, at least [MinFrame]
	Rate     int // packets a second; 0: as many as go
	Duration time.Duration
}

// MinFrame is the least size of a frame: an Ethernet header and what identifies nothing.
const MinFrame = 60

// Tunnel is VXLAN packets on their way.
type Tunnel struct {
	child *child
	c     TunnelConfig
}

// StartTunnel begins to send c.
func StartTunnel(c TunnelConfig) (*Tunnel, error) {
	tx, err := start(c.From, order{Kind: "vxlan-send", From: c.Src, Addr: c.Dst, VNI: c.VNI,
		Sizes: []int{max(c.Size, MinFrame)}, Rate: c.Rate, Duration: c.Duration})
	if err == nil {
		if err = tx.tell(); err == nil {
			return &Tunnel{tx, c}, nil
		}
		tx.close()
	}
	return nil, fmt.Errorf("load: vxlan %s -> %s: %w", c.Src, c.Dst, err)
}

// Wait returns how many packets were sent, and in which time.
func (t *Tunnel) Wait() (sent int64, elapsed time.Duration, err error) {
	defer t.child.close()
	r, err := t.child.report(t.c.Duration + 20*time.Second)
	if err != nil {
		return 0, 0, fmt.Errorf("load: vxlan %s -> %s: %w", t.c.Src, t.c.Dst, err)
	}
	return r.Count, r.Elapsed, nil
}

// tunnelPause is how long a sender sleeps that is ahead of its rate.
const tunnelPause = 100 * time.Microsecond

func sendTunnel(o *order, l *line) (r report, err error) {
	fd, err := udpSocket(netip.AddrPortFrom(o.From, 0), o.Addr)
	if err != nil {
		return r, err
	}
	defer unix.Close(fd)
	packet := tunnelled(o.VNI, o.Sizes[0])
	m := newMessages(batch, len(packet))
	for _, b := range m.bufs {
		copy(b, packet)
	}
	l.ready(0)
	l.wait()
	start := time.Now()
	for {
		r.Elapsed = time.Since(start)
		if r.Elapsed >= o.Duration {
			return r, nil
		}
		n := due(o.Rate, r.Elapsed, r.Count+r.Refused)
		if n == 0 {
			time.Sleep(tunnelPause)
			continue
		}
		sent, err := m.send(fd, n)
		switch {
		case err == nil:
			r.Count += int64(sent)
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ECONNREFUSED):
			r.Refused++
		case errors.Is(err, unix.EINTR):
		default:
			return r, fmt.Errorf("send: %w", err)
		}
	}
}

// tunnelled is a VXLAN packet (RFC 7348 section 5) with a frame that no host takes: from one MAC that nobody has to
// another, of the type for experiments (0x88b5, IEEE 802).
func tunnelled(vni uint32, size int) []byte {
	b := make([]byte, 8+size)
	b[0] = 0x08
	binary.BigEndian.PutUint32(b[4:], vni<<8)
	copy(b[8:], []byte{0x02, 0x5b, 0, 0, 0, 1, 0x02, 0x5b, 0, 0, 0, 2, 0x88, 0xb5})
	return b
}
