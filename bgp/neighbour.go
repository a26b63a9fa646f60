package bgp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// neighbour is the state machine of one neighbour (RFC 4271 section 8): a goroutine that
// dials, takes connections, resolves collisions, and has at most one session.
type neighbour struct {
	speaker  *Speaker
	config   NeighbourConfig
	received *received // the session's while there is one, otherwise the goroutine's

	incoming chan net.Conn
	reports  chan report
	ended    chan error
	resets   chan *Notification
	done     chan struct{}
	stop     context.CancelCauseFunc

	// Of the goroutine.
	out, in *attempt // dialled and taken, until one is the session
	current *session
	next    *attempt // takes the place of the session when that has ended
	retry   *time.Timer
	stale   *time.Timer
	fails   int
	rest    time.Time // until when there is no session, after the limit was reached

	mu       sync.Mutex
	state    NeighbourState // what does not come from elsewhere
	counters Counters
	session  *session
}

// errShutdown ends what is under way when the speaker does.
var errShutdown = errors.New("this speaker ends")

func newNeighbour(s *Speaker, c NeighbourConfig) *neighbour {
	n := &neighbour{
		speaker: s, config: c,
		received: &received{limit: c.Limit, action: c.LimitAction, ownAS: s.config.AS, ownID: routerNumber(s.config.RouterID), drops: map[DropReason]uint64{}},
		incoming: make(chan net.Conn, 1), reports: make(chan report), ended: make(chan error),
		resets: make(chan *Notification, 1), done: make(chan struct{}),
	}
	n.state = NeighbourState{Address: c.Address, RemoteAS: c.RemoteAS, State: Idle}
	return n
}

// offer gives a connection of the neighbour to its goroutine; the last one counts.
func (n *neighbour) offer(c net.Conn) {
	for {
		select {
		case n.incoming <- c:
			return
		case <-n.done:
			_ = c.Close()
			return
		default:
		}
		select {
		case older := <-n.incoming:
			_ = older.Close()
		default:
		}
	}
}

// reset ends the session.
func (n *neighbour) reset(why *Notification) {
	select {
	case n.resets <- why:
	default: // one is under way
	}
}

// run is the goroutine.
func (n *neighbour) run(ctx context.Context) {
	n.retry, n.stale = time.NewTimer(0), time.NewTimer(time.Hour)
	n.stale.Stop()
	defer n.retry.Stop()
	defer n.stale.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-n.retry.C:
			n.dial(ctx)
		case c := <-n.incoming:
			n.take(ctx, c)
		case r := <-n.reports:
			n.advance(ctx, r)
		case err := <-n.ended:
			n.sessionEnded(err)
		case <-n.stale.C:
			if n.current == nil {
				n.sweep(false)
			}
		case why := <-n.resets:
			n.endAll(why)
			if n.current == nil {
				n.fails = 0
				n.retry.Reset(0)
			}
		}
		n.showState()
	}
	n.finish(ctx)
}

// finish ends the session, and withdraws the routes where the neighbour was removed.
func (n *neighbour) finish(ctx context.Context) {
	why := context.Cause(ctx)
	removed := &Notification{}
	if errors.As(why, &removed) {
		n.endAll(why)
	} else if n.speaker.config.RestartTime > 0 {
		n.endAll(errShutdown)
	} else {
		n.endAll(&Notification{Code: codeCease, Subcode: subShutdown})
	}
	select {
	case c := <-n.incoming:
		_ = c.Close()
	default:
	}
	for n.current != nil { // attempts that report meanwhile are told by n.done
		select {
		case err := <-n.ended:
			n.closeSession(err)
		case r := <-n.reports:
			if r.step == confirmed {
				_ = r.attempt.conn.Close()
			}
		}
	}
	if removed.Code != 0 {
		n.sweep(true)
	}
}

// endAll ends the attempts and the session, if any.
func (n *neighbour) endAll(why error) {
	for _, a := range []*attempt{n.out, n.in, n.next} {
		if a != nil {
			a.end(why)
		}
	}
	n.out, n.in, n.next = nil, nil, nil
	if n.current != nil {
		n.current.end(why)
	}
}

// dial begins an attempt.
func (n *neighbour) dial(ctx context.Context) {
	if n.config.Passive || n.current != nil || n.out != nil || n.next != nil {
		return
	}
	if wait := time.Until(n.rest); wait > 0 {
		n.retry.Reset(wait)
		return
	}
	n.out = n.begin(ctx, nil)
}

// take begins an attempt with a connection of the neighbour's.
func (n *neighbour) take(ctx context.Context, c net.Conn) {
	if time.Now().Before(n.rest) {
		n.notify(c, &Notification{Code: codeCease, Subcode: subRejected})
		_ = c.Close()
		return
	}
	if n.in != nil { // it tries anew, so the older one is dead
		n.in.end(&Notification{Code: codeCease, Subcode: subCollision})
	}
	n.in = n.begin(ctx, c)
}

