package lab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// PingConfig describes a run of echo requests.
type PingConfig struct {
	Src     netip.Addr // invalid: the route's
	Dst     netip.Addr
	Size    int           // bytes of ICMP payload, as in `ping -s`
	Count   int           // 0: 1
	Timeout time.Duration // for each answer; 0: 1 s. The next request follows the answer at once.
	Mode    PingMode
}

// PingMode says what a ping may do about packets that are too large.
type PingMode int

// The ways of a ping with large packets.
const (
	PingDefault  PingMode = iota // as ping(8): DF set, and sources fragment to a path MTU that the kernel knows
	PingDontFrag                 // DF set, learned path MTUs ignored: each request provokes its error (`ping -M probe`)
	PingMayFrag                  // DF clear (`ping -M dont`)
)

// PingResult says what came back.
type PingResult struct {
	Sent, Received int
	Duplicates     int // further answers to the same request
	Corrupt        int // answers with another payload than the request's; not counted as received
	RTT            []time.Duration
	TooBig         int   // "fragmentation needed" or "packet too big" errors
	NextHopMTU     int   // of the last of them
	Unreachable    int   // other destination-unreachable errors
	SendError      error // the last refusal of the host's own kernel, e.g. EMSGSIZE; that request counts as sent
}

// Lost returns the number of requests without an answer.
func (r PingResult) Lost() int { return r.Sent - r.Received }

// Median returns the median round-trip time, 0 where nothing came back.
func (r PingResult) Median() time.Duration {
	if len(r.RTT) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(r.RTT))[len(r.RTT)/2]
}

// String returns a line like ping's summary.
func (r PingResult) String() string {
	return fmt.Sprintf("%d sent, %d received, %d lost, median %v", r.Sent, r.Received, r.Lost(),
		r.Median().Round(time.Microsecond))
}

// Ping sends count echo requests of size payload bytes from a host and waits for the answers, one by one. An invalid src
// leaves the choice to the kernel. Lost answers are no error: see the result.
func Ping(from *Host, src, dst netip.Addr, size, count int) (PingResult, error) {
	return from.Ping(PingConfig{Src: src, Dst: dst, Size: size, Count: count})
}

// MustReach pings until one answer of size payload bytes arrives, for at most timeout: for the moment after a link came
// up.
func (h *Host) MustReach(dst netip.Addr, size int, timeout time.Duration) error {
	return Eventually(timeout, func() error {
		r, err := h.Ping(PingConfig{Dst: dst, Size: size, Timeout: 100 * time.Millisecond})
		switch {
		case err != nil || r.Received > 0:
			return err
		case r.SendError != nil:
			return fmt.Errorf("%s does not reach %s: %w", h.name, dst, r.SendError)
		}
		return fmt.Errorf("%s does not reach %s", h.name, dst)
	})
}

// Ping sends echo requests from the host.
func (h *Host) Ping(c PingConfig) (PingResult, error) {
	if c.Count == 0 {
		c.Count = 1
	}
	if c.Timeout == 0 {
		c.Timeout = time.Second
	}
	p := &pinger{PingConfig: c, id: rand.N(0x10000), sent: make([]time.Time, c.Count), seen: make([]bool, c.Count)}
	if err := h.Do(p.open); err != nil {
		return PingResult{}, h.wrapf(err, "ping %s", c.Dst)
	}
	defer p.conn.Close()
	for seq := range c.Count {
		if err := p.one(seq); err != nil {
			return p.result, h.wrapf(err, "ping %s", c.Dst)
		}
	}
	return p.result, nil
}

type pinger struct {
	PingConfig
	conn   *net.IPConn
	id     int
	sent   []time.Time
	seen   []bool
	result PingResult
	buf    [65536]byte
}

func (p *pinger) open() (err error) {
	network, any := "ip4:1", netip.IPv4Unspecified() // numbers, as /etc/protocols may be missing
	if p.Dst.Is6() {
		network, any = "ip6:58", netip.IPv6Unspecified()
	}
	if p.Src.IsValid() {
		any = p.Src
	}
	p.conn, err = net.ListenIP(network, &net.IPAddr{IP: any.AsSlice(), Zone: any.Zone()})
	if err != nil || p.Mode == PingDefault {
		return err
	}
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return err
	}
	if ctl := raw.Control(func(fd uintptr) { err = p.setMode(int(fd)) }); ctl != nil {
		return ctl
	}
	return os.NewSyscallError("setsockopt", err)
}

