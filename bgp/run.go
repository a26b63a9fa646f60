package bgp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Speaker has the sessions with its neighbours.
type Speaker struct {
	config  Config
	network Network
	log     *limitedLog
	table   *table

	mu         sync.Mutex
	neighbours map[netip.Addr]*neighbour
	listeners  map[string][]Listener // by device
	running    context.Context       //nolint:containedctx // that of Run, for neighbours that come later
	work       sync.WaitGroup
	strangers  uint64
}

// New checks the configuration. The sessions begin with Run.
func New(c Config) (*Speaker, error) {
	if c.AS == 0 || c.AS == asTrans {
		return nil, fmt.Errorf("bgp: AS %d is nobody's: give this speaker's own", c.AS)
	}
	if !c.RouterID.Is4() || c.RouterID.IsUnspecified() {
		return nil, fmt.Errorf("bgp: router id %v: it needs an IPv4 address of this host", c.RouterID)
	}
	if c.RestartTime < 0 || c.RestartTime > 4095*time.Second {
		return nil, fmt.Errorf("bgp: restart time %v is out of range: 0 to 4095 s", c.RestartTime)
	}
	if c.Handler == nil {
		return nil, errors.New("bgp: it needs a handler")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Network == nil {
		c.Network = tcpNetwork{}
	}
	return &Speaker{
		config: c, network: c.Network, log: &limitedLog{log: c.Log}, table: newTable(),
		neighbours: map[netip.Addr]*neighbour{}, listeners: map[string][]Listener{},
	}, nil
}

// spawn starts fn in a goroutine that Run waits for. The package starts no other one.
func (s *Speaker) spawn(fn func()) { s.work.Go(fn) }

// Run holds the sessions until ctx ends. Then it ends them (Cease, Administrative
// Shutdown; without a word where Config.RestartTime has the neighbours keep the routes) and
// returns. What was heard is not withdrawn then.
func (s *Speaker) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer s.work.Wait()
	defer s.closeListeners()
	defer stop()
	if err := s.start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (s *Speaker) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range s.listeners {
		for _, l := range of {
			_ = l.Close()
		}
	}
}

func (s *Speaker) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return errors.New("bgp: a speaker runs once")
	}
	s.running = ctx
	for _, n := range s.neighbours {
		if err := s.startNeighbour(n); err != nil {
			return err
		}
	}
	return nil
}

// startNeighbour listens where the neighbour may connect to, and starts its sessions.
func (s *Speaker) startNeighbour(n *neighbour) error {
	device := n.config.Device
	if _, ok := s.listeners[device]; !ok {
		if err := s.listen(device); err != nil {
			return err
		}
	}
	if n.config.Password != "" {
		for _, l := range s.listeners[device] {
			if err := l.Expect(&n.config); err != nil {
				return fmt.Errorf("bgp: neighbour %v: password: %w", n.config.Address, err)
			}
		}
	}
	ctx, stop := context.WithCancelCause(s.running)
	n.stop = stop
	s.spawn(func() {
		defer close(n.done)
		n.run(ctx)
	})
	return nil
}

func (s *Speaker) listen(device string) error {
	var open []Listener
	for _, at := range s.config.Listen {
		l, err := s.network.Listen(s.running, at, device)
		if err != nil {
			for _, l := range open {
				_ = l.Close()
			}
			return fmt.Errorf("bgp: listen at %v: %w", at, err)
		}
		open = append(open, l)
	}
	s.listeners[device] = open
	for _, l := range open {
		s.spawn(func() { s.accept(l, device) })
	}
	return nil
}

// acceptRest is how long accept waits after an error, such as too many open files.
const acceptRest = 100 * time.Millisecond

// accept gives connections to the neighbours that they are of, and closes all others.
func (s *Speaker) accept(l Listener, device string) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.log.warn("bgp: accept failed", "error", err)
			time.Sleep(acceptRest)
			continue
		}
		from := remoteOf(c)
		s.mu.Lock()
		n := s.neighbours[from]
		known := n != nil && n.config.Device == device && n.stop != nil
		if !known {
			s.strangers++
		}
		s.mu.Unlock()
		if !known {
			_ = c.Close()
			s.log.warn("bgp: a connection from no neighbour was closed", "from", from)
			continue
		}
		if err := l.Admit(c, &n.config); err != nil {
			_ = c.Close()
			s.log.warn("bgp: a connection was closed", "from", from, "error", err)
			continue
		}
		n.offer(c)
	}
}

