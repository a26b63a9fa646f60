package bgp

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// given are the ports that tests were given: the kernel gives a free one again, also to a test beside.
var given sync.Map

// port is a free port of loopback, which no other test was given.
func port(t *testing.T, at netip.Addr) uint16 {
	t.Helper()
	for {
		l, err := tcpNetwork{}.Listen(t.Context(), netip.AddrPortFrom(at, 0), "")
		if err != nil {
			t.Fatal(err)
		}
		p := netip.MustParseAddrPort(l.Addr().String()).Port()
		_ = l.Close()
		if _, again := given.LoadOrStore(p, true); !again {
			return p
		}
	}
}

// sessionOverTCP starts a listening and a dialling speaker on loopback and reports whether
// they have a session within a time.
func sessionOverTCP(t *testing.T, listen, dial NeighbourConfig, within time.Duration) bool {
	t.Helper()
	at := dial.Address
	p := port(t, at)
	dial.Port, dial.ConnectRetry, listen.Passive = p, 50*time.Millisecond, true
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	var speakers []*Speaker
	for i, c := range []NeighbourConfig{listen, dial} {
		config := Config{AS: 65001, RouterID: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), Handler: &heard{}}
		if i == 0 {
			config.Listen = []netip.AddrPort{netip.AddrPortFrom(at, p)}
		}
		s, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.AddNeighbour(c); err != nil {
			t.Fatal(err)
		}
		if err := s.Announce(routes[i+2], &plain); err != nil {
			t.Fatal(err)
		}
		speakers = append(speakers, s)
		go func() { ended <- s.Run(ctx) }()
	}
	defer func() {
		end()
		for range speakers {
			if err := <-ended; err != nil && !errors.Is(err, errors.ErrUnsupported) {
				t.Error(err)
			}
		}
	}()
	for limit := time.Now().Add(within); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		if a, b := speakers[0].Neighbours()[0], speakers[1].Neighbours()[0]; a.Routes == 1 && b.Routes == 1 {
			return true
		}
	}
	t.Logf("%+v", speakers[1].Neighbours()[0])
	return false
}

// hasSignatures reports whether this kernel has TCP MD5 signatures. Where it has none, a
// password is refused in words.
func hasSignatures(t *testing.T) bool {
	t.Helper()
	l, err := tcpNetwork{}.Listen(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = l.Expect(&NeighbourConfig{Address: netip.MustParseAddr("127.0.0.1"), Password: "x"})
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Fatal(err)
	}
	return err == nil
}

// TestTCP: sessions over this host's sockets, with and without what protects them.
func TestTCP(t *testing.T) {
	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	for _, at := range []netip.Addr{v4, v6} {
		base := NeighbourConfig{Address: at, RemoteAS: 65001}
		with := func(change func(*NeighbourConfig)) NeighbourConfig {
			c := base
			change(&c)
			return c
		}
		signatures := hasSignatures(t)
		signed := with(func(c *NeighbourConfig) { c.Password = "secret" })
		other := with(func(c *NeighbourConfig) { c.Password = "Secret" })
		guarded := with(func(c *NeighbourConfig) { c.TTLSecurity = true })
		far := with(func(c *NeighbourConfig) { c.Hops = 64 })
		onDevice := with(func(c *NeighbourConfig) { c.Device = "lo" })
		for name, c := range map[string]struct {
			listen, dial NeighbourConfig
			works        bool
		}{
			"plain":          {base, base, true},
			"signed":         {signed, signed, signatures},
			"other password": {signed, other, false},
			"not signed":     {signed, base, false},
			"only one signs": {base, signed, false},
			"TTL security":   {guarded, guarded, true},
			"low TTL":        {guarded, far, false},
			"device":         {onDevice, onDevice, true},
			"source":         {base, with(func(c *NeighbourConfig) { c.Source = at }), true},
		} {
			t.Run(at.String()+" "+name, func(t *testing.T) {
				t.Parallel()
				within := 30 * time.Second
				if !c.works {
					within = 500 * time.Millisecond
				}
				if got := sessionOverTCP(t, c.listen, c.dial, within); got != c.works {
					t.Errorf("a session: %v", got)
				}
			})
		}
	}
}

// TestPasswordsGo: who is no neighbour any more may connect without a signature, and is a
// stranger.
func TestPasswordsGo(t *testing.T) {
	at := netip.MustParseAddr("127.0.0.1")
	l, err := tcpNetwork{}.Listen(t.Context(), netip.AddrPortFrom(at, 0), "")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := NeighbourConfig{Address: at, Password: "secret"}
	for _, password := range []string{"secret", "other", "", ""} {
		n.Password = password
		if err := l.Expect(&n); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%q: %v", password, err)
		}
	}
	if err := l.Expect(&NeighbourConfig{Address: netip.IPv6Loopback(), Password: "x"}); err != nil {
		t.Errorf("a neighbour of the other family: %v", err)
	}
	c, err := l.(*tcpListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := control(c, func(fd int) error { return bindToDevice(fd, "nosuch") }); err == nil || err == unix.EPERM { //nolint:errorlint // a bare errno
		t.Errorf("a device that is not there: %v", err)
	}
}
