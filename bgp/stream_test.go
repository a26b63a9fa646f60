package bgp

import (
	"bytes"
	"net"
	"testing"
	"time"
)

// byteConn is a connection whose other side has sent all that it will.
type byteConn struct {
	net.Conn
	in bytes.Reader
}

func (c *byteConn) Read(b []byte) (int, error)      { return c.in.Read(b) }
func (c *byteConn) SetReadDeadline(time.Time) error { return nil }

// FuzzSession: whatever bytes a neighbour sends when the session is established, they end in
// an error, not a panic; no withdraw is handed over of what was not announced; and of the
// session nothing is left when it has ended, but what its restart is to find.
func FuzzSession(f *testing.F) {
	e := Encoder{AS4: true, Internal: true}
	update := e.AppendUpdate(nil, &Update{Announced: routes, Attributes: &plain})
	f.Add(update, false)
	f.Add(append(update, e.AppendUpdate(nil, &Update{Withdrawn: routes})...), true)
	f.Add(append(appendRefresh(update, refreshBegin), appendRefresh(nil, refreshEnd)...), true)
	f.Add(AppendNotification(AppendEndOfRIB(nil), &Notification{Code: codeCease}), true)
	f.Add(AppendOpen(nil, new(restarting())), false)
	f.Fuzz(func(t *testing.T, b []byte, restarts bool) {
		h := &heard{}
		s, err := New(Config{AS: 65001, RouterID: addrA, Handler: h})
		if err != nil {
			t.Fatal(err)
		}
		c := NeighbourConfig{Address: addrB, RemoteAS: 65001, Limit: 50}
		if err := c.complete(65001); err != nil {
			t.Fatal(err)
		}
		n := newNeighbour(s, c)
		n.retry, n.stale = time.NewTimer(time.Hour), time.NewTimer(time.Hour)
		open := peerOpen()
		if restarts {
			open = restarting()
		}
		conn := &byteConn{}
		conn.in.Reset(b)
		n.current = &session{
			n: n, attempt: &attempt{n: n, conn: conn, in: newReader(conn)}, open: &open, hold: 90 * time.Second,
			cursor: s.table.join(), decoder: Decoder{AS4: true, Internal: true, Drops: n.received.drops},
		}
		err = n.current.read(t.Context())
		if err == nil {
			t.Fatal("the session goes on without a neighbour")
		}
		if h.count(addrB) != n.received.routes.len() {
			t.Errorf("%d routes were handed over, %d are counted", h.count(addrB), n.received.routes.len())
		}
		n.sessionEnded(err)
		if h.strange > 0 {
			t.Error("a withdraw of what was not announced")
		}
		if left := h.count(addrB); left != 0 && n.received.staleUntil.IsZero() || left > 50 || len(s.table.cursors) != 0 {
			t.Errorf("%d routes are left", left)
		}
	})
}
