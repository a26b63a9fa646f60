package vtep

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// TestMoveGuardWindow: six moves within the window hold a MAC for the rest of
// it, fewer or slower ones do not.
func TestMoveGuardWindow(t *testing.T) {
	var g moveGuard
	m, other := encap.MAC{2, 1}, encap.MAC{2, 2}
	for now := range maxMoves {
		g.note(m, 100+fdb.Tick(now))
		g.note(other, 100+fdb.Tick(now)*40) // one window is over before the sixth
	}
	if g.holds(m) || g.holds(other) {
		t.Fatal("held after as many moves as are allowed")
	}
	g.note(m, 105)
	g.note(other, 300)
	if !g.holds(m) || g.holds(other) {
		t.Errorf("held: %v, the slow one %v", g.holds(m), g.holds(other))
	}
	if held, freed := g.expire(106, false); !slices.Equal(held, []encap.MAC{m}) || freed != nil {
		t.Errorf("told of %v held, %v free", held, freed)
	}
	if held, freed := g.expire(107, false); held != nil || freed != nil || !g.holds(m) {
		t.Errorf("told again of %v held, %v free", held, freed)
	}
	if held, freed := g.expire(100+guardWindow, false); held != nil || !slices.Equal(freed, []encap.MAC{m}) {
		t.Errorf("at the end told of %v held, %v free", held, freed)
	}
	if g.holds(m) || g.held.Load() != 0 {
		t.Error("held after its time")
	}
}

// TestMoveGuardIsBounded: of more MACs than there are places those that are
// held stay, and one that goes on moving is found.
func TestMoveGuardIsBounded(t *testing.T) {
	var g moveGuard
	mac := func(n int) encap.MAC { return encap.MAC{2, 0, 0, 0, byte(n >> 8), byte(n)} }
	for range maxMoves + 1 {
		g.note(mac(0), 1)
	}
	for n := range 10 * guardEntries {
		g.note(mac(1+n), 2)
	}
	if !g.holds(mac(0)) {
		t.Error("let go for others")
	}
	for range maxMoves + 1 {
		g.note(mac(5000), 3)
	}
	if !g.holds(mac(5000)) || g.held.Load() != 2 {
		t.Errorf("%d held", g.held.Load())
	}
	for n := range 2 * guardEntries {
		for range maxMoves + 1 {
			g.note(mac(6000+n), 4)
		}
	}
	if n := g.held.Load(); n != guardEntries {
		t.Errorf("%d held, want %d", n, guardEntries)
	}
	if g.expire(5, true); g.held.Load() != 0 || g.holds(mac(0)) {
		t.Error("not let go")
	}
}

func TestFloodLimit(t *testing.T) {
	var f floodLimit
	for i, tt := range []struct {
		n    int
		now  uint32
		want bool
	}{{1, 1, true}, {8, 1, true}, {2, 1, false}, {1, 1, true}, {1, 1, false}, {10, 2, true}, {1, 2, false}, {50, 3, true}, {1, 3, false}, {1, 4, true}} {
		if got := f.takes(10, tt.n, fdb.Tick(tt.now)); got != tt.want {
			t.Errorf("%d: %d frames in second %d: %v", i, tt.n, tt.now, got)
		}
	}
}

// wholeFrame is a UDP packet whose checksums are right, so that it is joined.
func wholeFrame(dst encap.MAC) []byte {
	b := ipFrame(dst, there, false, 200)
	binary.BigEndian.PutUint16(b[24:], ^encap.Sum(b[14:34]))
	udp := b[34:]
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	in := encap.ParseInner(b)
	binary.BigEndian.PutUint16(udp[6:], encap.PseudoSum(b, &in, len(udp)))
	f := encap.Frame{Data: b}
	f.Offload, _ = encap.PartialOffload(&in)
	encap.CompleteChecksum(&f)
	return b
}

// TestPeerBUMLimit: what one peer floods within a second is limited, be it
// segments of one flow, and those whom nobody knows share one limit.
func TestPeerBUMLimit(t *testing.T) {
	l := newSinkLink(t)
	peers := []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")}
	if err := l.vtep.UpdateLink("vxlan0", func(c *LinkConfig) error {
		c.Remote, c.PeerBUMLimit, c.Accept.Mode, c.NoLearning = peers[0], 5, AcceptAny, true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s := *l.state.Load()
	s.up, s.join = true, true
	l.state.Store(&s)
	w := &netWorker{ep: l.endpoints[0], c: &l.vtep.counters[0]}
	all := encap.MAC{255, 255, 255, 255, 255, 255}
	h := encap.HeaderFor(42)
	receive := func(dst encap.MAC, from netip.Addr, n int, now fdb.Tick) uint64 {
		before := sumCounters(l.shards)
		batch := make([]encap.Datagram, n)
		for i := range batch {
			batch[i] = encap.Datagram{Payload: append(h[:len(h):len(h)], wholeFrame(dst)...), Src: encap.AddrFrom(from)}
		}
		w.link = nil
		w.fromUnderlay(batch, now)
		after := sumCounters(l.shards)
		if got := after.RxPackets - before.RxPackets + after.Drops[RxPeerBUMLimit] - before.Drops[RxPeerBUMLimit]; got != uint64(n) {
			t.Errorf("%d of %d frames are accounted for", got, n)
		}
		return after.RxPackets - before.RxPackets
	}
	for _, tt := range []struct {
		what string
		dst  encap.MAC
		from netip.Addr
		now  fdb.Tick
		want uint64
	}{
		{"a peer", all, peers[0], 1, 5}, {"more of it", all, peers[0], 1, 0}, {"its unicast", here, peers[0], 1, 20},
		{"a stranger", all, peers[1], 1, 5}, {"another", all, peers[1].Next(), 1, 0}, {"a second later", all, peers[0], 2, 5},
	} {
		if got := receive(tt.dst, tt.from, 20, tt.now); got != tt.want {
			t.Errorf("%s: %d of 20 frames were taken, want %d", tt.what, got, tt.want)
		}
	}
}
