package bgp

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"
)

// sendHold is how long a neighbour may not read before its session ends, beside twice the
// hold time (RFC 9687 section 3.1 has at least 8 minutes, for transit routers; who does not
// read for that long at a leaf is gone).
const sendHold = 60 * time.Second

// codeSendHold is the error of a neighbour that does not read (RFC 9687 section 3.3).
const codeSendHold = 8

// session is an established one: a goroutine that reads and hands over, and one that sends.
type session struct {
	n       *neighbour
	attempt *attempt
	open    *Open
	hold    time.Duration
	cursor  *cursor
	decoder Decoder
	update  Update
	end     context.CancelCauseFunc
	// asked says that the neighbour's routes are to be asked for.
	asked atomic.Bool
	// refreshing says that the neighbour sends its routes again (RFC 7313).
	refreshing, hadEnd bool
	lastAsked          time.Time
}

// establish begins the session of an attempt. The state of a neighbour's earlier routes
// follows RFC 4724 section 4.2.
func (n *neighbour) establish(ctx context.Context, a *attempt) {
	for _, other := range []*attempt{n.out, n.in} {
		if other != nil {
			other.end(&Notification{Code: codeCease, Subcode: subCollision})
		}
	}
	n.out, n.in = nil, nil
	n.retry.Stop()
	n.stale.Stop()
	internal := a.open.AS == n.speaker.config.AS
	ctx, end := context.WithCancelCause(context.WithoutCancel(ctx)) // endAll ends it, with the reason
	s := &session{n: n, attempt: a, open: a.open, hold: a.hold, cursor: n.speaker.table.join(), end: end}
	s.decoder = Decoder{AS4: a.open.AS4, Internal: internal, Drops: n.received.drops}
	n.current = s
	local, _ := netip.ParseAddrPort(a.conn.LocalAddr().String())
	n.mu.Lock()
	n.session = s
	n.counters.Sessions++
	n.state.Since, n.state.LastError, n.state.EndOfRIB = time.Now(), "", false
	n.state.RemoteAS, n.state.RouterID, n.state.HoldTime, n.state.LocalAddress = a.open.AS, a.open.RouterID, a.hold, local
	n.state.Capabilities = capabilityNames(a.open.Codes)
	n.mu.Unlock()
	n.speaker.log.info("bgp: session established", "neighbour", n.config.Address, "router-id", a.open.RouterID)
	n.speaker.config.Handler.HandleEvent(Event{Neighbour: n.config.Address, Kind: NeighbourUp, Restart: a.open.Restart != nil})
	if r := n.received; !r.staleUntil.IsZero() {
		r.staleUntil = time.Now().Add(n.config.StaleTime)
		if g := a.open.Restart; g == nil || !g.EVPN || !g.Forwarding {
			n.sweep(false)
		}
	}
	n.speaker.spawn(func() { n.ended <- s.run(ctx) })
}

func (n *neighbour) tell(k EventKind, reason string) {
	n.speaker.config.Handler.HandleEvent(Event{Neighbour: n.config.Address, Kind: k, Reason: reason})
}

// sweep withdraws the routes that did not come again, or all.
func (n *neighbour) sweep(all bool) {
	was := !n.received.staleUntil.IsZero()
	n.received.sweep(all, func(u *Update) { n.speaker.config.Handler.HandleUpdate(n.config.Address, u) })
	n.showRoutes()
	if was {
		n.tell(StaleEnd, "")
	}
}

// closeSession is what every end of a session has.
func (n *neighbour) closeSession(err error) {
	s := n.current
	n.current = nil
	n.speaker.table.leave(s.cursor)
	n.mu.Lock()
	n.session = nil
	lasted := time.Since(n.state.Since)
	n.state.Since = time.Now()
	n.mu.Unlock()
	if lasted > calm {
		n.fails = 0
	}
	n.tell(NeighbourDown, err.Error())
}

const (
	// calm is how long a session lasts of a neighbour that does not flap.
	calm = 30 * time.Second
	// limitRest is how long there is no session after one reached its limit.
	limitRest = time.Minute
)

// sessionEnded decides what becomes of the routes (RFC 4724 section 4.2, RFC 8538 section
// 4), and when there is another session.
func (n *neighbour) sessionEnded(err error) {
	s := n.current
	n.closeSession(err)
	if s.keepsRoutes(err) {
		if !n.received.staleUntil.IsZero() { // stale a second time: RFC 4724 section 4.2
			n.sweep(false)
		}
		d := min(s.open.Restart.Time, n.config.StaleTime)
		n.received.keep(time.Now().Add(d))
		n.stale.Reset(d)
		n.showRoutes()
		n.tell(StaleBegin, "")
	} else {
		n.sweep(true)
	}
	if isNotification(err, codeCease, subMaxPrefixes) {
		n.rest = time.Now().Add(limitRest)
	}
	n.failed(err, false)
	if next := n.next; next != nil {
		if n.in != nil {
			n.in.end(&Notification{Code: codeCease, Subcode: subCollision})
		}
		n.in, n.next = next, nil
		close(next.proceed)
	}
	if isNotification(err, codeCease, subReset) {
		n.fails = 0
		n.retry.Reset(0)
	}
}

func isNotification(err error, code, subcode uint8) bool {
	var own *Notification
	theirs := peerError{}
	return !errors.As(err, &theirs) && errors.As(err, &own) && own.Code == code && own.Subcode == subcode
}

// keepsRoutes reports whether the neighbour's routes outlive a session that ended so.
func (s *session) keepsRoutes(err error) bool {
	r := s.open.Restart
	if r == nil || !r.EVPN || r.Time == 0 || s.n.config.StaleTime <= 0 {
		return false
	}
	theirs := peerError{}
	var own *Notification
	switch {
	case errors.As(err, &theirs): // RFC 8538 section 4
		return r.Notification && (theirs.Code != codeCease || theirs.Subcode != subHardReset)
	case errors.As(err, &own):
		return r.Notification && !isHard(own)
	default: // the connection was lost
		return true
	}
}

