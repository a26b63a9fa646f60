package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/conns"
	"github.com/uvtep/uvtep/internal/fault"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
)

const (
	// maxConnections is how many clients are served at once. Where a further one waits,
	// one that lets the daemon wait goes: see internal/conns.
	maxConnections = 256

	maxBody         = 1 << 20 // bytes of a request: a link or an entry takes far less
	maxHeader       = 16 << 10
	headerTimeout   = 5 * time.Second
	readTimeout     = 10 * time.Second
	writeTimeout    = 60 * time.Second
	idleTimeout     = 60 * time.Second
	shutdownTimeout = 2 * time.Second
)

// ServerConfig is what a Server needs. Path, Backend and Netdevs must be set.
type ServerConfig struct {
	Path    string // of the socket
	Backend Backend
	Netdevs Netdevs
	Version string
	// Stats counts the packets that belong to no link; nil: there are none.
	Stats func() forward.Stats
	// Addresses is how many unicast entries all links' FDBs hold, and may, 0 for any
	// number; nil: none.
	Addresses func() (held, limit int)
	// Subscribe listens to events; nil: there are none.
	Subscribe func(vtep.EventSet) (*vtep.Subscription, error)
	// Explain tells what the data path would do with a frame; nil: nobody can.
	Explain func(vtep.Question) (vtep.Explanation, error)
	// Capture begins to take copies of frames; nil: nobody can.
	Capture func(vtep.CaptureConfig) (*vtep.Capture, error)
	// Recent are the latest lines of the log; nil: there are none.
	Recent func() []string
	// ApplyConfig reads the configuration file again; nil: there is none.
	ApplyConfig func(context.Context, api.ConfigApply) (api.ConfigApplied, error)
	// FailedReload is why the file was not applied when it was last read again; nil, and what it returns: it was.
	FailedReload func() *api.FailedReload
	// Page answers GET requests below /web/, whose paths it gets without that; nil: there are none.
	Page http.Handler
	// Changed is called after each request that changed something; nil: nothing is.
	Changed func()
	// HandOver answers a daemon that wants to take over, on its connection, which is closed when it returns; nil: none can. Protocol is
	// what that one has to speak.
	HandOver func(*net.UnixConn)
	Protocol string
	// Listener is the control socket of the daemon before, which is at Path; nil: it is made.
	Listener *os.File
	Log      *slog.Logger // nil: slog.Default
}

// Server answers on a unix socket. Everybody whom the file's mode (0660) lets
// connect may look; changes are for root, the daemon's user and the members of
// the socket's group.
type Server struct {
	config   ServerConfig
	listener *ownSocket
	peers    peerPolicy
}

