package vtep

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

var (
	peer1    = netip.MustParseAddr("192.0.2.2")
	peer2    = netip.MustParseAddr("192.0.2.3")
	stranger = netip.MustParseAddr("203.0.113.1")
	victim   = encap.MAC{2, 0x11}
	liar     = encap.MAC{2, 0x22}
)

// flowOf is a segment of the victim's flow; the n-th has an id of its own.
func flowOf(n int, tos uint8) udpPacket {
	return udpPacket{dst: here, src: victim, sport: 1000, dport: 2000, id: uint16(n), tos: tos, payload: bytes.Repeat([]byte{byte(n)}, 100)}
}

// between is a frame that can be no segment, of another flow and sender, such as
// whoever wants to be taken for the sender of the one before sends first.
func between(tos uint8) udpPacket {
	return udpPacket{dst: here, src: liar, sport: 1, dport: 2, tos: tos, noChecksum: true, payload: make([]byte, 50)}
}

// farther is d as it arrives behind one more router.
func farther(d encap.Datagram) encap.Datagram {
	d.TTL--
	return d
}

// joiningRig has the link vxlan0, VNI 42, with two peers.
func joiningRig(t *testing.T, edit func(*LinkConfig)) *rxRig {
	t.Helper()
	c := LinkConfig{Name: "vxlan0", VNI: 42, Local: netip.MustParseAddr("192.0.2.1"), Remote: peer1}
	if edit != nil {
		edit(&c)
	}
	r := newRxRig(t, true, c)
	if err := r.v.FDBAppend(FDBEntry{Link: "vxlan0", Remote: Remote{Addr: peer2}}); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestForgedSegment: a datagram that continues the superframe of a peer's flow is
// judged by itself unless it comes from that peer by that peer's headers, whatever
// came between: each policy of the link, each learned address, each mark.
func TestForgedSegment(t *testing.T) {
	const notECT, ect0, ce = 0, 2, 3
	for _, tt := range []struct {
		name   string
		config func(*LinkConfig)
		before func(t *testing.T, r *rxRig)
		first  udpPacket      // of peer1
		middle encap.Datagram // none where it has no payload
		forged encap.Datagram
		drop   forward.DropReason // 0: none
		after  func(t *testing.T, r *rxRig, got []encap.Frame)
	}{
		{name: "accept", first: flowOf(0, 0), forged: vxlan(stranger, 42, 0, flowOf(1, 0).build()), drop: forward.RxNotPeer},
		{name: "min_ttl", config: func(c *LinkConfig) { c.MinTTL = 255 }, first: flowOf(0, 0),
			forged: farther(vxlan(peer1, 42, 0, flowOf(1, 0).build())), drop: forward.RxLowTTL},
		{name: "accept, behind another flow", first: flowOf(0, 0), middle: vxlan(peer2, 42, 0, between(0).build()),
			forged: vxlan(stranger, 42, 0, flowOf(1, 0).build()), drop: forward.RxNotPeer},
		{name: "pinned MAC", first: flowOf(0, 0), middle: vxlan(peer2, 42, 0, between(0).build()),
			before: func(t *testing.T, r *rxRig) {
				if err := r.v.FDBReplace(FDBEntry{Link: "vxlan0", MAC: victim, Remote: Remote{Addr: peer1}, State: fdb.Static}); err != nil {
					t.Fatal(err)
				}
			},
			forged: vxlan(peer2, 42, 0, flowOf(1, 0).build()), drop: forward.RxStaticMAC},
		{name: "move guard", first: flowOf(0, 0), middle: vxlan(peer2, 42, 0, between(0).build()),
			before: func(_ *testing.T, r *rxRig) {
				r.hear(vxlan(peer1, 42, 0, flowOf(9, 0).build()))
				for n := range forward.MaxMoves + 1 {
					r.hear(vxlan([]netip.Addr{peer2, peer1}[n%2], 42, 0, flowOf(9, 0).build()))
				}
			},
			forged: vxlan(peer2, 42, 0, flowOf(1, 0).build()), drop: forward.RxMoveGuard},
		{name: "learning", first: flowOf(0, 0), middle: vxlan(peer2, 42, 0, between(0).build()),
			forged: vxlan(peer2, 42, 0, flowOf(1, 0).build()),
			after: func(t *testing.T, r *rxRig, _ []encap.Frame) {
				if s := r.stats("vxlan0"); s.Moves != 1 {
					t.Errorf("%d moves, want 1: the MAC was not learned behind who sent last", s.Moves)
				}
			}},
		{name: "ECN drop", first: flowOf(0, notECT), middle: vxlan(peer1, 42, ce, between(ect0).build()),
			forged: vxlan(peer1, 42, ce, flowOf(1, notECT).build()), drop: forward.RxECN},
		{name: "congestion mark", first: flowOf(0, ect0), middle: vxlan(peer1, 42, ce, between(ect0).build()),
			forged: vxlan(peer1, 42, ce, flowOf(1, ect0).build()),
			after: func(t *testing.T, _ *rxRig, got []encap.Frame) {
				markedWith(t, got, ce)
			}},
		{name: "outer TOS", first: flowOf(0, ect0), forged: vxlan(peer1, 42, ce, flowOf(1, ect0).build()),
			after: func(t *testing.T, _ *rxRig, got []encap.Frame) {
				markedWith(t, got, ce)
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := joiningRig(t, tt.config)
			if tt.before != nil {
				tt.before(t, r)
				r.arrived("vxlan0")
			}
			batch := []encap.Datagram{vxlan(peer1, 42, 0, tt.first.build())}
			if tt.middle.Payload != nil {
				batch = append(batch, tt.middle)
			}
			want := len(batch)
			if batch = append(batch, tt.forged); tt.drop == 0 {
				want++
			}
			r.hear(batch...)
			got := r.arrived("vxlan0")
			if len(got) != want || tt.drop != 0 && r.stats("vxlan0").Drops[tt.drop] != 1 {
				t.Fatalf("%d frames came out, want %d; drops %v", len(got), want, r.stats("vxlan0").Drops)
			}
			if tt.after != nil {
				tt.after(t, r, got)
			}
		})
	}
}

// markedWith checks the TOS of segment 1 of the victim's flow.
func markedWith(t *testing.T, got []encap.Frame, tos uint8) {
	t.Helper()
	for _, f := range got {
		if in := encap.ParseInner(f.Data); encap.EthSrc(f.Data) == victim && f.Data[in.L4+8] == 1 && in.TOS != tos {
			t.Errorf("the frame's TOS is %d, want %d: the mark was lost", in.TOS, tos)
		}
	}
}

// TestForgedSegmentLimit: `peerbumlimit` holds for the segments of a multicast
// flow as well, though a frame that it is not about comes between them.
func TestForgedSegmentLimit(t *testing.T) {
	const perSecond, limit, sent = 1, 1, 200
	r := joiningRig(t, func(c *LinkConfig) { c.PeerBUMLimit = perSecond })
	multicast := func(n int) []byte {
		p := flowOf(n, 0)
		p.dst = encap.MAC{1, 0, 0x5e, 0, 0, 1}
		return p.build()
	}
	batch := []encap.Datagram{vxlan(peer1, 42, 0, multicast(0)), vxlan(peer1, 42, 0, between(0).build())}
	for n := 1; n < sent; n++ {
		batch = append(batch, vxlan(peer1, 42, 0, multicast(n)))
	}
	r.hear(batch...)
	got := 0
	for _, f := range r.arrived("vxlan0") {
		if encap.EthDst(f.Data).IsMulticast() {
			got++
		}
	}
	if drops := r.stats("vxlan0").Drops[forward.RxPeerBUMLimit]; got != limit || drops != sent-limit {
		t.Errorf("%d of %d came out within a second, %d dropped: want %d and %d", got, sent, drops, limit, sent-limit)
	}
}

// TestSegmentsOfOneSender: what the shortcut is for still takes it.
func TestSegmentsOfOneSender(t *testing.T) {
	r := joiningRig(t, nil)
	var batch []encap.Datagram
	for n := range 60 {
		batch = append(batch, vxlan(peer1, 42, 0, flowOf(n, 0).build()))
	}
	r.hear(batch...)
	if n := len(r.ports["vxlan0"].frames); n != 1 {
		t.Errorf("60 segments of one flow became %d writes, want 1", n)
	}
}
