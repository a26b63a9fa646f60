package agent

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/uvtep/uvtep/evpn"
)

const (
	maxListeners = 16
	eventQueue   = 4096
	writeWait    = 10 * time.Second
)

// Event is a line of GET /v1/monitor.
type Event struct {
	Time time.Time `json:"time"`
	evpn.Event
	Lost uint64 `json:"lost,omitempty"` // events that were lost, since the reader was too slow
}

// events gives each listener what happens, by a bounded queue of its own.
type events struct {
	mu   sync.Mutex
	open map[*listener]bool
}

type listener struct {
	queue chan evpn.Event
	lost  uint64 // guarded by events.mu
}

// tell is called with the agent's lock held: it waits for nobody.
func (e *events) tell(n evpn.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for l := range e.open {
		select {
		case l.queue <- n:
		default:
			l.lost++
		}
	}
}

func (e *events) listen() *listener {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.open) >= maxListeners {
		return nil
	}
	l := &listener{queue: make(chan evpn.Event, eventQueue)}
	if e.open == nil {
		e.open = map[*listener]bool{}
	}
	e.open[l] = true
	return l
}

func (e *events) leave(l *listener) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.open, l)
}

// takeLost is how many events a listener lost since it was asked last.
func (e *events) takeLost(l *listener) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := l.lost
	l.lost = 0
	return n
}

// monitor answers GET /v1/monitor: a line of JSON for each event, until the reader goes.
func (s *server) monitor(w http.ResponseWriter, r *http.Request) {
	l := s.events.listen()
	if l == nil {
		http.Error(w, "there are too many monitors: end one", http.StatusServiceUnavailable)
		return
	}
	defer s.events.leave(l)
	rc := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	for {
		_ = rc.SetWriteDeadline(time.Now().Add(writeWait)) // without one the next write tells
		if err := rc.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case n := <-l.queue:
			_ = rc.SetWriteDeadline(time.Now().Add(writeWait)) // as above
			if err := out.Encode(Event{time.Now(), n, s.events.takeLost(l)}); err != nil {
				return
			}
		}
	}
}
