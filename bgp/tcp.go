package bgp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// tcpNetwork is TCP of this host.
type tcpNetwork struct{}

// dialTimeout is how long an attempt to connect may take.
const dialTimeout = 20 * time.Second

// Dial connects to the neighbour with its socket options.
func (tcpNetwork) Dial(ctx context.Context, n *NeighbourConfig) (net.Conn, error) {
	d := net.Dialer{
		Timeout: dialTimeout,
		Control: func(_, _ string, c syscall.RawConn) error { return dialOptions(c, n) },
	}
	if n.Source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(n.Source, 0))
	}
	return d.DialContext(ctx, "tcp", netip.AddrPortFrom(n.Address, n.Port).String())
}

// Listen listens at an address.
func (tcpNetwork) Listen(ctx context.Context, at netip.AddrPort, device string) (Listener, error) {
	network := "tcp4"
	if at.Addr().Is6() {
		network = "tcp6"
	}
	c := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return listenOptions(c, device, at.Addr().Is4()) }}
	l, err := c.Listen(ctx, network, at.String())
	if err != nil {
		return nil, err
	}
	return &tcpListener{TCPListener: l.(*net.TCPListener), v4: at.Addr().Is4()}, nil
}

type tcpListener struct {
	*net.TCPListener
	v4 bool
}

// Expect sets the password of the neighbour's connections.
func (l *tcpListener) Expect(n *NeighbourConfig) error {
	if l.v4 != n.Address.Is4() {
		return nil
	}
	c, err := l.SyscallConn()
	if err != nil {
		return err
	}
	return setPassword(c, n)
}

// Admit sets how far away the neighbour of a connection may be.
func (l *tcpListener) Admit(c net.Conn, n *NeighbourConfig) error {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("bgp: a connection of %T", c)
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return err
	}
	return setDistance(raw, n)
}
