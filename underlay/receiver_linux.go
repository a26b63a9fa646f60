package underlay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// Receiver reads what arrives at one UDP port. Each worker has a socket and
// buffers of its own; different workers may read at the same time.
type Receiver struct {
	readers []*reader
	aside   atomic.Pointer[reader] // see OpenAside; nil: there is none
	cfg     ReceiverConfig         // as it was opened with
	ifindex int
	leave   func() error // leaves the group; nil without one
	port    uint16
	gro     offloadState

	inherited bool // the sockets are another receiver's of before, see Arm

	lossMu   sync.Mutex // innermost
	overflow uint64     // see Losses
}

// offloadState is whether UDP_GRO is on, and if not, why.
type offloadState struct {
	on      bool
	refused bool // by the kernel
	reason  string
}

// Listen opens a receiver. Where the port is held by somebody else, the error
// wraps [ErrPortInUse].
//
// The first socket is bound without SO_REUSEADDR and SO_REUSEPORT (but see
// ReceiverConfig.Beside), since with them it would share the port with another
// VTEP, or take it away. Only then SO_REUSEPORT opens it to the further
// workers.
func Listen(cfg ReceiverConfig) (*Receiver, error) {
	r, err := listen(cfg)
	if err != nil {
		where := cfg.Local
		if cfg.Group.IsValid() {
			where = cfg.Group
		}
		return nil, fmt.Errorf("underlay: listen on %s: %w", endpoint(where, cfg.V6, cfg.Port), err)
	}
	return r, nil
}

// endpoint is how messages name an address that may be the wildcard.
func endpoint(a netip.Addr, v6 bool, port uint16) string {
	if !a.IsValid() {
		a, _ = localAddr(a, v6)
	}
	return netip.AddrPortFrom(a, port).String()
}

func listen(cfg ReceiverConfig) (_ *Receiver, err error) {
	if cfg, err = cfg.normalised(); err != nil {
		return nil, err
	}
	ifindex, err := scope(cfg.bindAddr(), cfg.Device, cfg.Interface)
	if err != nil {
		return nil, err
	}
	r := &Receiver{port: cfg.Port, cfg: cfg, ifindex: ifindex}
	defer func() {
		if err != nil {
			_ = r.Close()
		}
	}()
	for _, other := range cfg.Beside {
		if err := other.allowBeside(true); err != nil {
			return nil, err
		}
		defer func() { _ = other.allowBeside(false) }()
	}
	if len(cfg.Inherited) > 0 {
		if err := r.inherit(&cfg, ifindex); err != nil {
			return nil, err
		}
		cfg.Workers = 0
	}
	for range cfg.Workers {
		conn, err := r.openSocket(&cfg, ifindex)
		if err != nil {
			return nil, err
		}
		rd, err := newReader(conn, &cfg)
		if err != nil {
			_ = conn.Close()
			return nil, err
		}
		r.readers = append(r.readers, rd)
	}
	if cfg.Group.IsValid() {
		r.leave, err = join(r.readers[0].conn, cfg.Group, cfg.Interface)
	}
	return r, err
}

// openSocket makes the next worker's socket.
func (r *Receiver) openSocket(cfg *ReceiverConfig, ifindex int) (*net.UDPConn, error) {
	fd, err := newSocket(cfg.V6, cfg.Device)
	if err != nil {
		return nil, err
	}
	// packetConn keeps a descriptor of its own.
	defer unix.Close(fd)
	if err := receiveOptions(fd, cfg); err != nil {
		return nil, err
	}
	r.gro = receiveOffload(fd, cfg)
	if err := cfg.Filter.attach(fd); err != nil { // before bind: nothing comes past it
		return nil, err
	}
	if len(r.readers) > 0 {
		if err := setOptions(fd, shared); err != nil {
			return nil, err
		}
	}
	if len(cfg.Beside) > 0 {
		if err := setOptions(fd, option{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1, "SO_REUSEADDR"}); err != nil {
			return nil, err
		}
	}
	if err := bind(fd, cfg.bindAddr(), r.port, ifindex); err != nil {
		return nil, err
	}
	if err := setOptions(fd, option{unix.SOL_SOCKET, unix.SO_REUSEADDR, 0, "SO_REUSEADDR"}); err != nil {
		return nil, err
	}
	if cfg.Workers > 1 {
		if err := setOptions(fd, shared); err != nil {
			return nil, err
		}
	}
	if r.port, err = boundPort(fd); err != nil {
		return nil, err
	}
	return packetConn(fd)
}

// shared lets sockets of this user have the port, too.
var shared = option{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1, "SO_REUSEPORT"} //nolint:gochecknoglobals // never written

