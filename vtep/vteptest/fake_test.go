package vteptest_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// fakeSide is the host's side of a device in memory.
type fakeSide struct{ *vteptest.Device }

func (s fakeSide) Send(frame []byte) error {
	if !s.Inject(encap.Frame{Data: frame}) {
		return errors.New("not taken")
	}
	return nil
}

func (s fakeSide) Receive(timeout time.Duration) ([]byte, error) {
	select {
	case f := <-s.Output():
		return f.Data, nil
	case <-time.After(timeout):
		return nil, errors.New("nothing")
	}
}

// openFake makes a device in memory.
func openFake(t testing.TB) *vteptest.Device {
	h := vteptest.NewNetwork().Host(netip.MustParseAddr("192.0.2.1"))
	if _, _, err := h.OpenPort(tap.Config{Name: "vxlan0"}); err != nil {
		t.Fatal(err)
	}
	return h.Device("vxlan0")
}

func TestFakePort(t *testing.T) {
	vteptest.TestPort(t, func(t testing.TB) (vtep.Port, vteptest.HostSide) {
		d, up := openFake(t), true
		if err := d.Set(tap.Change{Up: &up}); err != nil {
			t.Fatal(err)
		}
		return d, fakeSide{d}
	})
}

func TestFakeNetdev(t *testing.T) {
	vteptest.TestNetdev(t, func(t testing.TB) (vtep.Port, vtep.Netdev, func() error) {
		d := openFake(t)
		return d, d, func() error { d.Delete(); return nil }
	})
}

func TestFakeUnderlay(t *testing.T) {
	for _, tt := range []struct{ name, a, b, none string }{
		{"IPv4", "192.0.2.1", "192.0.2.2", "203.0.113.1"},
		{"IPv6", "2001:db8:1::1", "2001:db8:1::2", "2001:db8:ffff::1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			vteptest.TestUnderlay(t, func(t testing.TB) vteptest.Underlay {
				n := vteptest.NewNetwork()
				a, b := n.Host(netip.MustParseAddr(tt.a)), n.Host(netip.MustParseAddr(tt.b))
				u := vteptest.Underlay{
					Src: netip.MustParseAddr(tt.a), Dst: netip.AddrPortFrom(netip.MustParseAddr(tt.b), 4789),
					SrcPortMin: 50000, SrcPortMax: 50999, MTU: 1500, NoRoute: netip.MustParseAddr(tt.none),
				}
				a.Block(u.NoRoute)
				var err error
				u.Transmitter, _, err = a.OpenTransmitter(underlay.TransmitterConfig{
					V6: u.Src.Is6(), SrcPortMin: u.SrcPortMin, SrcPortMax: u.SrcPortMax,
				})
				if err != nil {
					t.Fatal(err)
				}
				if u.Receiver, u.Sockets, err = b.Listen(underlay.ReceiverConfig{V6: u.Src.Is6(), Port: 4789}); err != nil {
					t.Fatal(err)
				}
				return u
			})
		})
	}
}
