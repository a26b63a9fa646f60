//go:build !linux

package underlay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// readSize holds the largest UDP payload.
const readSize = 64 << 10

// Buffers is receive memory; on this system each receiver has its own.
type Buffers struct{}

// Receiver reads what arrives at one UDP port. Here it has one socket.
type Receiver struct {
	conn  *net.UDPConn
	read  func(b []byte) (n int, tos uint8, src net.Addr, err error)
	leave func() error

	unreadable atomic.Uint64 // see encap.Losses

	mu  sync.Mutex // held while a worker reads; innermost
	buf []byte
}

// Listen opens a receiver. Where the port is held by somebody else, the error
// wraps [ErrPortInUse]. Device, ZeroChecksum6, Beside and more than one worker
// are not available on this system.
func Listen(cfg ReceiverConfig) (*Receiver, error) {
	r, err := listen(cfg)
	if err != nil {
		return nil, fmt.Errorf("underlay: listen on port %d: %w", cfg.Port, err)
	}
	return r, nil
}

func listen(cfg ReceiverConfig) (*Receiver, error) {
	cfg, err := cfg.normalised()
	if err != nil {
		return nil, err
	}
	if cfg.Device != "" || cfg.ZeroChecksum6 || len(cfg.Beside) > 0 || cfg.Workers > 1 {
		return nil, fmt.Errorf("device, zero checksums, receivers beside and several workers: %w on this system", errors.ErrUnsupported)
	}
	conn, err := bindUDP(cfg.bindAddr().String(), cfg.Port, cfg.V6)
	if err != nil {
		return nil, err
	}
	r := &Receiver{conn: conn, buf: make([]byte, readSize)}
	// A smaller buffer than asked for is no reason to do without.
	_ = conn.SetReadBuffer(cfg.Buffer)
	var ifi *net.Interface
	if cfg.Interface != 0 {
		ifi = &net.Interface{Index: cfg.Interface}
		if found, err := net.InterfaceByIndex(cfg.Interface); err == nil {
			ifi = found
		}
	}
	if err := r.prepare(cfg, ifi); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return r, nil
}

func (r *Receiver) prepare(cfg ReceiverConfig, ifi *net.Interface) error {
	group := &net.UDPAddr{IP: cfg.Group.WithZone("").AsSlice()}
	var enter, leave func(*net.Interface, net.Addr) error
	if cfg.V6 {
		p := ipv6.NewPacketConn(r.conn)
		enter, leave = p.JoinGroup, p.LeaveGroup
		// Where the system does not report the traffic class, it reads as 0.
		_ = p.SetControlMessage(ipv6.FlagTrafficClass, true)
		r.read = func(b []byte) (int, uint8, net.Addr, error) {
			n, cm, src, err := p.ReadFrom(b)
			if cm == nil {
				return n, 0, src, err
			}
			return n, uint8(cm.TrafficClass), src, err
		}
	} else {
		p := ipv4.NewPacketConn(r.conn)
		enter, leave = p.JoinGroup, p.LeaveGroup
		// x/net does not report the TOS of a received IPv4 datagram.
		r.read = func(b []byte) (int, uint8, net.Addr, error) {
			n, src, err := r.conn.ReadFrom(b)
			return n, 0, src, err
		}
	}
	if !cfg.Group.IsValid() {
		return nil
	}
	if err := enter(ifi, group); err != nil {
		return fmt.Errorf("join group on interface %d: %w", cfg.Interface, err)
	}
	r.leave = func() error { return leave(ifi, group) }
	return nil
}

// bindUDP binds a socket without any of the reuse options.
func bindUDP(addr string, port uint16, v6 bool) (*net.UDPConn, error) {
	network := "udp4"
	if v6 {
		network = "udp6"
	}
	var lc net.ListenConfig
	c, err := lc.ListenPacket(context.Background(), network, net.JoinHostPort(addr, fmt.Sprint(port)))
	if addressInUse(err) {
		return nil, portError(port)
	}
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*net.UDPConn)
	if !ok {
		_ = c.Close()
		return nil, fmt.Errorf("listening on %s gave a %T", network, c)
	}
	return conn, nil
}

// Workers is the number of sockets, 1.
func (r *Receiver) Workers() int { return 1 }

// Offloads is nothing on this system.
func (r *Receiver) Offloads() Offloads {
	return Offloads{Segments: 1, Reason: "not used on this system"}
}

// Losses returns what was lost until now, as far as this system reports it.
func (r *Receiver) Losses() encap.Losses { return encap.Losses{Unreadable: r.unreadable.Load()} }

// LocalPort is the port that the receiver is bound to.
func (r *Receiver) LocalPort() uint16 {
	a, ok := r.conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return 0
	}
	return a.AddrPort().Port()
}

// ReadBatch reads one datagram, waiting for it. What d points to is valid
// until the next ReadBatch. After Close the error is net.ErrClosed.
func (r *Receiver) ReadBatch(_ int, d []encap.Datagram) (int, error) {
	if len(d) == 0 {
		return 0, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		n, tos, src, err := r.read(r.buf)
		if errors.Is(err, net.ErrClosed) {
			return 0, net.ErrClosed
		}
		if err != nil {
			return 0, fmt.Errorf("underlay: read: %w", err)
		}
		from, ok := src.(*net.UDPAddr)
		if !ok {
			r.unreadable.Add(1)
			continue
		}
		ap := from.AddrPort()
		d[0] = encap.Datagram{Payload: r.buf[:n:n], Src: encap.AddrFrom(ap.Addr()), SrcPort: ap.Port(), TOS: tos}
		return 1, nil
	}
}

// Drain is Close: what arrived and was not read is lost on this system.
func (r *Receiver) Drain() error { return r.Close() }

// Close leaves the group and ends every ReadBatch with net.ErrClosed.
func (r *Receiver) Close() error {
	if r.leave != nil {
		// Closing the socket leaves the group where this does not.
		_ = r.leave()
	}
	if err := r.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("underlay: close: %w", err)
	}
	return nil
}
