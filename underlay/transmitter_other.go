//go:build !linux

package underlay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uvtep/uvtep/encap"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Transmitter sends packets from a pool of source ports. All its methods may
// be called concurrently.
type Transmitter struct {
	v6      bool
	sockets []*poolSocket
	mtus    pathMTUTable
	closed  atomic.Bool
}

// poolSocket is a socket bound to one source port, with the values that its
// packets carry at present.
type poolSocket struct {
	conn     *net.UDPConn
	port     uint16
	setClass func(int) error
	setHops  func(int) error
	hops     int // the system's default

	mu      sync.Mutex // innermost
	tos     uint8
	ttl     uint8
	buf     []byte
	scratch []byte // segments of superframes
}

// Offloads is nothing on this system.
func (t *Transmitter) Offloads() Offloads {
	return Offloads{Segments: 1, Reason: "not used on this system"}
}

// OpenTransmitter opens the pool. Source ports that somebody else holds are
// passed over; where none is left the error wraps [ErrPortInUse]. Device and
// NoChecksum are not available on this system, and DF is the system's choice.
func OpenTransmitter(cfg TransmitterConfig) (*Transmitter, error) {
	t, err := openTransmitter(cfg)
	if err != nil {
		return nil, fmt.Errorf("underlay: transmitter: %w", err)
	}
	return t, nil
}

func openTransmitter(cfg TransmitterConfig) (*Transmitter, error) {
	cfg, err := cfg.normalised()
	if err != nil {
		return nil, err
	}
	if cfg.Device != "" || cfg.NoChecksum {
		return nil, fmt.Errorf("device and zero checksums: %w on this system", errors.ErrUnsupported)
	}
	t := &Transmitter{v6: cfg.V6}
	t.sockets, err = openPool(&cfg, func(port uint16) (*poolSocket, error) { return openPoolSocket(&cfg, port) })
	if err != nil {
		_ = t.Close()
		return nil, err
	}
	return t, nil
}

func openPoolSocket(cfg *TransmitterConfig, port uint16) (*poolSocket, error) {
	conn, err := bindUDP(cfg.Local.String(), port, cfg.V6)
	if err != nil {
		return nil, err
	}
	// A smaller buffer than asked for is no reason to do without.
	_ = conn.SetWriteBuffer(cfg.Buffer)
	s := &poolSocket{conn: conn, port: port, buf: make([]byte, 0, readSize)}
	var setInterface func(*net.Interface) error
	var setLoop func(bool) error
	if cfg.V6 {
		p := ipv6.NewPacketConn(conn)
		s.setClass, s.setHops = p.SetTrafficClass, p.SetHopLimit
		s.hops, err = p.HopLimit()
		setInterface, setLoop = p.SetMulticastInterface, p.SetMulticastLoopback
	} else {
		p := ipv4.NewPacketConn(conn)
		s.setClass, s.setHops = p.SetTOS, p.SetTTL
		s.hops, err = p.TTL()
		setInterface, setLoop = p.SetMulticastInterface, p.SetMulticastLoopback
	}
	if err == nil {
		err = setLoop(cfg.MulticastLoop)
	}
	if err == nil && cfg.MulticastInterface != 0 {
		var ifi *net.Interface
		if ifi, err = net.InterfaceByIndex(cfg.MulticastInterface); err == nil {
			err = setInterface(ifi)
		}
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

// Ports are the source ports in use. A hash h sends from
// Ports()[h*len(Ports())>>32].
func (t *Transmitter) Ports() []uint16 {
	ports := make([]uint16, len(t.sockets))
	for i, s := range t.sockets {
		ports[i] = s.port
	}
	return ports
}

// PathMTU is the size of the IP packets that reach dst where it was learned;
// on this system it never is.
func (t *Transmitter) PathMTU(dst encap.Addr) (mtu int, ok bool) {
	return t.mtus.lookup(dst, time.Now())
}

// TakeErrors is what ICMP said of packets; on this system it is not known.
func (t *Transmitter) TakeErrors() []ICMPError { return nil }

// WriteBatch sends p and sets the Result of each packet. The error is
// net.ErrClosed after Close, else nil.
func (t *Transmitter) WriteBatch(p []encap.Packet) error {
	for i := range p {
		p[i].Result = encap.SendRefused
	}
	if t.closed.Load() {
		return net.ErrClosed
	}
	for i := range p {
		if len(p[i].Frame.More) != 0 || p[i].Dst == (encap.Addr{}) || p[i].Dst.Is4() == t.v6 {
			continue
		}
		err := t.sockets[pick(p[i].Hash, len(t.sockets))].send(&p[i])
		if errors.Is(err, net.ErrClosed) {
			return net.ErrClosed
		}
		p[i].Result = sendResult(err)
	}
	return nil
}

// errNotCut is of a superframe that contradicts its metadata.
var errNotCut = errors.New("superframe cannot be cut")

// send sends p, a superframe segment by segment; the error is that of the
// first segment that failed.
func (s *poolSocket) send(p *encap.Packet) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mark(p.TOS, p.TTL); err != nil {
		return err
	}
	if p.Frame.Offload.Kind == encap.GSONone {
		return s.write(p, p.Frame.Data)
	}
	if s.scratch == nil {
		s.scratch = make([]byte, readSize)
	}
	var err error
	if !encap.Segment(&p.Frame, s.scratch, func(f encap.Frame) {
		if err == nil {
			err = s.write(p, f.Data)
		}
	}) {
		return errNotCut
	}
	return err
}

// write sends one datagram.
func (s *poolSocket) write(p *encap.Packet, frame []byte) error {
	s.buf = append(append(s.buf[:0], p.Header[:]...), frame...)
	dst := p.Dst.Netip()
	if p.Zone != 0 && dst.Is6() {
		dst = dst.WithZone(strconv.FormatUint(uint64(p.Zone), 10))
	}
	_, err := s.conn.WriteToUDPAddrPort(s.buf, netip.AddrPortFrom(dst, p.Port))
	return err
}

// mark sets what is a property of the socket here, not of the packet.
func (s *poolSocket) mark(tos, ttl uint8) error {
	if tos != s.tos {
		if err := s.setClass(int(tos)); err != nil {
			return err
		}
		s.tos = tos
	}
	if ttl != s.ttl {
		hops := int(ttl)
		if ttl == 0 {
			hops = s.hops
		}
		if err := s.setHops(hops); err != nil {
			return err
		}
		s.ttl = ttl
	}
	return nil
}

// Close closes the pool; a WriteBatch that is under way or comes later returns
// net.ErrClosed.
func (t *Transmitter) Close() error {
	if t.closed.Swap(true) {
		return nil
	}
	var errs []error
	for _, s := range t.sockets {
		errs = append(errs, s.conn.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("underlay: close: %w", err)
	}
	return nil
}