func (p *pinger) setMode(fd int) error {
	if p.Dst.Is6() {
		mode := unix.IPV6_PMTUDISC_PROBE
		if p.Mode == PingMayFrag {
			mode = unix.IPV6_PMTUDISC_DONT
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, mode)
	}
	mode := unix.IP_PMTUDISC_PROBE
	if p.Mode == PingMayFrag {
		mode = unix.IP_PMTUDISC_DONT
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, mode)
}

// payload returns the bytes that request seq carries; each request has its own.
func (p *pinger) payload(seq int) []byte {
	b := make([]byte, p.Size)
	for i := range b {
		b[i] = byte(i*7 + seq*13 + p.id)
	}
	return b
}

// one sends request seq and reads until its answer, an error about it, or the timeout.
func (p *pinger) one(seq int) error {
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: p.id, Seq: seq & 0xffff, Data: p.payload(seq)}}
	if p.Dst.Is6() {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	b, err := m.Marshal(nil) // the kernel fills the ICMPv6 checksum in
	if err != nil {
		return err
	}
	p.result.Sent++
	p.sent[seq] = time.Now()
	if _, err := p.conn.WriteTo(b, &net.IPAddr{IP: p.Dst.AsSlice(), Zone: p.Dst.Zone()}); err != nil {
		if errno := syscall.Errno(0); errors.As(err, &errno) {
			p.result.SendError = err
			return nil
		}
		return err
	}
	if err := p.conn.SetReadDeadline(p.sent[seq].Add(p.Timeout)); err != nil {
		return err
	}
	for {
		n, _, err := p.conn.ReadFrom(p.buf[:])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		if p.received(p.buf[:n]) == seq {
			return nil
		}
	}
}

// received accounts for one ICMP message and returns the sequence number of the request that it settles, or -1.
func (p *pinger) received(b []byte) int {
	proto := 1
	if p.Dst.Is6() {
		proto = 58
	}
	m, err := icmp.ParseMessage(proto, b)
	if err != nil {
		return -1
	}
	switch m.Type {
	case ipv4.ICMPTypeEchoReply, ipv6.ICMPTypeEchoReply:
		if e, ok := m.Body.(*icmp.Echo); ok && e.ID == p.id {
			return p.answer(e)
		}
	case ipv4.ICMPTypeDestinationUnreachable, ipv6.ICMPTypeDestinationUnreachable, ipv6.ICMPTypePacketTooBig:
		return p.refusal(m.Type, b)
	}
	return -1
}

func (p *pinger) answer(e *icmp.Echo) int {
	if e.Seq >= p.Count || p.sent[e.Seq].IsZero() {
		return -1
	}
	switch {
	case !bytes.Equal(e.Data, p.payload(e.Seq)):
		p.result.Corrupt++
	case p.seen[e.Seq]:
		p.result.Duplicates++
	default:
		p.seen[e.Seq] = true
		p.result.Received++
		p.result.RTT = append(p.result.RTT, time.Since(p.sent[e.Seq]))
	}
	return e.Seq
}

// refusal accounts for an ICMP error about one of our requests. Its body is 4 bytes and the packet that it is about
// (RFC 792; RFC 4443, section 3).
func (p *pinger) refusal(typ icmp.Type, b []byte) int {
	if len(b) < 8+40+8 && p.Dst.Is6() || len(b) < 8+20+8 {
		return -1
	}
	l4 := 8 + 40
	if p.Dst.Is4() {
		l4 = 8 + int(b[8]&15)*4
	}
	if len(b) < l4+8 || int(binary.BigEndian.Uint16(b[l4+4:])) != p.id {
		return -1
	}
	switch {
	case typ == ipv6.ICMPTypePacketTooBig: // RFC 4443, section 3.2
		p.result.TooBig++
		p.result.NextHopMTU = int(binary.BigEndian.Uint32(b[4:]))
	case typ == ipv4.ICMPTypeDestinationUnreachable && b[1] == 4: // RFC 1191, section 4
		p.result.TooBig++
		p.result.NextHopMTU = int(binary.BigEndian.Uint16(b[6:]))
	default:
		p.result.Unreachable++
	}
	return int(binary.BigEndian.Uint16(b[l4+6:]))
}
