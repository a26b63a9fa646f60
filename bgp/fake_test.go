package bgp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"
)

// fakeNetwork joins speakers and scripted peers in memory.
type fakeNetwork struct {
	mu        sync.Mutex
	listeners map[netip.AddrPort]*fakeListener
	dials     int
	// room is how many bytes a direction holds, as a socket's buffers do.
	room int
}

func newFakeNetwork() *fakeNetwork {
	return &fakeNetwork{listeners: map[netip.AddrPort]*fakeListener{}, room: 64 << 10}
}

func (f *fakeNetwork) Dial(_ context.Context, n *NeighbourConfig) (net.Conn, error) {
	f.mu.Lock()
	f.dials++
	f.mu.Unlock()
	return f.connect(n.Source, netip.AddrPortFrom(n.Address, n.Port))
}

// connect connects from an address to a listener.
func (f *fakeNetwork) connect(from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.listeners[to]
	if l == nil {
		return nil, errors.New("connection refused")
	}
	here, there := &fakeStream{room: f.room}, &fakeStream{room: f.room}
	here.cond.L, there.cond.L = &here.mu, &there.mu
	src := net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 40000))
	dst := net.TCPAddrFromAddrPort(to)
	select {
	case l.conns <- &fakeConn{in: there, out: here, local: dst, remote: src}:
		return &fakeConn{in: here, out: there, local: src, remote: dst}, nil
	default:
		return nil, errors.New("backlog full")
	}
}

func (f *fakeNetwork) Listen(_ context.Context, at netip.AddrPort, _ string) (Listener, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := &fakeListener{network: f, at: at, conns: make(chan net.Conn, 64), closed: make(chan struct{})}
	f.listeners[at] = l
	return l, nil
}

type fakeListener struct {
	network *fakeNetwork
	at      netip.AddrPort
	conns   chan net.Conn
	closed  chan struct{}
}

func (l *fakeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *fakeListener) Close() error {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	if l.network.listeners[l.at] == l {
		delete(l.network.listeners, l.at)
		close(l.closed)
	}
	return nil
}

func (l *fakeListener) Addr() net.Addr                         { return net.TCPAddrFromAddrPort(l.at) }
func (l *fakeListener) Expect(*NeighbourConfig) error          { return nil }
func (l *fakeListener) Admit(net.Conn, *NeighbourConfig) error { return nil }

// fakeStream is one direction of a connection.
type fakeStream struct {
	mu     sync.Mutex
	cond   sync.Cond
	data   []byte
	room   int
	closed bool
	// read and write are the deadlines.
	read, write time.Time
}

// wait waits for ok, until the deadline, which may change meanwhile.
func (s *fakeStream) wait(deadline *time.Time, ok func() bool) error {
	for !ok() {
		var timer *time.Timer
		if !deadline.IsZero() {
			d := time.Until(*deadline)
			if d <= 0 {
				return os.ErrDeadlineExceeded
			}
			timer = time.AfterFunc(d, s.cond.Broadcast)
		}
		s.cond.Wait()
		if timer != nil {
			timer.Stop()
		}
	}
	return nil
}

type fakeConn struct {
	in, out       *fakeStream
	local, remote net.Addr
}

func (c *fakeConn) Read(b []byte) (int, error) {
	s := c.in
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.wait(&s.read, func() bool { return len(s.data) > 0 || s.closed }); err != nil {
		return 0, err
	}
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.data)
	s.data = s.data[n:]
	s.cond.Broadcast()
	return n, nil
}

func (c *fakeConn) Write(b []byte) (n int, err error) {
	s := c.out
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(b) > 0 {
		if err := s.wait(&s.write, func() bool { return len(s.data) < s.room || s.closed }); err != nil {
			return n, err
		}
		if s.closed {
			return n, io.ErrClosedPipe
		}
		m := min(len(b), s.room-len(s.data))
		s.data = append(s.data, b[:m]...)
		b, n = b[m:], n+m
		s.cond.Broadcast()
	}
	return n, nil
}