func (n *neighbour) begin(ctx context.Context, c net.Conn) *attempt {
	ctx, end := context.WithCancelCause(context.WithoutCancel(ctx)) // endAll ends it, with the reason
	a := &attempt{n: n, dialled: c == nil, conn: c, proceed: make(chan struct{}), end: end}
	n.speaker.spawn(func() { a.run(ctx) })
	return a
}

// advance takes an attempt's report.
func (n *neighbour) advance(ctx context.Context, r report) {
	a := r.attempt
	if a != n.out && a != n.in && a != n.next { // it was ended
		if r.step == confirmed {
			n.notify(a.conn, &Notification{Code: codeCease, Subcode: subCollision})
			_ = a.conn.Close()
		}
		return
	}
	a.step = r.step
	switch r.step {
	case opened:
		n.resolve(a)
	case confirmed:
		n.drop(a)
		n.establish(ctx, a)
	case failed:
		a.end(nil)
		n.drop(a)
		n.failed(r.err, a.dialled && a.open == nil)
	default:
	}
}

// drop takes an attempt from its place.
func (n *neighbour) drop(a *attempt) {
	switch a {
	case n.out:
		n.out = nil
	case n.in:
		n.in = nil
	case n.next:
		n.next = nil
	}
}

// resolve decides, when a has the neighbour's OPEN, which connection stays (RFC 4271
// section 6.8): of two, the one that the greater router id dialled; where those are equal,
// the greater AS (RFC 6286 section 2.3).
func (n *neighbour) resolve(a *attempt) {
	collision := &Notification{Code: codeCease, Subcode: subCollision}
	if n.current != nil {
		// A neighbour that restarts comes again before the session that it has lost is noticed
		// (RFC 4724 section 4.2).
		// Who can answer from the neighbour's address, past its password and TTL, with its AS
		// and router id, is that neighbour: it can end the session that it has.
		if a.open.Restart == nil || n.current.open.Restart == nil || a.open.RouterID != n.current.open.RouterID {
			a.end(collision)
			n.drop(a)
			return
		}
		n.drop(a)
		if n.next != nil {
			n.next.end(collision)
		}
		n.next = a
		n.current.end(errReplaced)
		return
	}
	other := n.out
	if a == n.out {
		other = n.in
	}
	if other != nil && other.step == opened {
		loser := n.out
		if n.keepsDialled(a.open) {
			loser = n.in
		}
		loser.end(collision)
		n.drop(loser)
		if loser == a {
			return
		}
	}
	close(a.proceed)
}

// errReplaced ends a session whose neighbour has begun another one.
var errReplaced = errors.New("the neighbour began a new session")

// keepsDialled reports whether of two connections that which this speaker dialled stays.
func (n *neighbour) keepsDialled(o *Open) bool {
	c := &n.speaker.config
	if by := c.RouterID.Compare(o.RouterID); by != 0 {
		return by > 0
	}
	return c.AS > o.AS
}

// failed notes why an attempt or a session ended and when to dial again.
func (n *neighbour) failed(err error, quiet bool) {
	n.mu.Lock()
	n.counters.Failures++
	n.state.LastError = err.Error()
	n.mu.Unlock()
	if quiet && n.fails > 0 { // a neighbour that is away is told once
		n.speaker.log.log.Debug("bgp: no session", "neighbour", n.config.Address, "error", err)
	} else {
		n.speaker.log.warn("bgp: no session", "neighbour", n.config.Address, "error", err)
	}
	wait := min(n.config.ConnectRetry, time.Second<<min(n.fails, 10))
	n.fails++
	n.retry.Reset(jitter(wait))
}

// routerNumber is a router id as ORIGINATOR_ID has it.
func routerNumber(a netip.Addr) uint32 {
	v := a.As4()
	return binary.BigEndian.Uint32(v[:])
}

// jitter shortens a time by up to a quarter, so that many speakers do not act at once (RFC
// 4271 section 10).
func jitter(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}

// showState sets the state from what there is.
func (n *neighbour) showState() {
	s := Active
	if time.Now().Before(n.rest) {
		s = Idle
	}
	for _, a := range []*attempt{n.in, n.out} {
		switch {
		case a == nil:
		case a.step == opened:
			s = OpenConfirm
		case a.step == connected:
			s = OpenSent
		case s == Active && a.dialled:
			s = Connect
		}
	}
	if n.current != nil {
		s = Established
	}
	n.mu.Lock()
	n.state.State = s
	n.mu.Unlock()
}

// refresh asks for all routes again.
func (n *neighbour) refresh() error {
	n.mu.Lock()
	s := n.session
	n.mu.Unlock()
	if s == nil {
		return fmt.Errorf("bgp: neighbour %v has no session", n.config.Address)
	}
	if !s.open.Refresh {
		return fmt.Errorf("bgp: neighbour %v has no route refresh (RFC 2918): reset the session", n.config.Address)
	}
	s.askRefresh()
	return nil
}
