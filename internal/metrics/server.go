package metrics

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

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/uvtep/uvtep/internal/conns"
)

// A scrape is one short request. Whoever can reach the port can send one, so
// that each part of it has a limit.
const (
	headerTimeout = 5 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute // more than the usual time between scrapes
	maxHeader     = 16 << 10
	// maxConnections is how many connections are open at a time. For a further one, a
	// connection that makes the daemon wait is closed: see internal/conns.
	maxConnections = 32
	// maxAtOnce is how many scrapes are answered at a time, since each takes memory. A
	// further one waits for at most turnTimeout; meanwhile a scrape whose client does not
	// read is cut off.
	maxAtOnce   = 4
	turnTimeout = 5 * time.Second
	lookEvery   = 20 * time.Millisecond // for a scrape to cut off
)

// Config is what a Server needs.
type Config struct {
	Addr    string               // ADDR:PORT; see CheckAddr
	Source  Source               // nil: there are no counters of a VTEP
	More    prometheus.Collector // nil: none
	Version string
	LogLost func() uint64 // how many lines of the log could not be written; nil: not shown
	Log     *slog.Logger
}

// Server answers GET /metrics and GET /healthz.
type Server struct {
	listener *conns.Listener
	http     *http.Server
	turns    chan struct{} // has an element for each scrape under way
	next     chan struct{} // has an element for the scrape that waits to be the next
}

// CheckAddr reports why text is no ADDR:PORT to listen on; an empty ADDR is
// every address.
func CheckAddr(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err == nil && host == "" {
		text = net.JoinHostPort("0.0.0.0", port)
	}
	if _, err := netip.ParseAddrPort(text); err != nil {
		return fmt.Errorf("metrics %q: write ADDR:PORT such as 127.0.0.1:9472 or [::1]:9472", text)
	}
	return nil
}

// Listen takes the port. Scrapes wait until Serve is called.
func Listen(c Config) (*Server, error) {
	registry := prometheus.NewRegistry()
	if c.Source != nil {
		registry.MustRegister(newCollector(&c))
	}
	if c.More != nil {
		registry.MustRegister(c.More)
	}
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	l, err := net.Listen("tcp", c.Addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("metrics: %s is taken by another process: give another ADDR:PORT with --metrics", c.Addr)
	case err != nil:
		return nil, fmt.Errorf("metrics: %w", err)
	}
	s := &Server{listener: conns.Limit(l, maxConnections), turns: make(chan struct{}, maxAtOnce), next: make(chan struct{}, 1)}
	log := slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.inTurn(promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: log})))
	if c.Source != nil {
		mux.Handle("GET /healthz", s.inTurn(healthz(c.Source, c.Log)))
	}
	s.http = &http.Server{
		Handler:           mux,
		ConnState:         s.listener.State,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// inTurn bounds the scrapes that h answers at a time.
func (s *Server) inTurn(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.turn(r.Context()) {
			http.Error(w, "too many scrapes are under way: try again later", http.StatusServiceUnavailable)
			return
		}
		defer func() { <-s.turns }()
		h.ServeHTTP(w, r)
	})
}

// turn waits until a scrape may begin, in the order in which they came.
func (s *Server) turn(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	select {
	case s.next <- struct{}{}:
		defer func() { <-s.next }()
	case <-ctx.Done():
		return false
	}
	for {
		select {
		case s.turns <- struct{}{}:
			return true
		case <-ctx.Done():
			return false
		case <-time.After(lookEvery):
			s.listener.EvictStuck()
		}
	}
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Serve answers until ctx ends, then returns nil. A nil Server has nothing to
// answer and returns at once.
func (s *Server) Serve(ctx context.Context) error {
	if s == nil {
		return nil
	}
	// Serve does not wait for scrapes under way.
	stop := context.AfterFunc(ctx, func() { _ = s.http.Close() })
	defer stop()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: serve %s: %w", s.Addr(), err)
	}
	return nil
}
