package underlay

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/lend"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// errorQueueBuffer bounds, in bytes, the ICMP errors that wait at a socket of
// the pool; its receive buffer holds nothing else.
const errorQueueBuffer = 32 << 10

// ipv6FlowInfoSend is IPV6_FLOWINFO_SEND of include/uapi/linux/in6.h: a flow
// label in the destination's address is sent, where it is not 0.
const ipv6FlowInfoSend = 33

// Transmitter sends packets from a pool of source ports. All its methods may
// be called concurrently.
type Transmitter struct {
	v6      bool
	sockets []poolSocket
	mtus    pathMTUTable
	icmp    icmpTable
	closed  atomic.Bool

	segments segmentation

	senders lend.List[sender]
}

// poolSocket is a socket bound to one source port. It is a blocking os.File,
// which the runtime keeps out of its poller, on purpose: a poller that watches
// a sending socket is woken each time the device frees a packet. Sends do not
// wait (MSG_DONTWAIT), and RawConn.Control keeps the descriptor from being
// closed under them without serialising them.
type poolSocket struct {
	file *os.File
	raw  syscall.RawConn
	port uint16
	fd   int32 // for poll(2) alone, which does no harm to what has its number after Close

	undisturbed sync.Mutex // who sends without RECVERR; innermost
}

// OpenTransmitter opens the pool. Source ports that somebody else holds are
// passed over; where none is left the error wraps [ErrPortInUse].
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
	ifindex, err := scope(cfg.Local, cfg.Device, 0)
	if err != nil {
		return nil, err
	}
	t := &Transmitter{v6: cfg.V6}
	t.sockets, err = openPool(&cfg, func(port uint16) (poolSocket, error) { return openPoolSocket(&cfg, port, ifindex) })
	if err != nil {
		_ = t.Close()
		return nil, err
	}
	err = t.sockets[0].raw.Control(func(fd uintptr) { t.segments.probe(&cfg, fd) })
	if err != nil {
		_ = t.Close()
		return nil, err
	}
	return t, nil
}

func openPoolSocket(cfg *TransmitterConfig, port uint16, ifindex int) (poolSocket, error) {
	fd, err := newSocket(cfg.V6, cfg.Device)
	if err != nil {
		return poolSocket{}, err
	}
	f := os.NewFile(uintptr(fd), "udp")
	err = discardAll(fd)
	if err == nil {
		err = bind(fd, cfg.Local, port, ifindex)
	}
	if err == nil && cfg.Local.Is6() && cfg.Local.IsLinkLocalUnicast() {
		err = unbindDevice(fd, cfg.Device)
	}
	if err == nil {
		err = sendOptions(fd, cfg)
	}
	if err == nil && (cfg.MulticastInterface != 0 || !cfg.MulticastLoop) {
		err = multicastOptions(fd, cfg)
	}
	if err != nil {
		_ = f.Close()
		return poolSocket{}, err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		_ = f.Close()
		return poolSocket{}, err
	}
	return poolSocket{file: f, raw: raw, port: port, fd: int32(fd)}, nil
}

// discardAll drops what arrives at the source port before it is queued, by a
// classic BPF program that returns 0 (socket(7), SO_ATTACH_FILTER).
func discardAll(fd int) error {
	filter := [1]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &filter[0]})
	return os.NewSyscallError("setsockopt", err)
}

// sendOptions: IP_RECVERR makes the kernel say why and at which size a packet
// was too big (ip(7)).
func sendOptions(fd int, cfg *TransmitterConfig) error {
	level, recverr := recvErr(cfg.V6)
	discover := unix.IP_MTU_DISCOVER
	mode := unix.IP_PMTUDISC_DO
	if cfg.DF == DFUnset {
		mode = unix.IP_PMTUDISC_DONT
	}
	noCheck := option{unix.SOL_SOCKET, unix.SO_NO_CHECK, 1, "SO_NO_CHECK"}
	if cfg.V6 { // the IPV6_PMTUDISC values are those of IPv4
		discover = unix.IPV6_MTU_DISCOVER
		noCheck = option{unix.IPPROTO_UDP, unix.UDP_NO_CHECK6_TX, 1, "UDP_NO_CHECK6_TX"}
	}
	opts := []option{
		{level, discover, mode, "MTU_DISCOVER"},
		{level, recverr, 1, "RECVERR"},
		{unix.SOL_SOCKET, unix.SO_RCVBUF, errorQueueBuffer, "SO_RCVBUF"},
		noCheck,
	}
	if !cfg.NoChecksum {
		opts = opts[:len(opts)-1]
	}
	if cfg.V6 {
		opts = append(opts, option{unix.IPPROTO_IPV6, ipv6FlowInfoSend, 1, "IPV6_FLOWINFO_SEND"})
	}
	if err := setOptions(fd, opts...); err != nil {
		return err
	}
	return bufferOption(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, cfg.Buffer, "SO_SNDBUF")
}

// recvErr is the option by which the kernel reports ICMP errors to a socket.
func recvErr(v6 bool) (level, name int) {
	if v6 {
		return unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	return unix.IPPROTO_IP, unix.IP_RECVERR
}

// multicastOptions changes the kernel's defaults: the route's interface, loop
// on. TTL and hop limit of multicast are 1 without being asked for
// (conformance L08; ip(7), RFC 3493 section 5.2).
func multicastOptions(fd int, cfg *TransmitterConfig) error {
	conn, err := packetConn(fd)
	if err != nil {
		return err
	}
	defer conn.Close()
	var p interface {
		SetMulticastInterface(*net.Interface) error
		SetMulticastLoopback(bool) error
	} = ipv4.NewPacketConn(conn)
	if cfg.V6 {
		p = ipv6.NewPacketConn(conn)
	}
	if err := p.SetMulticastLoopback(cfg.MulticastLoop); err != nil {
		return fmt.Errorf("multicast loop: %w", err)
	}
	if cfg.MulticastInterface == 0 {
		return nil
	}
	// Only the index is used, so the interface need not be looked up by name.
	if err := p.SetMulticastInterface(&net.Interface{Index: cfg.MulticastInterface}); err != nil {
		return fmt.Errorf("multicast interface %d: %w", cfg.MulticastInterface, err)
	}
	return nil
}

// Ports are the source ports in use. A hash h sends from
// Ports()[h*len(Ports())>>32].
func (t *Transmitter) Ports() []uint16 {
	ports := make([]uint16, len(t.sockets))
	for i := range t.sockets {
		ports[i] = t.sockets[i].port
	}
	return ports
}

// PathMTU is the size of the IP packets that reach dst, as the kernel said
// when it last refused one as too big (SendTooBig), at most ten minutes ago.
// Where nothing is known ask [RouteTo].
func (t *Transmitter) PathMTU(dst encap.Addr) (mtu int, ok bool) {
	return t.mtus.lookup(dst, time.Now())
}

// Close closes the pool; a WriteBatch that is under way or comes later returns
// net.ErrClosed.
func (t *Transmitter) Close() error {
	if t.closed.Swap(true) {
		return nil
	}
	var errs []error
	for i := range t.sockets {
		if err := t.sockets[i].file.Close(); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("underlay: close: %w", err)
	}
	return nil
}
