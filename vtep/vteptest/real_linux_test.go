package vteptest_test

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

func TestMain(m *testing.M) { os.Exit(lab.TestMain(m)) }

// realSide is the host's side of a TAP: a packet socket on its netdev.
type realSide struct{ socket *lab.PacketSocket }

func (s realSide) Send(frame []byte) error { return s.socket.Send(frame) }

func (s realSide) Receive(timeout time.Duration) ([]byte, error) {
	p, err := s.socket.WaitFor(func(p lab.Packet) bool { return vteptest.IsTest(p.Data) }, timeout)
	return p.Data, err
}

// openReal makes a TAP, down, in a namespace.
func openReal(t testing.TB) (*lab.Host, vtep.Port, vtep.Netdev) {
	t.Helper()
	if err := lab.CheckTUN(); err != nil {
		lab.SkipOrFail(t, err)
	}
	h, err := lab.ForTest(t).Host("a")
	if err != nil {
		t.Fatal(err)
	}
	var p vtep.Port
	var d vtep.Netdev
	if err := h.Do(func() (err error) {
		p, d, err = new(vtep.SystemHost).OpenPort(tap.Config{Name: "vxlan0"})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return h, p, d
}

func TestRealPort(t *testing.T) {
	vteptest.TestPort(t, func(t testing.TB) (vtep.Port, vteptest.HostSide) {
		h, p, _ := openReal(t)
		if err := h.SetUp("vxlan0", true); err != nil {
			t.Fatal(err)
		}
		socket, err := h.OpenPacket("vxlan0")
		if err != nil {
			t.Fatal(err)
		}
		return p, realSide{socket}
	})
}

func TestRealNetdev(t *testing.T) {
	vteptest.TestNetdev(t, func(t testing.TB) (vtep.Port, vtep.Netdev, func() error) {
		h, p, d := openReal(t)
		return p, d, func() error { return h.DelLink("vxlan0") }
	})
}

func TestRealUnderlay(t *testing.T) {
	for _, tt := range []struct {
		name, a, b, none string
		bits, workers    int
	}{
		{"IPv4", "192.0.2.1", "192.0.2.2", "203.0.113.1", 24, 1},
		{"IPv6", "2001:db8:1::1", "2001:db8:1::2", "2001:db8:ffff::1", 64, 1},
		{"IPv4 3 workers", "192.0.2.1", "192.0.2.2", "203.0.113.1", 24, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			vteptest.TestUnderlay(t, func(t testing.TB) vteptest.Underlay {
				a, b := netip.MustParseAddr(tt.a), netip.MustParseAddr(tt.b)
				u := vteptest.Underlay{
					Src: a, Dst: netip.AddrPortFrom(b, 4789),
					SrcPortMin: 50000, SrcPortMax: 50999, MTU: 1500, NoRoute: netip.MustParseAddr(tt.none), Reorders: true,
				}
				openWire(t, &u, tt.bits, tt.workers)
				return u
			})
		})
	}
}

// openWire joins two hosts and opens the sockets of u.
func openWire(t testing.TB, u *vteptest.Underlay, bits, workers int) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	l := lab.ForTest(t)
	a, err := l.Host("a")
	must(err)
	b, err := l.Host("b")
	must(err)
	w, err := l.Wire(a, b, lab.WireOptions{MTU: u.MTU})
	must(err)
	must(a.AddAddr(w.A, netip.PrefixFrom(u.Src, bits)))
	must(b.AddAddr(w.B, netip.PrefixFrom(u.Dst.Addr(), bits)))
	// The neighbours' answers would take packets from the first batch.
	_, err = lab.Ping(a, netip.Addr{}, u.Dst.Addr(), 56, 1)
	must(err)
	must(a.Do(func() (err error) {
		u.Transmitter, _, err = new(vtep.SystemHost).OpenTransmitter(underlay.TransmitterConfig{
			Local: u.Src, V6: u.Src.Is6(), SrcPortMin: u.SrcPortMin, SrcPortMax: u.SrcPortMax,
		})
		return err
	}))
	must(b.Do(func() (err error) {
		u.Receiver, u.Sockets, err = new(vtep.SystemHost).Listen(underlay.ReceiverConfig{
			Local: u.Dst.Addr(), V6: u.Dst.Addr().Is6(), Port: u.Dst.Port(), Workers: workers,
		})
		return err
	}))
}
