package bgp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// Times of an attempt.
const (
	// openTime is how long an OPEN may take: the "large" hold time of RFC 4271 section 8 is
	// 4 minutes, which would hold back a neighbour that was started again.
	openTime = 30 * time.Second
	// lastWords is how long a NOTIFICATION may take.
	lastWords = time.Second
)

// attempt is one connection on its way to be a session (RFC 4271 section 8): connected,
// OPENs exchanged, KEEPALIVEs exchanged. It is a goroutine of its own, which tells the
// neighbour's each step.
type attempt struct {
	n       *neighbour
	dialled bool
	conn    net.Conn
	in      *reader
	open    *Open
	hold    time.Duration
	// proceed lets it go on after the OPENs, which is where collisions are resolved.
	proceed chan struct{}
	// end ends it, for the reason given.
	end context.CancelCauseFunc

	// step is what was told last; it is the neighbour's.
	step step
}

// step is how far an attempt is.
type step uint8

const (
	connecting step = iota
	connected
	opened
	confirmed
	failed
)

// report is what an attempt tells.
type report struct {
	attempt *attempt
	step    step
	err     error
}

// peerError is a NOTIFICATION of the neighbour's.
type peerError struct{ *Notification }

func (e peerError) Error() string { return "the neighbour says: " + e.Notification.Error() }

// run is the goroutine.
func (a *attempt) run(ctx context.Context) {
	err := a.shake(ctx)
	if err == nil {
		return // the session has the connection
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if a.conn != nil {
		a.n.notify(a.conn, err)
		_ = a.conn.Close()
	}
	a.tell(failed, err)
}

// tell reports false where nobody listens any more.
func (a *attempt) tell(s step, err error) bool {
	select {
	case a.n.reports <- report{a, s, err}:
		return true
	case <-a.n.done:
		return false
	}
}

// shake makes a session of a connection.
func (a *attempt) shake(ctx context.Context) error {
	if a.conn == nil {
		c, err := a.n.speaker.network.Dial(ctx, &a.n.config)
		if err != nil {
			return err
		}
		a.conn = c
	}
	stop := context.AfterFunc(ctx, func() { a.conn.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // a closed one needs none
	defer stop()
	a.tell(connected, nil)
	a.in = newReader(a.conn)
	if err := a.exchangeOpens(ctx); err != nil {
		return err
	}
	a.tell(opened, nil)
	select {
	case <-a.proceed:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := a.exchangeKeepalives(ctx); err != nil {
		return err
	}
	if !stop() {
		return context.Cause(ctx)
	}
	if !a.tell(confirmed, nil) {
		return errShutdown
	}
	return nil
}

func (a *attempt) exchangeOpens(ctx context.Context) error {
	if err := a.n.send(a.conn, AppendOpen(nil, a.n.ownOpen())); err != nil {
		return err
	}
	typ, body, err := a.receive(ctx, openTime)
	if err != nil {
		return err
	}
	if typ != typeOpen { // RFC 6608 section 4
		return &Notification{Code: codeFSM, Subcode: subUnexpectedOpen, Data: []byte{typ}}
	}
	if a.open, err = ParseOpen(body); err != nil {
		return err
	}
	a.hold = min(a.n.config.HoldTime, a.open.HoldTime)
	return a.n.checkOpen(a.open)
}

func (a *attempt) exchangeKeepalives(ctx context.Context) error {
	if err := a.n.send(a.conn, AppendKeepalive(nil)); err != nil {
		return err
	}
	hold := a.hold
	if hold == 0 {
		hold = openTime
	}
	typ, _, err := a.receive(ctx, hold)
	if err == nil && typ != typeKeepalive { // RFC 6608 section 4
		err = &Notification{Code: codeFSM, Subcode: subUnexpectedConf, Data: []byte{typ}}
	}
	return err
}

// receive returns the next message; a NOTIFICATION is an error.
func (a *attempt) receive(ctx context.Context, within time.Duration) (typ byte, body []byte, err error) {
	if err := a.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return 0, nil, err
	}
	if ctx.Err() != nil { // the deadline that ends the attempt may have come before this one
		return 0, nil, context.Cause(ctx)
	}
	typ, body, err = a.in.next()
	if isTimeout(err) {
		err = &Notification{Code: codeHold}
	}
	if err == nil {
		a.n.countIn(typ, len(body))
	}
	if err == nil && typ == typeNotification {
		err = peerError{ParseNotification(body)}
	}
	return typ, body, err
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// ownOpen is this speaker's OPEN to the neighbour.
func (n *neighbour) ownOpen() *Open {
	c := &n.speaker.config
	r := &Restart{Notification: true, Time: c.RestartTime}
	if c.RestartTime > 0 {
		r.EVPN, r.Forwarding = true, true
		n.mu.Lock()
		r.Restarted = c.Restarted && n.counters.Sessions == 0
		n.mu.Unlock()
	}
	return &Open{
		AS: c.AS, RouterID: c.RouterID, HoldTime: n.config.HoldTime,
		EVPN: true, AS4: true, Refresh: true, EnhancedRefresh: true, Restart: r,
	}
}

// checkOpen refuses a neighbour that is not the one that was configured.
func (n *neighbour) checkOpen(o *Open) error {
	c := &n.speaker.config
	switch {
	case n.config.External && o.AS == c.AS:
		return &refusal{&Notification{Code: codeOpen, Subcode: subBadPeerAS}, fmt.Sprintf("its AS is this speaker's own, %d, remote-as says external", o.AS)}
	case !n.config.External && o.AS != n.config.RemoteAS:
		return &refusal{&Notification{Code: codeOpen, Subcode: subBadPeerAS}, fmt.Sprintf("its AS is %d, remote-as says %d", o.AS, n.config.RemoteAS)}
	case o.RouterID == c.RouterID && o.AS == c.AS: // RFC 6286 section 2.2
		return &refusal{&Notification{Code: codeOpen, Subcode: subBadID}, fmt.Sprintf("its router id is this speaker's own, %v", o.RouterID)}
	case !o.EVPN: // RFC 5492 section 3
		return &refusal{&Notification{Code: codeOpen, Subcode: subNoCapability, Data: []byte{capMultiprotocol, 4, afiL2VPN >> 8, afiL2VPN, 0, safiEVPN}},
			"it has no address family l2vpn evpn: activate this neighbour there"}
	}
	return nil
}

// refusal is a Notification with words for this side's log.
type refusal struct {
	*Notification
	words string
}

func (r *refusal) Error() string { return r.Notification.Error() + ": " + r.words }

func (r *refusal) Unwrap() error { return r.Notification }

// send writes what a session begins with.
func (n *neighbour) send(c net.Conn, b []byte) error {
	if err := writeWithin(c, b, openTime); err != nil {
		return err
	}
	n.countOut(b)
	return nil
}

// notify sends the NOTIFICATION that err is, if it is one of this speaker's.
func (n *neighbour) notify(c net.Conn, err error) {
	var own *Notification
	if theirs := (peerError{}); errors.As(err, &theirs) || !errors.As(err, &own) || own.Code == 0 {
		return
	}
	if b := AppendNotification(nil, own); writeWithin(c, b, lastWords) == nil {
		n.countOut(b)
	}
}