// receiveOptions: IP_MULTICAST_ALL 0 keeps groups away that other sockets of
// the host joined, IP_PKTINFO reports the device that a datagram arrived by (ip(7)).
func receiveOptions(fd int, cfg *ReceiverConfig) error {
	opts := []option{
		{unix.IPPROTO_IP, unix.IP_RECVTOS, 1, "IP_RECVTOS"},
		ttlOption(cfg),
		{unix.IPPROTO_IP, unix.IP_PKTINFO, 1, "IP_PKTINFO"},
		{unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0, "IP_MULTICAST_ALL"},
	}
	if cfg.V6 {
		opts = []option{
			{unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1, "IPV6_RECVTCLASS"},
			ttlOption(cfg),
			{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO"},
			{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0, "IPV6_MULTICAST_ALL"},
		}
		if cfg.ZeroChecksum6 {
			opts = append(opts, option{unix.IPPROTO_UDP, unix.UDP_NO_CHECK6_RX, 1, "UDP_NO_CHECK6_RX"})
		}
	}
	if err := setOptions(fd, opts...); err != nil {
		return err
	}
	return bufferOption(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, cfg.Buffer, "SO_RCVBUF")
}

// receiveOffload asks for joined datagrams. Kernels before 5.0 have none.
func receiveOffload(fd int, cfg *ReceiverConfig) offloadState {
	if cfg.NoGRO {
		return offloadState{reason: "switched off"}
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1); err != nil {
		return offloadState{refused: true, reason: fmt.Sprintf("the kernel refused UDP_GRO: %v", err)}
	}
	return offloadState{on: true}
}

// Offloads is what is in use.
func (r *Receiver) Offloads() Offloads {
	return Offloads{Segments: 1, GRO: r.gro.on, Refused: r.gro.refused, Reason: r.gro.reason}
}

// join joins group and returns what leaves it.
func join(conn *net.UDPConn, group netip.Addr, ifindex int) (func() error, error) {
	// Only the index is used, so an interface need not be looked up by name.
	ifi := &net.Interface{Index: ifindex}
	if ifindex == 0 {
		ifi = nil
	}
	addr := &net.UDPAddr{IP: group.WithZone("").AsSlice()}
	var enter, leave func(*net.Interface, net.Addr) error
	if group.Is4() {
		p := ipv4.NewPacketConn(conn)
		enter, leave = p.JoinGroup, p.LeaveGroup
	} else {
		p := ipv6.NewPacketConn(conn)
		enter, leave = p.JoinGroup, p.LeaveGroup
	}
	if err := enter(ifi, addr); err != nil && !errors.Is(err, unix.EADDRINUSE) { // an inherited socket is a member
		return nil, fmt.Errorf("join group on interface %d: %w", ifindex, err)
	}
	return func() error { return leave(ifi, addr) }, nil
}

// allowBeside lets sockets with SO_REUSEADDR bind beside r's, or no longer: the
// kernel looks at it in bind alone (udp_lib_lport_inuse in net/ipv4/udp.c).
func (r *Receiver) allowBeside(on bool) error {
	value := 0
	if on {
		value = 1
	}
	var errs error
	r.each(func(rd *reader) {
		var err error
		cerr := rd.raw.Control(func(fd uintptr) {
			err = setOptions(int(fd), option{unix.SOL_SOCKET, unix.SO_REUSEADDR, value, "SO_REUSEADDR"})
		})
		if cerr == nil { // else it is closed, and holds the port no longer
			errs = errors.Join(errs, err)
		}
	})
	return errs
}

// Workers is the number of sockets; ReadBatch takes 0 to Workers()-1.
func (r *Receiver) Workers() int { return len(r.readers) }

// LocalPort is the port that the receiver is bound to.
func (r *Receiver) LocalPort() uint16 { return r.port }

// Drain leaves the group and has every ReadBatch return what has arrived and then net.ErrClosed; Close
// throws it away. From Drain on nothing more arrives, but at another socket of the
// port, where there is one.
func (r *Receiver) Drain() error {
	errs := []error{r.leaveGroup()}
	r.each(func(rd *reader) {
		// Where it is refused, as to a group's socket, more arrives until Close.
		_ = rd.raw.Control(deafen)
	})
	r.each(func(rd *reader) {
		rd.closed.Store(true)
		rd.draining.Store(true)
		// Who waits for more is woken; reading goes on past the deadline.
		if err := rd.conn.SetReadDeadline(time.Unix(1, 0)); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	})
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("underlay: drain: %w", err)
	}
	return nil
}

// deafen connects a socket to the discard service (RFC 863) of its own address,
// which sends nothing: from then on the kernel finds it for no packet
// (compute_score in net/ipv4/udp.c).
func deafen(fd uintptr) {
	own, err := unix.Getsockname(int(fd))
	if err != nil {
		return
	}
	const discard = 9
	switch a := own.(type) {
	case *unix.SockaddrInet4:
		if a.Port = discard; a.Addr == [4]byte{} {
			a.Addr = [4]byte{127, 0, 0, 1}
		}
	case *unix.SockaddrInet6:
		if a.Port = discard; a.Addr == [16]byte{} {
			a.Addr = [16]byte{15: 1}
		}
	}
	_ = unix.Connect(int(fd), own)
}

// leaveGroup leaves the group, if there is one and it was not left yet.
func (r *Receiver) leaveGroup() error {
	if r.leave == nil || len(r.readers) == 0 {
		return nil
	}
	// An interface that is gone took the membership with it.
	if err := r.leave(); err != nil && !isGone(err) {
		return err
	}
	return nil
}

// Close leaves the group and ends every ReadBatch with net.ErrClosed.
func (r *Receiver) Close() error {
	errs := []error{r.leaveGroup()}
	r.each(func(rd *reader) {
		rd.closed.Store(true)
		if err := rd.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	})
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("underlay: close: %w", err)
	}
	return nil
}

func isGone(err error) bool {
	return errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed)
}
