package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// UDPConfig describes an exchange of numbered datagrams between two hosts.
type UDPConfig struct {
	From, To *Host
	Src      netip.Addr    // invalid: the route's
	Dst      netip.Addr    // an address of To
	Size     int           // UDP payload; at least 16, less is made 16
	Count    int           // datagrams a direction
	OneWay   bool          // From to To only
	Window   int           // datagrams under way a direction; 0: 32; -1: no limit, which loses some where the sender is faster
	Timeout  time.Duration // for all of it; 0: 30 s
}

// UDPCount says what arrived in one direction.
type UDPCount struct {
	Sent, Received int // Received counts each number once
	Reordered      int // arrived after a higher number
	Duplicated     int
	Corrupt        int // wrong length, checksum or number
	SendErrors     int // refused by the sender's own kernel; not in Sent
	Elapsed        time.Duration
	LastSendError  error
}

// Lost returns how many datagrams did not arrive.
func (c UDPCount) Lost() int { return c.Sent - c.Received }

// Clean reports whether every datagram arrived once, in order and unchanged.
func (c UDPCount) Clean() bool {
	return c.Received == c.Sent && c.Reordered == 0 && c.Duplicated == 0 && c.Corrupt == 0 && c.SendErrors == 0
}

// String returns a line for people.
func (c UDPCount) String() string {
	return fmt.Sprintf("%d sent, %d received, %d reordered, %d duplicated, %d corrupt, %d refused", c.Sent, c.Received,
		c.Reordered, c.Duplicated, c.Corrupt, c.SendErrors)
}

// UDPResult is the outcome of an exchange.
type UDPResult struct{ Forth, Back UDPCount }

// Clean reports whether both directions were.
func (r UDPResult) Clean() bool { return r.Forth.Clean() && r.Back.Clean() }

// UDPExchange sends count datagrams of size bytes each way between from and an address of to, over one pair of sockets,
// both directions at once. Loss is no error: see the result.
func UDPExchange(from, to *Host, dst netip.Addr, size, count int) (UDPResult, error) {
	return UDP(context.Background(), UDPConfig{From: from, To: to, Dst: dst, Size: size, Count: count})
}

// udpHeader is the least size: the number (8 bytes), a CRC-32 of all the rest (4), filling.
const udpHeader = 16

// udpPatience is how long a sender waits for a datagram under way before it takes it for lost, and a receiver for more
// once the sender is done.
const udpPatience = 100 * time.Millisecond