// remoteOf is the address that a connection comes from, with the zone of a link-local one.
func remoteOf(c net.Conn) netip.Addr {
	t, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return t.AddrPort().Addr().Unmap()
}

// Strangers is how many connections came from no neighbour.
func (s *Speaker) Strangers() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.strangers
}

// AddNeighbour adds a neighbour, whose session begins at once where the speaker runs. To
// change one, remove and add it.
func (s *Speaker) AddNeighbour(c NeighbourConfig) error {
	if err := c.complete(s.config.AS); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.neighbours[c.Address] != nil {
		return fmt.Errorf("bgp: neighbour %v is there already: remove it first", c.Address)
	}
	n := newNeighbour(s, c)
	if s.running != nil {
		if err := s.startNeighbour(n); err != nil {
			return err
		}
	}
	s.neighbours[c.Address] = n
	return nil
}

// RemoveNeighbour ends a neighbour's session (Cease, Peer De-configured). Its routes are
// withdrawn by updates before it returns.
func (s *Speaker) RemoveNeighbour(a netip.Addr) error {
	s.mu.Lock()
	n := s.neighbours[a]
	delete(s.neighbours, a)
	var listeners []Listener
	if n != nil && n.config.Password != "" {
		listeners = slices.Clone(s.listeners[n.config.Device])
	}
	s.mu.Unlock()
	if n == nil {
		return errNoNeighbour(a)
	}
	if n.stop != nil {
		n.stop(&Notification{Code: codeCease, Subcode: subDeconfigured})
		<-n.done
	}
	unsigned := n.config
	unsigned.Password = ""
	for _, l := range listeners {
		if err := l.Expect(&unsigned); err != nil && !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("bgp: neighbour %v: password: %w", a, err)
		}
	}
	return nil
}

func errNoNeighbour(a netip.Addr) error { return fmt.Errorf("bgp: there is no neighbour %v", a) }

func (s *Speaker) neighbour(a netip.Addr) (*neighbour, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.neighbours[a]; n != nil {
		return n, nil
	}
	return nil, errNoNeighbour(a)
}

// Announce tells all neighbours a route, now and when they come. A later one with the same
// Key replaces it. What is there before Run is announced before the End-of-RIB mark of the
// first sessions, after which neighbours drop what they kept over a restart.
func (s *Speaker) Announce(r Route, a *Attributes) error {
	if why := r.check(); why != "" {
		return fmt.Errorf("bgp: announce %v: %s", r, why)
	}
	if why := a.check(); why != "" {
		return fmt.Errorf("bgp: announce %v: %s", r, why)
	}
	s.table.announce(r, a)
	return nil
}

// Withdraw takes a route back.
func (s *Speaker) Withdraw(k Key) { s.table.withdraw(k) }

// Refresh asks a neighbour for all its routes again (RFC 2918).
func (s *Speaker) Refresh(a netip.Addr) error {
	n, err := s.neighbour(a)
	if err != nil {
		return err
	}
	return n.refresh()
}

// Reset ends a neighbour's session (Cease, Administrative Reset). It begins anew at once.
func (s *Speaker) Reset(a netip.Addr) error {
	n, err := s.neighbour(a)
	if err != nil {
		return err
	}
	n.reset(&Notification{Code: codeCease, Subcode: subReset})
	return nil
}

// Neighbours is what there is to show, in the order of the addresses.
func (s *Speaker) Neighbours() []NeighbourState {
	s.mu.Lock()
	all := make([]*neighbour, 0, len(s.neighbours))
	for _, n := range s.neighbours {
		all = append(all, n)
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *neighbour) int { return a.config.Address.Compare(b.config.Address) })
	states := make([]NeighbourState, len(all))
	for i, n := range all {
		states[i] = n.show()
	}
	return states
}

// limitedLog writes at most one line a second, and says how many it did not.
type limitedLog struct {
	log *slog.Logger

	mu      sync.Mutex
	last    time.Time
	skipped int
}

func (l *limitedLog) warn(text string, args ...any) { l.write(slog.LevelWarn, text, args) }

func (l *limitedLog) info(text string, args ...any) { l.write(slog.LevelInfo, text, args) }

func (l *limitedLog) write(level slog.Level, text string, args []any) {
	l.mu.Lock()
	now := time.Now()
	if !l.last.IsZero() && now.Sub(l.last) < time.Second {
		l.skipped++
		l.mu.Unlock()
		return
	}
	if l.skipped > 0 {
		args = append(args, "lines-skipped", l.skipped)
	}
	l.last, l.skipped = now, 0
	l.mu.Unlock()
	l.log.Log(context.Background(), level, text, args...)
}
