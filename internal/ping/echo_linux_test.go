package ping

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// TestMain runs the tests of hosts in network namespaces.
func TestMain(m *testing.M) { os.Exit(lab.TestMain(m)) }

// TestWayBack: a route back that is narrower than the way there shows in the answer, over IPv4 and IPv6.
func TestWayBack(t *testing.T) {
	l := lab.ForTest(t)
	a, err := l.Host("a")
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Host("b")
	if err != nil {
		t.Fatal(err)
	}
	wire, err := l.Wire(a, b, lab.WireOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		a, b  netip.Prefix
		whole int // of a route of mtu 1400, the longest fragment: a multiple of 8 behind the header
	}{
		{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("192.0.2.2/24"), 1396},
		{netip.MustParsePrefix("2001:db8::1/64"), netip.MustParsePrefix("2001:db8::2/64"), 1400},
	} {
		if err := errors.Join(a.AddAddr(wire.A, tt.a), b.AddAddr(wire.B, tt.b)); err != nil {
			t.Fatal(err)
		}
		ask := func() (width, back int) {
			err := a.Do(func() error {
				n, c := new(Host), &Config{Remote: tt.b.Addr()}
				if err := lab.Eventually(20*time.Second, func() error { return Ask(n, c, tt.a.Addr()) }); err != nil {
					return err
				}
				width, back = Width(n, c, tt.a.Addr(), 1500)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return width, back
		}
		if width, back := ask(); width != 1500 || back != 0 {
			t.Errorf("%s: %d there, %d back", tt.b, width, back)
		}
		if n := watched(t, a, b, tt.a.Addr(), tt.b.Addr()); n != 3 {
			t.Errorf("%s: %d packets to the port came, want 3", tt.b, n)
		}
		route := lab.Route{Dst: netip.PrefixFrom(tt.a.Addr(), tt.a.Addr().BitLen()), Dev: wire.B, MTU: 1400}
		if err := b.AddRoute(route); err != nil {
			t.Fatal(err)
		}
		if width, back := ask(); width != 1500 || back != tt.whole {
			t.Errorf("%s, a route back of mtu 1400: %d there, %d back", tt.b, width, back)
		}
	}
}

// watched is what Watch counts of three packets from b to a's port 4789, with one to another port behind them.
func watched(t *testing.T, a, b *lab.Host, dst, src netip.Addr) (n int) {
	t.Helper()
	var count func() (int, error)
	var last *net.UDPConn
	err := a.Do(func() (err error) {
		if last, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(dst, 4790))); err != nil {
			return err
		}
		count, err = new(Host).Watch(src, 4789)
		return err
	})
	if err == nil {
		defer last.Close()
		err = b.Do(func() error {
			for _, port := range []uint16{4789, 4789, 4789, 4790} {
				c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(src, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(dst, port)))
				if err != nil {
					return err
				}
				_, err = c.Write([]byte("x"))
				if err := errors.Join(err, c.Close()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		_, err = last.Read(make([]byte, 1)) // so the others have come
	}
	if err == nil {
		n, err = count()
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}