// Listen takes the socket, which queues requests until Serve is called. A file
// that a dead daemon left is replaced; a daemon that answers is ErrRunning.
func Listen(c ServerConfig) (*Server, error) {
	if c.Stats == nil {
		c.Stats = func() forward.Stats { return forward.Stats{} }
	}
	if c.Addresses == nil {
		c.Addresses = func() (held, limit int) { return 0, 0 }
	}
	if c.Subscribe == nil {
		c.Subscribe = func(vtep.EventSet) (*vtep.Subscription, error) { return nil, api.ErrNoPath }
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	l, err := listenOr(c.Path, c.Listener)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return &Server{config: c, listener: l, peers: newPeerPolicy(l)}, nil
}

// Close gives the socket up where Serve is not called.
func (s *Server) Close() error { return s.listener.Close() }

// Serve answers until ctx ends, then finishes what is being answered, removes
// the socket and returns nil.
func (s *Server) Serve(ctx context.Context) error {
	limited := conns.Limit(s.listener, maxConnections)
	h := &http.Server{
		Handler:           s.handler(),
		ConnContext:       withPeer,
		ConnState:         limited.State,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug),
	}
	g, ctx := errgroup.WithContext(ctx)
	h.BaseContext = func(net.Listener) context.Context { return ctx } // ends streams
	g.Go(func() error {
		if err := h.Serve(limited); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("control: serve %s: %w", s.config.Path, err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := h.Shutdown(last); err != nil {
			return h.Close() // a client that does not read does not keep us
		}
		return nil
	})
	return g.Wait()
}

// routes are the paths that are answered, as docs/openapi.yaml describes them.
func (s *Server) routes() map[string]http.Handler {
	routes := map[string]http.Handler{
		"GET /v1/monitor": http.HandlerFunc(s.monitor), "GET /v1/capture": http.HandlerFunc(s.capture), "GET /v1/fdb": http.HandlerFunc(s.fdb), "POST /v1/handover": http.HandlerFunc(s.handOver),
	}
	for pattern, fn := range map[string]func(*http.Request) (any, error){
		"GET /v1/version":         s.version,
		"GET /v1/stats":           s.stats,
		"GET /v1/links":           s.links,
		"POST /v1/links":          s.addLink,
		"GET /v1/links/{name}":    s.link,
		"PATCH /v1/links/{name}":  s.changeLink,
		"DELETE /v1/links/{name}": s.deleteLink,
		"GET /v1/ports":           s.ports,
		"POST /v1/ports":          s.addPort,
		"GET /v1/ports/{name}":    s.port,
		"PATCH /v1/ports/{name}":  s.changePort,
		"DELETE /v1/ports/{name}": s.deletePort,
		"POST /v1/fdb/{verb}":     s.changeFDB,
		"POST /v1/fdb/flush":      s.flushFDB,
		"POST /v1/sweep":          s.sweep,
		"GET /v1/neigh":           s.neighs,
		"POST /v1/neigh/{verb}":   s.changeNeigh,
		"GET /v1/local":           s.locals,
		"GET /v1/explain":         s.explain,
		"GET /v1/log":             s.log,
		"POST /v1/config/apply":   s.applyConfig,
	} {
		routes[pattern] = s.answer(maxBody, fn)
	}
	routes["POST /v1/fdb/batch"] = s.answer(maxBatchBody, s.fdbBatch)
	routes["POST /v1/neigh/batch"] = s.answer(maxBatchBody, s.neighBatch)
	return routes
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range s.routes() {
		mux.Handle(pattern, h)
	}
	mux.HandleFunc("GET /debug/pprof/{name}", s.profile)
	if s.config.Page != nil {
		mux.Handle("GET /web", http.RedirectHandler("web/", http.StatusSeeOther))
		mux.Handle("/web/", http.StripPrefix("/web", s.config.Page))
	}
	none := s.answer(maxBody, func(*http.Request) (any, error) { return nil, api.ErrNoPath })
	mux.Handle("/", none)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.ofBrowser(r) {
			s.reply(w, r, nil, errBrowser)
			return
		}
		h := http.Handler(mux)
		if r.RequestURI == "*" { // which a ServeMux answers without a body
			h = none
		}
		if fault.Catch(s.config.Log, r.Method+" "+r.URL.Path, func() { h.ServeHTTP(w, r) }) {
			panic(http.ErrAbortHandler) // the answer is cut off, which ends the connection without a word more
		}
	})
}

// answer makes a handler of a function that returns what is to be sent. A request's body may
// have so many bytes.
func (s *Server) answer(body int64, fn func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, body)
		reply, err := any(nil), error(nil)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			err = s.peers.mayWrite(r.Context())
		}
		if err == nil && fault.Catch(s.config.Log, r.Method+" "+r.URL.Path, func() { reply, err = fn(r) }) {
			err = api.ErrFault
		}
		if s.config.Changed != nil && r.Method != http.MethodGet && r.Method != http.MethodHead && err == nil {
			s.config.Changed()
		}
		s.reply(w, r, reply, err)
	})
}

// reply sends v, or err where there is one.
func (s *Server) reply(w http.ResponseWriter, r *http.Request, v any, err error) {
	status := http.StatusOK
	if err != nil {
		v, status = wireError(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.config.Log.Debug("control: answer", "path", r.URL.Path, "error", err)
	}
}

// decode reads a request's body, one JSON value without unknown keys.
func decode(r *http.Request, v any) error {
	defer conns.ReadsBody(r.Context())()
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("more than one value")
	}
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return api.ErrTooLarge
	}
	return api.Invalidf("the request's body: %v", err)
}

func (s *Server) version(*http.Request) (any, error) {
	return api.Version{Version: s.config.Version}, nil
}

// log answers the end of the log, to who may write: it tells more than links and entries.
func (s *Server) log(r *http.Request) (any, error) {
	if err := s.peers.mayWrite(r.Context()); err != nil {
		return nil, err
	}
	l := api.Log{Lines: []string{}}
	if s.config.Recent != nil {
		l.Lines = append(l.Lines, s.config.Recent()...)
	}
	return l, nil
}

func (s *Server) stats(*http.Request) (any, error) {
	stats := s.config.Stats()
	held, limit := s.config.Addresses()
	all := api.Stats{LinkStats: statsOf(&stats), Panics: fault.Caught(), Addresses: held, MaxAddress: limit}
	if s.config.FailedReload != nil {
		all.Reload = s.config.FailedReload()
	}
	return all, nil
}