// isHard reports whether a NOTIFICATION of this speaker's means that routes go (RFC 8538
// section 3).
func isHard(n *Notification) bool {
	return n.Code == codeCease && (n.Subcode == subShutdown || n.Subcode == subDeconfigured || n.Subcode == subMaxPrefixes)
}

// run is the reading goroutine. It returns why the session ended, when nothing of it is left.
func (s *session) run(ctx context.Context) error {
	conn := s.attempt.conn
	stop := context.AfterFunc(ctx, func() {
		conn.SetReadDeadline(time.Unix(1, 0))            //nolint:errcheck // a closed one needs none
		conn.SetWriteDeadline(time.Now().Add(lastWords)) //nolint:errcheck // likewise
	})
	defer stop()
	sent := make(chan struct{})
	s.n.speaker.spawn(func() {
		defer close(sent)
		s.end(s.send(ctx))
	})
	s.end(s.read(ctx))
	<-sent
	why := context.Cause(ctx)
	said := why
	var own *Notification
	if theirs := (peerError{}); !errors.As(why, &theirs) && errors.As(why, &own) && isHard(own) &&
		s.open.Restart != nil && s.open.Restart.Notification { // RFC 8538 section 3
		said = &Notification{Code: codeCease, Subcode: subHardReset, Data: append([]byte{own.Code, own.Subcode}, own.Data...)}
	}
	s.n.notify(conn, said)
	_ = conn.Close()
	return why
}

// read takes messages until the session ends.
func (s *session) read(ctx context.Context) error {
	for {
		typ, body, err := s.next(ctx)
		if err != nil {
			return err
		}
		s.n.countIn(typ, len(body))
		switch typ {
		case typeKeepalive:
		case typeUpdate:
			if err := s.handleUpdate(body); err != nil {
				return err
			}
		case typeNotification:
			return peerError{ParseNotification(body)}
		case typeRefresh:
			s.handleRefresh(body)
		default: // RFC 6608 section 4
			return &Notification{Code: codeFSM, Subcode: subUnexpectedEstab, Data: []byte{typ}}
		}
	}
}

// next returns the next message. The hold time runs while this waits, not while the
// Handler works.
func (s *session) next(ctx context.Context) (byte, []byte, error) {
	r := s.n.received
	expires := time.Now().Add(s.hold)
	for {
		if !r.staleUntil.IsZero() && !time.Now().Before(r.staleUntil) {
			s.refreshing = false
			s.n.sweep(false)
		}
		if !s.attempt.in.buffered() {
			until := expires
			if s.hold == 0 {
				until = time.Time{}
			}
			if !r.staleUntil.IsZero() && (until.IsZero() || r.staleUntil.Before(until)) {
				until = r.staleUntil
			}
			if err := s.attempt.conn.SetReadDeadline(until); err != nil {
				return 0, nil, err
			}
		}
		if ctx.Err() != nil { // the deadline that ends the session may have come before this one
			return 0, nil, context.Cause(ctx)
		}
		typ, body, err := s.attempt.in.next()
		if !isTimeout(err) {
			return typ, body, err
		}
		if ctx.Err() != nil {
			return 0, nil, context.Cause(ctx)
		}
		if s.hold > 0 && !time.Now().Before(expires) {
			return 0, nil, &Notification{Code: codeHold}
		}
	}
}

func (s *session) handleUpdate(body []byte) error {
	n, r := s.n, s.n.received
	end, err := s.decoder.Update(body, &s.update)
	if err == nil {
		over := r.over
		err = r.take(&s.update)
		if len(s.update.Withdrawn) > 0 || len(s.update.Announced) > 0 {
			n.speaker.config.Handler.HandleUpdate(n.config.Address, &s.update)
		}
		if r.over && !over {
			n.speaker.log.warn("bgp: limit of routes reached", "neighbour", n.config.Address, "limit", r.limit, "action", r.action)
			n.tell(LimitReached, "")
		}
	}
	if end && !s.hadEnd {
		s.hadEnd = true
		n.mu.Lock()
		n.state.EndOfRIB = true
		n.mu.Unlock()
		if !r.staleUntil.IsZero() && !s.refreshing {
			n.sweep(false)
		}
		n.tell(EndOfRIB, "")
	}
	if r.refused && time.Since(s.lastAsked) > limitRest && s.open.Refresh && r.roomAgain() {
		s.lastAsked = time.Now()
		s.askRefresh()
	} else if r.over && !r.refused {
		r.roomAgain()
	}
	n.showRoutes()
	return err
}

// handleRefresh sends everything again, or takes the marks of a neighbour that does (RFC
// 2918 section 4, RFC 7313 section 4).
func (s *session) handleRefresh(body []byte) {
	subtype, ours := parseRefresh(body)
	if !ours {
		return
	}
	if !s.open.EnhancedRefresh {
		subtype = refreshRequest // RFC 2918 section 3: the byte is reserved
	}
	switch r := s.n.received; {
	case subtype == refreshRequest:
		s.n.speaker.table.rewind(s.cursor)
	case subtype == refreshBegin && r.staleUntil.IsZero() && s.n.config.StaleTime > 0:
		s.refreshing = true
		r.keep(time.Now().Add(s.n.config.StaleTime))
	case subtype == refreshEnd && s.refreshing:
		s.refreshing = false
		s.n.sweep(false)
	}
}

// askRefresh has the neighbour asked for all its routes.
func (s *session) askRefresh() {
	s.asked.Store(true)
	s.cursor.signal()
}
