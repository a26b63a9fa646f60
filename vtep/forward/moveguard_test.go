package forward

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// Remotes of the tests.
var (
	homeAddr  = encap.AddrFrom(netip.MustParseAddr("192.0.2.2"))
	otherAddr = encap.AddrFrom(netip.MustParseAddr("192.0.2.3"))
	homeAt    = Home{Addr: homeAddr}
	otherAt   = Home{Addr: otherAddr}
)

// flap has m move between the two, n times.
func flap(g *moveGuard, m encap.MAC, n int, now fdb.Tick) {
	for i := range n {
		if i%2 == 0 {
			g.note(m, homeAt, otherAt, now)
		} else {
			g.note(m, otherAt, homeAt, now)
		}
	}
}

func (g *moveGuard) isHeld(m encap.MAC) bool { _, held := g.holds(m); return held }

// TestMoveGuardWindow: six moves within the window hold a MAC for the rest of it,
// where it was before them; fewer or slower ones do not.
func TestMoveGuardWindow(t *testing.T) {
	var g moveGuard
	m, slow := encap.MAC{2, 1}, encap.MAC{2, 2}
	for now := range fdb.Tick(MaxMoves) {
		g.note(m, []Home{homeAt, otherAt}[now%2], []Home{otherAt, homeAt}[now%2], 100+now)
		g.note(slow, homeAt, otherAt, 100+now*40) // one window is over before the sixth
	}
	if g.isHeld(m) || g.isHeld(slow) {
		t.Fatal("held after as many moves as are allowed")
	}
	g.note(m, otherAt, homeAt, 105)
	g.note(slow, homeAt, otherAt, 300)
	if home, held := g.holds(m); !held || home != homeAt || g.isHeld(slow) {
		t.Errorf("held: %v, at %v; the slow one %v", held, home.Addr.Netip(), g.isHeld(slow))
	}
	if news := g.expire(106, false); !slices.Equal(news.Held, []encap.MAC{m}) || !slices.Equal(news.Homes, []Home{homeAt}) || news.Freed != nil {
		t.Errorf("told of %+v", news)
	}
	if news := g.expire(107, false); news.Held != nil || news.Freed != nil || !g.isHeld(m) {
		t.Errorf("told again of %+v", news)
	}
	if news := g.expire(100+GuardWindow, false); news.Held != nil || !slices.Equal(news.Freed, []encap.MAC{m}) {
		t.Errorf("at the end told of %+v", news)
	}
	if g.isHeld(m) || g.held.Load() != 0 {
		t.Error("held after its time")
	}
	if g.expire(300+GuardWindow, false); g.table.Load() != nil {
		t.Error("the table stays where nothing moves")
	}
}

// TestMoveGuardRelease: what a user says of a MAC ends the quarrel, and is told.
func TestMoveGuardRelease(t *testing.T) {
	var g moveGuard
	m := encap.MAC{2, 1}
	flap(&g, m, MaxMoves+1, 1)
	g.expire(1, false)
	g.release(m)
	if news := g.expire(2, false); g.isHeld(m) || g.held.Load() != 0 || !slices.Equal(news.Freed, []encap.MAC{m}) {
		t.Errorf("released: told of %+v, %d held", news, g.held.Load())
	}
	flap(&g, m, MaxMoves, 3)
	if g.isHeld(m) {
		t.Error("the moves before are remembered")
	}
	if flap(&g, m, 1, 3); g.isHeld(m) {
		return
	}
	flap(&g, m, MaxMoves+1, 3)
	if !g.isHeld(m) {
		t.Error("not held any more")
	}
}

