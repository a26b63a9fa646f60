package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/uvtep/uvtep/internal/conns"
)

// OnControl as an address: the page is on the control socket alone, below /web/.
const OnControl = "control"

// Whoever reaches the port can ask, so that each part of a request has a limit.
const (
	headerTimeout  = 5 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 30 * time.Second
	maxHeader      = 16 << 10
	maxConnections = 32 // at a time; for a further one, a connection that makes the daemon wait is closed: see internal/conns
)

// CheckAddr reports why text is no ADDR:PORT to listen on, and not OnControl either. An empty
// ADDR is every address.
func CheckAddr(text string) error {
	if text == OnControl {
		return nil
	}
	host, port, err := net.SplitHostPort(text)
	if err == nil && host == "" {
		text = net.JoinHostPort("0.0.0.0", port)
	}
	if at, err := netip.ParseAddrPort(text); err != nil || at.Port() == 0 {
		return fmt.Errorf("web %q: write ADDR:PORT such as 127.0.0.1:9473, or control", text)
	}
	return nil
}

// Server answers a Page's requests on a port.
type Server struct {
	listener *conns.Listener
	http     *http.Server
}

// Listen takes the port. Requests wait until Serve is called. An address that others reach is told
// in the log.
func Listen(addr string, page *Page, log *slog.Logger) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("web: %s is taken by another process: give another ADDR:PORT with --web", addr)
	case err != nil:
		return nil, fmt.Errorf("web: %w: give an ADDR:PORT of this host with --web", err)
	}
	if at, ok := l.Addr().(*net.TCPAddr); ok && !at.IP.IsLoopback() {
		log.Warn("whoever reaches the status page reads links, remotes and MAC addresses: have a firewall keep others out, or listen on 127.0.0.1 and forward the port with ssh -L", "web", l.Addr().String())
	}
	s := &Server{listener: conns.Limit(l, maxConnections)}
	s.http = &http.Server{
		Handler:           page,
		ConnState:         s.listener.State,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close gives the port up where Serve is not called.
func (s *Server) Close() error {
	if s == nil {
		return nil
	}
	return s.listener.Close()
}

// Serve answers until ctx ends, then returns nil. A nil Server has nothing to answer and returns at
// once.
func (s *Server) Serve(ctx context.Context) error {
	if s == nil {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = s.http.Close() })
	defer stop()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("web: serve %s: %w", s.Addr(), err)
	}
	return nil
}