// UDP runs the exchange c.
func UDP(ctx context.Context, c UDPConfig) (UDPResult, error) {
	c.Size = max(c.Size, udpHeader)
	if c.Window == 0 {
		c.Window = 32
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	near, far, err := c.open(ctx)
	if err != nil {
		return UDPResult{}, fmt.Errorf("lab: udp %s -> %s (%s): %w", c.From, c.To, c.Dst, err)
	}
	defer near.Close()
	defer far.Close()

	var r UDPResult
	directions := []*udpDirection{newUDPDirection(&c, near, far, &r.Forth)}
	if !c.OneWay {
		directions = append(directions, newUDPDirection(&c, far, near, &r.Back))
	}
	var wg sync.WaitGroup
	for _, d := range directions {
		wg.Go(func() { d.send(ctx) })
		wg.Go(func() { d.receive(ctx) })
	}
	wg.Wait()
	for _, d := range directions {
		err = errors.Join(err, d.sendErr, d.receiveErr)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return r, fmt.Errorf("lab: udp %s -> %s (%s): %w", c.From, c.To, c.Dst, err)
	}
	return r, nil
}

// open makes the two sockets, each connected to the other.
func (c *UDPConfig) open(ctx context.Context) (near, far *net.UDPConn, err error) {
	var meet net.PacketConn
	err = c.To.Do(func() (err error) { // holds a free port until the far socket takes it
		listen := net.ListenConfig{Control: shareAddress}
		meet, err = listen.ListenPacket(ctx, "udp", netip.AddrPortFrom(c.Dst, 0).String())
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	target := meet.LocalAddr().(*net.UDPAddr)
	near, err = c.From.dialUDP(ctx, c.Src, 0, target)
	if err := errors.Join(err, meet.Close()); err != nil {
		return nil, nil, err
	}
	far, err = c.To.dialUDP(ctx, c.Dst, target.Port, near.LocalAddr().(*net.UDPAddr))
	if err != nil {
		return nil, nil, errors.Join(err, near.Close())
	}
	return near, far, errors.Join(near.SetReadBuffer(4<<20), far.SetReadBuffer(4<<20))
}

// shareAddress lets the far socket have the port although the one that held it is not quite closed: a child that is being
// started has a copy of every descriptor until its exec.
func shareAddress(_, _ string, raw syscall.RawConn) error {
	var err error
	ctl := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
	return errors.Join(ctl, os.NewSyscallError("setsockopt", err))
}

func (h *Host) dialUDP(ctx context.Context, src netip.Addr, port int, to *net.UDPAddr) (*net.UDPConn, error) {
	d := net.Dialer{}
	if port != 0 {
		d.Control = shareAddress
	}
	if src.IsValid() {
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(src, uint16(port)))
	}
	var conn net.Conn
	err := h.Do(func() (err error) {
		conn, err = d.DialContext(ctx, "udp", to.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// udpDirection is one sender and its receiver. Both live in this process, so the receiver tells the sender what arrived.
type udpDirection struct {
	*UDPConfig
	out, in             *net.UDPConn
	count               *UDPCount
	credit              chan struct{} // a token a datagram under way; nil without a window
	sent                chan struct{} // closed when the sender is done
	sendErr, receiveErr error
}

func newUDPDirection(c *UDPConfig, out, in *net.UDPConn, count *UDPCount) *udpDirection {
	d := &udpDirection{UDPConfig: c, out: out, in: in, count: count, sent: make(chan struct{})}
	if c.Window > 0 {
		d.credit = make(chan struct{}, c.Window)
	}
	return d
}

func (d *udpDirection) send(ctx context.Context) {
	defer close(d.sent)
	patience := time.NewTimer(udpPatience)
	defer patience.Stop()
	b := make([]byte, d.Size)
	for n := 0; n < d.Count && ctx.Err() == nil; {
		if d.credit != nil {
			patience.Reset(udpPatience)
			select {
			case d.credit <- struct{}{}:
			case <-patience.C: // what is under way is taken for lost
				for range d.Window {
					d.landed()
				}
				continue
			case <-ctx.Done():
				return
			}
		}
		fillDatagram(b, uint64(n))
		_, err := d.out.Write(b)
		n++
		switch {
		case err == nil:
			d.count.Sent++
		case errors.Is(err, net.ErrClosed):
			d.sendErr = err
			return
		default:
			d.count.SendErrors++
			d.count.LastSendError = err
			d.landed()
		}
	}
}

// landed gives a token back where one is out.
func (d *udpDirection) landed() {
	select {
	case <-d.credit:
	default:
	}
}

func (d *udpDirection) receive(ctx context.Context) {
	start := time.Now()
	b := make([]byte, d.Size+1) // one more, to see what is too long
	seen := make([]bool, d.Count)
	highest, done := -1, false
	for d.count.Received < d.Count && ctx.Err() == nil {
		if err := d.in.SetReadDeadline(time.Now().Add(udpPatience)); err != nil {
			d.receiveErr = err
			return
		}
		n, err := d.in.Read(b)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if done {
				return
			}
			select {
			case <-d.sent:
				done = true // one more wait, for what was on its way
			default:
			}
			continue
		case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.EMSGSIZE):
			continue // an ICMP error about the other direction of this socket
		case err != nil:
			d.receiveErr = err
			return
		}
		d.landed()
		d.count.Elapsed = time.Since(start)
		seq, ok := checkDatagram(b[:n], d.Size)
		switch {
		case !ok || seq >= uint64(d.Count):
			d.count.Corrupt++
		case seen[seq]:
			d.count.Duplicated++
		default:
			seen[seq] = true
			d.count.Received++
			if int(seq) < highest {
				d.count.Reordered++
			}
			highest = max(highest, int(seq))
		}
	}
}

// fillDatagram writes datagram seq: its number, a CRC and bytes that depend on the number.
func fillDatagram(b []byte, seq uint64) {
	binary.BigEndian.PutUint64(b, seq)
	x := seq*0x9e3779b97f4a7c15 + 1
	for i := 12; i < len(b); i++ {
		b[i] = byte(x >> (8 * (i % 8)))
		if i%8 == 7 {
			x = x*6364136223846793005 + 1442695040888963407
		}
	}
	binary.BigEndian.PutUint32(b[8:], crc32.Update(crc32.ChecksumIEEE(b[:8]), crc32.IEEETable, b[12:]))
}

// checkDatagram returns the number of a datagram that arrived unchanged.
func checkDatagram(b []byte, size int) (uint64, bool) {
	if len(b) != size {
		return 0, false
	}
	sum := crc32.Update(crc32.ChecksumIEEE(b[:8]), crc32.IEEETable, b[12:])
	return binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:]) == sum
}