// TestMoveGuardIsBounded: however many MACs move, the moves end, those that are held
// stay so, and the memory is one table.
func TestMoveGuardIsBounded(t *testing.T) {
	mac := func(n int) encap.MAC { return encap.MAC{2, 0, 0, byte(n >> 16), byte(n >> 8), byte(n)} }
	for _, macs := range []int{100, 1000, 5000, 100_000} {
		var g moveGuard
		first := mac(1 << 20)
		flap(&g, first, MaxMoves+1, 1)
		moves := 0
		for round := range 20 {
			moved := 0
			for n := range macs {
				a, b := homeAt, otherAt
				if round%2 == 1 {
					a, b = b, a
				}
				if home, held := g.holds(mac(n)); held && home != b || !held && g.parts(a, b) {
					continue
				}
				g.note(mac(n), a, b, fdb.Tick(2+round))
				moved++
			}
			moves += moved
		}
		if !g.isHeld(first) {
			t.Errorf("%d MACs: the one that was held is let go for others", macs)
		}
		// Those that are held may go home once more each round in this test, which moves
		// nothing in a link.
		if most := min(macs, guardEntries)*20 + MaxPairMoves + 1; moves > most {
			t.Errorf("%d MACs moved %d times, want at most %d", macs, moves, most)
		}
		if macs <= guardEntries/2 && int(g.held.Load()) != macs+1 {
			t.Errorf("%d of %d MACs are held", g.held.Load(), macs+1)
		}
		news := g.expire(30, false)
		if macs > 4*guardEntries && news.Pairs != 1 {
			t.Errorf("%d MACs: %d pairs are held", macs, news.Pairs)
		}
		if g.expire(31, true); g.held.Load() != 0 || g.isHeld(first) || g.table.Load() != nil {
			t.Errorf("%d MACs: not let go", macs)
		}
	}
}

// TestMoveGuardEmptiesHosts: MACs that move once are not held, however many.
func TestMoveGuardEmptiesHosts(t *testing.T) {
	var g moveGuard
	for n := range 3000 {
		g.note(encap.MAC{2, 0, 0, 0, byte(n >> 8), byte(n)}, homeAt, otherAt, 5)
	}
	if n := g.held.Load(); n != 0 || g.parts(homeAt, otherAt) {
		t.Errorf("%d are held", n)
	}
}

// TestGuardedMAC: of two remotes that claim a MAC the one that had it before has it in
// the end, at once, whoever spoke last; and a user's word is the last.
func TestGuardedMAC(t *testing.T) {
	l := newTestLink(NewPlane(1), Tables{})
	m := encap.MAC{2, 3, 3}
	var c Counters
	hear := func(from encap.Addr) bool {
		_, v := l.learn(&c, m, &arrived{src: from, peer: l.Remotes.Peer(from)}, 7)
		return v != refused
	}
	at := func() encap.Addr {
		id, _, ok := l.FDB.Peek(m)
		if !ok {
			t.Fatal("it is not known")
		}
		return l.Remotes.At(id).Addr
	}
	third := encap.AddrFrom(netip.MustParseAddr("192.0.2.4"))
	for i, from := range []encap.Addr{homeAddr, otherAddr, third, otherAddr, third, otherAddr} {
		if !hear(from) || at() != from {
			t.Fatalf("move %d: not behind %v", i, from.Netip())
		}
	}
	for range 100 {
		if hear(third) || hear(otherAddr) || at() != homeAddr {
			t.Fatalf("it is behind %v", at().Netip())
		}
	}
	if !hear(homeAddr) || c.moves.Load() != MaxMoves+1 {
		t.Errorf("%d moves", c.moves.Load())
	}
	if err := l.FDB.Replace(m, l.Remotes.Intern(RemoteKey{Addr: third, Port: encap.DefaultPort, VNI: 42}).ID, fdb.Dynamic, fdb.FlagUser, 7); err != nil {
		t.Fatal(err)
	}
	if at() != third || l.guard.held.Load() != 0 || !hear(third) {
		t.Errorf("after a user's word it is behind %v, %d held", at().Netip(), l.guard.held.Load())
	}
}

