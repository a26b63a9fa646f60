package bgp

import (
	"net/netip"
	"sync"
)

// heard is a Handler that keeps what it gets.
type heard struct {
	mu     sync.Mutex
	routes map[netip.Addr]map[Key]*Attributes
	events []Event
	// strange counts withdraws of what was not announced.
	strange int
	// hold, where it is set, is waited for in each update.
	hold chan struct{}
}

func (h *heard) HandleUpdate(n netip.Addr, u *Update) {
	if h.hold != nil {
		<-h.hold
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	of := h.routes[n]
	if of == nil {
		of = map[Key]*Attributes{}
		if h.routes == nil {
			h.routes = map[netip.Addr]map[Key]*Attributes{}
		}
		h.routes[n] = of
	}
	for _, r := range u.Withdrawn {
		if _, ok := of[r.Key()]; !ok {
			h.strange++
		}
		delete(of, r.Key())
	}
	for _, r := range u.Announced {
		of[r.Key()] = u.Attributes
	}
}

func (h *heard) HandleEvent(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

// kinds are the events since the last call.
func (h *heard) kinds() (k []EventKind) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		k = append(k, e.Kind)
	}
	h.events = nil
	return k
}

// restart reports whether the neighbour of the last session is said to support graceful restart.
func (h *heard) restart() (yes bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e.Kind == NeighbourUp {
			yes = e.Restart
		}
	}
	return yes
}

func (h *heard) count(n netip.Addr) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.routes[n])
}

func (h *heard) attributes(n netip.Addr, k Key) *Attributes {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.routes[n][k]
}