func (c *fakeConn) Close() error {
	for _, s := range []*fakeStream{c.in, c.out} {
		s.mu.Lock()
		s.closed = true
		s.cond.Broadcast()
		s.mu.Unlock()
	}
	return nil
}

func (c *fakeConn) SetReadDeadline(t time.Time) error {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.read = t
	c.in.cond.Broadcast()
	return nil
}

func (c *fakeConn) SetWriteDeadline(t time.Time) error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.write = t
	c.out.cond.Broadcast()
	return nil
}

func (c *fakeConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *fakeConn) LocalAddr() net.Addr  { return c.local }
func (c *fakeConn) RemoteAddr() net.Addr { return c.remote }

// lines is a log that counts.
type lines struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(b)
}

func (l *lines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.Bytes(), []byte("\n"))
}

// node is a speaker of a test.
type node struct {
	*Speaker
	heard *heard
	lines *lines
	end   context.CancelFunc
	ended chan error
}

// start runs a speaker at an address, which is its router id, too; its port is 179.
func (f *fakeNetwork) start(t *testing.T, address netip.Addr, c Config, neighbours ...NeighbourConfig) *node {
	t.Helper()
	n := &node{heard: &heard{}, lines: &lines{}, ended: make(chan error, 1)}
	if !c.RouterID.IsValid() {
		c.RouterID = address
	}
	c.Handler, c.Network, c.Listen = n.heard, f, []netip.AddrPort{netip.AddrPortFrom(address, 179)}
	c.Log = slog.New(slog.NewTextHandler(n.lines, nil))
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	n.Speaker = s
	for _, c := range neighbours {
		c.Source = address
		if err := s.AddNeighbour(c); err != nil {
			t.Fatal(err)
		}
	}
	ctx, end := context.WithCancel(t.Context())
	n.end = end
	go func() { n.ended <- s.Run(ctx) }()
	return n
}

// stop ends the speaker and waits for it.
func (n *node) stop(t *testing.T) {
	t.Helper()
	n.end()
	if err := <-n.ended; err != nil {
		t.Error(err)
	}
}

// only is the state of the only neighbour.
func (n *node) only() NeighbourState { return n.Neighbours()[0] }

// peer is a scripted neighbour.
type peer struct {
	t    *testing.T
	conn net.Conn
	in   *reader
}

// stub is where a scripted peer listens.
type stub struct{ *fakeListener }

func (f *fakeNetwork) stub(at netip.Addr) stub {
	l, _ := f.Listen(context.Background(), netip.AddrPortFrom(at, 179), "")
	return stub{l.(*fakeListener)}
}

// accept takes the speaker's next connection.
func (s stub) accept(t *testing.T) *peer {
	c, err := s.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return &peer{t, c, newReader(c)}
}

// next returns the next message that is no KEEPALIVE: 0 is the end of the connection.
func (p *peer) next() (byte, []byte) {
	for {
		typ, body, err := p.in.next()
		if err != nil {
			return 0, nil
		}
		if typ != typeKeepalive {
			return typ, bytes.Clone(body)
		}
	}
}

func (p *peer) send(b ...[]byte) {
	for _, b := range b {
		if _, err := p.conn.Write(b); err != nil {
			p.t.Errorf("peer: %v", err)
		}
	}
}

// open makes a session.
func (p *peer) open(o Open) {
	p.t.Helper()
	if typ, _ := p.next(); typ != typeOpen {
		p.t.Fatalf("the speaker begins with message %d", typ)
	}
	p.send(AppendOpen(nil, &o), AppendKeepalive(nil))
}

// notification returns the NOTIFICATION that ends the connection, after messages of other
// types; nil where none does.
func (p *peer) notification() *Notification {
	for {
		switch typ, body := p.next(); typ {
		case 0:
			return nil
		case typeNotification:
			return ParseNotification(body)
		}
	}
}

// discard reads what the speaker sends until the connection ends.
func (p *peer) discard() { io.Copy(io.Discard, p.conn) } //nolint:errcheck // it ends in an error
