package forward

import (
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// TestPeerTrafficOfMany: packets of two peers and of a stranger in one read count for whom
// they came from, superframes as what they stand for.
func TestPeerTrafficOfMany(t *testing.T) {
	l := newTestLink(NewPlane(1), Tables{})
	s := *l.State.Load()
	s.Join = true
	l.State.Store(&s)
	a, b, stranger := ip("192.0.2.2"), ip("192.0.2.3"), ip("192.0.2.4")
	add(t, l, there, a, fdb.Permanent)
	ep := NewEndpoint(l.plane)
	ep.SetLink(42, l)
	w := NewNetWorker(ep, 0)
	header := encap.HeaderFor(42)
	packet := func(src encap.MAC) []byte { return append(header[:], ipFrame(here, src, 100)...) }
	third := encap.MAC{2, 3}
	d := []encap.Datagram{
		{Src: a, Payload: packet(there)}, {Src: a, Payload: packet(there)},
		{Src: b, Payload: packet(third)}, // learned from this very packet
		{Src: a, Payload: packet(there)},
		{Src: b, Payload: packet(there)}, // pinned to a
		{Src: stranger, Payload: packet(encap.MAC{})},
	}
	w.Forward(d, 5)
	list, left := l.PeerStats(10)
	if len(list) != 2 || left != 0 {
		t.Fatalf("%+v", list)
	}
	for i, want := range []PeerStats{
		{Addr: a, Configured: true, Entries: 1, RxPackets: 3, RxBytes: 258, HeardAt: 5, Ever: true},
		{Addr: b, Entries: 1, RxPackets: 1, RxBytes: 86, RxDrops: 1, HeardAt: 5, Ever: true},
	} {
		if list[i] != want {
			t.Errorf("%+v, want %+v", list[i], want)
		}
	}
	if list, left := l.PeerStats(1); len(list) != 1 || left != 1 || list[0].Addr != a {
		t.Errorf("bounded: %+v, %d", list, left)
	}
	if got := Sum(l.Shards).RxPackets; got != 4 {
		t.Errorf("the link counts %d", got)
	}
}
