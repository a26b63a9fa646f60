package bgp

import (
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// counter is a Handler that counts.
type counter struct{ announced, withdrawn atomic.Int64 }

func (c *counter) HandleUpdate(_ netip.Addr, u *Update) {
	c.announced.Add(int64(len(u.Announced)))
	c.withdrawn.Add(int64(len(u.Withdrawn)))
}

func (*counter) HandleEvent(Event) {}

// heap is the live heap in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// receive has a speaker receive n routes of a neighbour, and then their withdraws, and
// returns how long the first took, the live heap with them, and without them again.
func receive(t testing.TB, n int) (took time.Duration, held, left int64) {
	t.Helper()
	c := &counter{}
	s, err := New(Config{AS: 65001, RouterID: addrA, Handler: c})
	if err != nil {
		t.Fatal(err)
	}
	nc := NeighbourConfig{Address: addrB, RemoteAS: 65001}
	if err := nc.complete(65001); err != nil {
		t.Fatal(err)
	}
	e := Encoder{AS4: true, Internal: true}
	all := numbers(0, n)
	announced := e.AppendUpdate(nil, &Update{Announced: all, Attributes: &plain})
	withdrawn := e.AppendUpdate(nil, &Update{Withdrawn: all})
	nb := newNeighbour(s, nc)
	open := peerOpen()
	conn := &byteConn{}
	nb.current = &session{
		n: nb, attempt: &attempt{n: nb, conn: conn, in: newReader(conn)}, open: &open, hold: time.Minute, cursor: s.table.join(),
		decoder: Decoder{AS4: true, Internal: true, Drops: nb.received.drops},
	}
	before := heap()
	began := time.Now()
	conn.in.Reset(announced)
	nb.current.read(t.Context()) //nolint:errcheck // it ends where the bytes do
	took, held = time.Since(began), heap()-before
	conn.in.Reset(withdrawn)
	nb.current.read(t.Context()) //nolint:errcheck // likewise
	left = heap() - before
	if c.announced.Load() != int64(n) || c.withdrawn.Load() != int64(n) {
		t.Fatalf("%d announced, %d withdrawn of %d", c.announced.Load(), c.withdrawn.Load(), n)
	}
	runtime.KeepAlive(nb)
	runtime.KeepAlive(announced)
	runtime.KeepAlive(withdrawn)
	runtime.KeepAlive(all)
	return took, held, left
}

// TestHeap: a route that was received costs its key, and nothing when it is withdrawn.
func TestHeap(t *testing.T) {
	const n = 100_000
	took, held, left := receive(t, n)
	t.Logf("%v, %d bytes a route, %d bytes left", took, held/n, left)
	if held/n > 40 {
		t.Errorf("%d bytes a route", held/n)
	}
	if left > 1<<20 {
		t.Errorf("%d bytes are left of nothing", left)
	}
}
