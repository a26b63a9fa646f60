package forward

import (
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

var (
	here  = encap.MAC{2, 1}
	there = encap.MAC{2, 2}
)

func ip(s string) encap.Addr { return encap.AddrFrom(netip.MustParseAddr(s)) }

// sinkPort takes every frame.
type sinkPort struct{}

func (sinkPort) Queues() int                                    { return 1 }
func (sinkPort) WriteBatch(_ int, f []encap.Frame) (int, error) { return len(f), nil }

// unwatched is told of peers and does nothing.
type unwatched struct{}

func (unwatched) Came(encap.Addr) {}
func (unwatched) Left(encap.Addr) {}

// peerLog notes who is no peer any more.
type peerLog struct {
	unwatched
	left []encap.Addr
}

func (l *peerLog) Left(a encap.Addr) { l.left = append(l.left, a) }

// newTestLink is a link with one queue, up, that takes packets from everybody.
func newTestLink(p *Plane, t Tables) *Link {
	t.Peers = unwatched{}
	l := NewLink(p, t)
	l.SetQueues(1)
	l.State.Store(&State{
		Name: "vxlan0", Up: true, MAC: encap.MAC{2, 0xff}, MTU: 1450, Port: sinkPort{}, Learn: true, MoveGuard: true,
		Learned: RemoteKey{Port: encap.DefaultPort, VNI: 42},
	})
	return l
}

// noAllocs calls fn with a clock that goes on.
func noAllocs(t *testing.T, what string, fn func(now fdb.Tick)) {
	t.Helper()
	now := fdb.Tick(1)
	if n := testing.AllocsPerRun(200, func() { now++; fn(now) }); n != 0 {
		t.Errorf("%s: %v allocations, want 0", what, n)
	}
}

// add gives l an entry of a user's.
func add(t *testing.T, l *Link, mac encap.MAC, to encap.Addr, state fdb.State) {
	t.Helper()
	key := l.State.Load().Learned
	key.Addr = to
	if err := l.FDB.Add(mac, l.Remotes.Intern(key).ID, state, fdb.FlagUser, 1); err != nil {
		t.Fatal(err)
	}
}

// ipFrame is a UDP packet over IPv4 from one MAC to another.
func ipFrame(dst, src encap.MAC, size int) []byte {
	b := make([]byte, size)
	copy(b, dst[:])
	copy(b[6:], src[:])
	n := len(b) - encap.EthernetHeaderLen
	copy(b[12:], []byte{8, 0, 0x45, 0, byte(n >> 8), byte(n), 0, 0, 0x40, 0, 64, encap.ProtoUDP, 0, 0, 198, 51, 100, 2, 198, 51, 100, 1})
	sum := ^encap.Sum(b[14:34])
	b[24], b[25] = byte(sum>>8), byte(sum)
	return b
}