// TestHeldForOneself: that a MAC is held, or that two remotes quarrel, keeps nobody
// else's MACs where they are, nor new ones out.
func TestHeldForOneself(t *testing.T) {
	l := newTestLink(NewPlane(1), Tables{})
	third := encap.AddrFrom(netip.MustParseAddr("192.0.2.4"))
	var c Counters
	hear := func(m encap.MAC, from encap.Addr) bool {
		_, v := l.learn(&c, m, &arrived{src: from, peer: l.Remotes.Peer(from)}, 7)
		return v != refused
	}
	held, free, moved := encap.MAC{2, 3, 3}, encap.MAC{2, 3, 4}, encap.MAC{2, 3, 5}
	for range MaxMoves {
		hear(held, homeAddr)
		hear(held, otherAddr)
	}
	if hear(held, otherAddr) {
		t.Fatal("it is not held")
	}
	if !hear(free, homeAddr) || !hear(free, otherAddr) {
		t.Error("a MAC that nobody quarrels for is held")
	}
	if !hear(moved, homeAddr) {
		t.Error("a new MAC is held")
	}
	for n := range MaxPairMoves + 2*guardEntries {
		l.guard.note(encap.MAC{2, 9, 0, 0, byte(n >> 8), byte(n)}, homeAt, otherAt, 7)
	}
	if hear(moved, otherAddr) {
		t.Fatal("the two remotes are not apart")
	}
	if !hear(encap.MAC{2, 3, 6}, otherAddr) || !hear(moved, homeAddr) || !hear(moved, third) {
		t.Error("a new MAC, one that stays, or one that goes to another remote is held")
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
	b := ipFrame(dst, there, 200)
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
	synctest.Test(t, testPeerBUMLimit) // the clock stands still
}

func testPeerBUMLimit(t *testing.T) {
	l := newTestLink(NewPlane(1), Tables{})
	peers := []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")}
	add(t, l, encap.MAC{}, encap.AddrFrom(peers[0]), fdb.Permanent)
	s := *l.State.Load()
	s.Join, s.Learn, s.PeerBUMLimit = true, false, 100
	l.State.Store(&s)
	ep := NewEndpoint(l.plane)
	ep.SetLink(42, l)
	w := NewNetWorker(ep, 0)
	all := encap.MAC{255, 255, 255, 255, 255, 255}
	h := encap.HeaderFor(42)
	receive := func(dst encap.MAC, from netip.Addr, n int, now fdb.Tick) uint64 {
		before := Sum(l.Shards)
		batch := make([]encap.Datagram, n)
		for i := range batch {
			batch[i] = encap.Datagram{Payload: append(h[:len(h):len(h)], wholeFrame(dst)...), Src: encap.AddrFrom(from)}
		}
		w.Forward(batch, now)
		after := Sum(l.Shards)
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
		if tt.now == 2 {
			time.Sleep(time.Second)
		}
		if got := receive(tt.dst, tt.from, 20, tt.now); got != tt.want {
			t.Errorf("%s: %d of 20 frames were taken, want %d", tt.what, got, tt.want)
		}
	}
}

// TestGuardTellsDevicesApart: one link-local address behind two devices is two hosts' (RFC 4007
// section 6). A MAC that both claim is held behind the one that had it.
func TestGuardTellsDevicesApart(t *testing.T) {
	l := newTestLink(NewPlane(1), Tables{})
	m, local := encap.MAC{2, 3, 3}, encap.AddrFrom(netip.MustParseAddr("fe80::2"))
	var c Counters
	hear := func(device uint32) bool {
		_, v := l.learn(&c, m, &arrived{src: local, device: device, peer: l.Remotes.peers.lookup(local, device)}, 7)
		return v != refused
	}
	behind := func() uint32 {
		id, _, _ := l.FDB.Peek(m)
		return l.Remotes.At(id).Zone
	}
	for range MaxMoves {
		hear(5)
		hear(6)
	}
	for range 10 {
		if hear(6) || behind() != 5 {
			t.Fatalf("it is behind device %d, and held: %v", behind(), l.guard.isHeld(m))
		}
	}
	if !hear(5) || c.moves.Load() != MaxMoves+1 {
		t.Errorf("behind the device that had it it is refused, after %d moves", c.moves.Load())
	}
}
