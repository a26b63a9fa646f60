package bgp

import (
	"context"
	"time"
)

// send is the sending goroutine of a session: what the table has for it, and keepalives.
func (s *session) send(ctx context.Context) error {
	encoder := Encoder{AS: s.n.speaker.config.AS, AS4: s.open.AS4, Internal: s.decoder.Internal}
	keepalive := time.NewTimer(time.Hour)
	defer keepalive.Stop()
	s.rearm(keepalive)
	var b batch
	var out []byte
	var marked bool
	for {
		s.n.speaker.table.take(s.cursor, &b)
		out = s.encode(out[:0], &encoder, &b, &marked)
		if len(out) == 0 {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-s.cursor.wake:
				continue
			case <-keepalive.C:
				out = AppendKeepalive(out)
			}
		}
		if err := s.write(ctx, out); err != nil {
			return err
		}
		s.rearm(keepalive) // an UPDATE is as good as a KEEPALIVE: RFC 4271 section 4.4
	}
}

// rearm sets the timer to a third of the hold time (RFC 4271 section 10).
func (s *session) rearm(t *time.Timer) {
	if s.hold > 0 {
		t.Reset(jitter(s.hold / 3))
	} else {
		t.Stop()
	}
}

// encode turns a batch into messages.
func (s *session) encode(out []byte, e *Encoder, b *batch, marked *bool) []byte {
	if s.asked.Swap(false) {
		out = appendRefresh(out, refreshRequest)
	}
	enhanced := s.open.EnhancedRefresh
	if b.begin && enhanced {
		out = appendRefresh(out, refreshBegin)
	}
	out = e.AppendUpdate(out, &Update{Withdrawn: b.withdrawn})
	for i := range b.groups {
		out = e.AppendUpdate(out, &b.groups[i])
	}
	if !b.mark {
		return out
	}
	if !*marked {
		*marked = true
		out = AppendEndOfRIB(out)
	}
	if b.again && enhanced {
		out = appendRefresh(out, refreshEnd)
	}
	return out
}

// write sends. A neighbour that does not read for longer than it may be silent is gone (RFC
// 9687).
func (s *session) write(ctx context.Context, b []byte) error {
	conn, within := s.attempt.conn, max(2*s.hold, sendHold)
	if err := conn.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if ctx.Err() != nil { // the deadline that ends the session may have come before this one
		return context.Cause(ctx)
	}
	_, err := conn.Write(b)
	if isTimeout(err) && ctx.Err() == nil {
		return &Notification{Code: codeSendHold}
	}
	if err == nil {
		s.n.countOut(b)
	}
	return err
}
