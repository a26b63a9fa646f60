package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/uvtep/uvtep/bgp"
	"github.com/uvtep/uvtep/evpn"
	"github.com/uvtep/uvtep/internal/conns"
)

// DefaultSocket is where an agent answers unless its file says otherwise.
const DefaultSocket = "/run/uvtep-evpn/evpn.sock"

const (
	maxConnections = 32
	headerTimeout  = 5 * time.Second
	writeTimeout   = time.Minute
	maxHeader      = 16 << 10
	maxBody        = 4 << 10
)

// server answers what `uvtep evpn show` asks, on a unix socket that its user and group may use.
type server struct {
	path     string
	listener *conns.Listener
	http     *http.Server
	agent    *evpn.Agent
	speaker  *bgp.Speaker
	events   *events
}

// listen takes the socket. One that a dead agent left is replaced.
func listen(path string, r *running, log *slog.Logger) (*server, error) {
	if c, err := net.Dial("unix", path); err == nil {
		return nil, errors.Join(fmt.Errorf("an agent answers on %s already: stop it, or give this one another socket", path), c.Close())
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("socket %s is a dead agent's, and cannot be removed: %w", path, err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("socket %s: %w: say socket: PATH in the agent's file, where its user may write", path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w: say socket: PATH in the agent's file, where its user may write", path, err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(fmt.Errorf("socket %s: %w", path, err), l.Close())
	}
	s := &server{path: path, listener: conns.Limit(l, maxConnections), agent: r.agent, speaker: r.speaker, events: r.events}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/{what}", s.show)
	mux.HandleFunc("GET /v1/monitor", s.monitor)
	mux.HandleFunc("POST /v1/clear", s.clear)
	s.http = &http.Server{Handler: mux, ConnState: s.listener.State, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: writeTimeout, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	return s, nil
}

// serve answers until ctx ends.
func (s *server) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.http.Close() })
	defer stop()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("socket %s: %w", s.path, err)
	}
	return nil
}

// show answers GET /v1/WHAT.
func (s *server) show(w http.ResponseWriter, r *http.Request) {
	link := r.URL.Query().Get("link")
	var reply any
	switch r.PathValue("what") {
	case "neighbor":
		reply = s.neighbours()
	case "vni":
		reply = s.agent.VNIs(link)
	case "mac":
		reply = s.agent.MACs(link)
	case "neigh":
		reply = s.agent.Addrs(link)
	case "duplicate":
		reply = s.agent.Duplicates()
	case "route":
		typ, _ := strconv.ParseUint(r.URL.Query().Get("type"), 10, 8) // 0: all
		reply = s.agent.Routes(bgp.RouteType(typ))
	default:
		http.Error(w, "there is neighbor, vni, mac, neigh, route and duplicate", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(reply) // who went away hears nothing
}

// Clear is what POST /v1/clear takes: a link's duplicates, or one of them, or the session of a
// neighbour.
type Clear struct {
	Link     string     `json:"link,omitempty"`
	MAC      string     `json:"mac,omitempty"`
	Neighbor netip.Addr `json:"neighbor,omitzero"`
}

// Cleared says how many duplicates were released.
type Cleared struct {
	Duplicates int `json:"duplicates"`
}

func (s *server) clear(w http.ResponseWriter, r *http.Request) {
	var c Clear
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n, err := s.clearing(&c)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	_ = json.NewEncoder(w).Encode(Cleared{n}) // who went away hears nothing
}

func (s *server) clearing(c *Clear) (int, error) {
	if c.Neighbor.IsValid() {
		return 0, s.speaker.Reset(c.Neighbor)
	}
	if c.MAC == "" {
		return s.agent.ClearDuplicates(c.Link, nil)
	}
	m, ok := macOf(c.MAC)
	if !ok {
		return 0, fmt.Errorf("%q is no MAC address", c.MAC)
	}
	return s.agent.ClearDuplicates(c.Link, &m)
}

// Neighbor is a neighbour, for people, with FRR's keys.
type Neighbor struct {
	Address      netip.Addr        `json:"neighbor"`
	RemoteAS     uint32            `json:"remoteAs"`
	State        string            `json:"state"`
	Since        int64             `json:"peerUptime"` // seconds in the state
	RouterID     netip.Addr        `json:"remoteRouterId,omitzero"`
	MsgRcvd      uint64            `json:"msgRcvd"`
	MsgSent      uint64            `json:"msgSent"`
	Routes       int               `json:"pfxRcd"`
	Announced    int               `json:"pfxSnt"`
	EndOfRIB     bool              `json:"endOfRib"`
	Stale        bool              `json:"stale,omitempty"`
	LastError    string            `json:"lastError,omitempty"`
	Capabilities []string          `json:"capabilities,omitempty"`
	NotUsed      map[string]uint64 `json:"notUsed"` // routes that were not used when they came, by reason
	Dropped      map[string]uint64 `json:"dropped"` // what of its UPDATEs was not taken, by reason
}

func (s *server) neighbours() []Neighbor {
	refused := map[netip.Addr]map[string]uint64{}
	for _, n := range s.agent.Neighbours() {
		refused[n.Address] = map[string]uint64{}
		for why, count := range n.Refused {
			if count > 0 {
				refused[n.Address][why.String()] = count
			}
		}
	}
	all := []Neighbor{}
	for _, n := range s.speaker.Neighbours() {
		v := Neighbor{Address: n.Address, RemoteAS: n.RemoteAS, State: string(n.State), RouterID: n.RouterID,
			MsgRcvd: n.Counters.MessagesIn, MsgSent: n.Counters.MessagesOut, Routes: n.Routes, Announced: n.Announced,
			EndOfRIB: n.EndOfRIB, Stale: n.Stale, LastError: n.LastError, Capabilities: n.Capabilities,
			NotUsed: refused[n.Address], Dropped: map[string]uint64{}}
		if !n.Since.IsZero() {
			v.Since = int64(time.Since(n.Since).Seconds())
		}
		for why, count := range n.Counters.Drops {
			v.Dropped[string(why)] = count
		}
		all = append(all, v)
	}
	return all
}
