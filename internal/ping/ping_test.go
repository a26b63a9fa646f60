package ping

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	here   = netip.MustParseAddr("192.0.2.1")
	there  = netip.MustParseAddr("192.0.2.2")
	inside = netip.MustParseAddr("198.51.100.2")
	mac    = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	far    = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

// fake is a network with a remote that listens on 4789, behind a path of 1550 bytes.
type fake struct {
	dev      string
	noRoute  error
	dead     bool
	listens  map[uint16]bool
	prohibit bool
	width    int
	back     int
	arrive   int    // packets from the remote
	received uint64 // by the daemon, more at each look
	passes   bool   // what arrives gets to the daemon
	hosts    map[netip.Addr][]net.HardwareAddr
	lose     int // echoes that are lost first
	echoes   int
}

func healthy() *fake {
	return &fake{dev: "eth0", listens: map[uint16]bool{4789: true}, width: 1550, hosts: map[netip.Addr][]net.HardwareAddr{inside: {far}}}
}

func (f *fake) Route(netip.Addr, netip.Addr) (string, netip.Addr, int, error) {
	return f.dev, here, 1550, f.noRoute
}

func (f *fake) Echo(_, _ netip.Addr, size int, _ time.Duration) (Answer, error) {
	f.echoes++
	if f.dead || size > f.width || f.echoes <= f.lose {
		return Answer{}, ErrSilent
	}
	a := Answer{RTT: time.Millisecond}
	if f.back > 0 && size > f.back {
		a.Piece = f.back
	}
	return a, nil
}

func (f *fake) UDP(_ netip.Addr, to netip.AddrPort, _ []byte) error {
	switch {
	case f.prohibit:
		return syscall.EHOSTUNREACH
	case !f.listens[to.Port()]:
		return syscall.ECONNREFUSED
	}
	return nil
}

func (f *fake) Neighbour(_ string, _ net.HardwareAddr, ip netip.Addr, _ time.Duration) ([]net.HardwareAddr, error) {
	if m := f.hosts[ip]; m != nil {
		return m, nil
	}
	return nil, ErrSilent
}

func (f *fake) Watch(netip.Addr, uint16) (func() (int, error), error) {
	return func() (int, error) { return f.arrive, nil }, nil
}

func (f *fake) daemon() (uint64, error) {
	if f.passes {
		f.received += uint64(f.arrive)
	}
	return f.received, nil
}

func TestRun(t *testing.T) {
	for name, tt := range map[string]struct {
		broken func(*fake)
		want   string // the verdict begins so
		asked  int    // layers
	}{
		"all well":         {func(*fake) {}, "ok: route, underlay, port, path and overlay", 5},
		"two echoes lost":  {func(f *fake) { f.lose = 2 }, "ok: ", 5},
		"no route":         {func(f *fake) { f.noRoute = errors.New("network is unreachable") }, "route fails: network is unreachable: give this host a route", 1},
		"through itself":   {func(f *fake) { f.dev = "vxlan0" }, "route fails: the route to 192.0.2.2 leads through vxlan0, the tunnel itself", 1},
		"dead":             {func(f *fake) { f.dead = true }, "underlay fails: 192.0.2.2: no answer: see whether the host is up", 2},
		"daemon down":      {func(f *fake) { f.listens = nil }, "port fails: UDP 192.0.2.2:4789: nobody listens: start the VTEP there", 3},
		"kernel's port":    {func(f *fake) { f.listens = map[uint16]bool{8472: true} }, "port fails: UDP 192.0.2.2:4789: nobody listens: something listens on 8472 there", 3},
		"firewall refuses": {func(f *fake) { f.prohibit = true }, "port fails: UDP 192.0.2.2:4789: no route to host: look for a firewall", 3},
		"MTU 50 short":     {func(f *fake) { f.width = 1500 }, "path fails: 1500 bytes pass unfragmented, 1550 do not: uvtep link set vxlan0 mtu 1450", 4},
		"narrow way back":  {func(f *fake) { f.back = 1500 }, "path fails: 1550 bytes pass unfragmented, and come back in pieces of at most 1500: make the path back as wide", 4},
		"a liar": {func(f *fake) { f.hosts[inside] = append(f.hosts[inside], mac) },
			"overlay fails: 02:00:00:00:00:02 and 02:00:00:00:00:01 both say that they have 198.51.100.2: find the one that lies", 5},
		"firewall here": {func(f *fake) { f.hosts, f.arrive = nil, 3 },
			"overlay fails: 198.51.100.2 on vxlan0: no answer; 3 packets came from 192.0.2.2, and none of them to uvtep: let UDP port 4789 through this host's firewall", 5},
		"uvtep drops it": {func(f *fake) { f.hosts, f.arrive, f.passes = nil, 3, true }, "overlay fails: 198.51.100.2 on vxlan0: no answer: compare VNI 42", 5},
		"wrong VNI":      {func(f *fake) { f.hosts = nil }, "overlay fails: 198.51.100.2 on vxlan0: no answer: compare VNI 42", 5},
	} {
		f := healthy()
		tt.broken(f)
		c := &Config{Remote: there, Port: 4789, Link: "vxlan0", VNI: 42, MTU: 1500, MAC: mac, Probe: true, Overlay: inside, Received: f.daemon}
		asked := 0
		failed := Run(f, c, func(s Step) {
			asked++
			if s.OK != (s.Do == "") {
				t.Errorf("%s: %+v", name, s)
			}
		})
		if got := Verdict(c, failed); !strings.HasPrefix(got, tt.want) || asked != tt.asked {
			t.Errorf("%s: %q after %d layers, want %q after %d", name, got, asked, tt.want, tt.asked)
		}
	}
}

// TestWidth: the width of each path is found to the byte.
func TestWidth(t *testing.T) {
	for width := 576; width <= 1700; width++ {
		f := healthy()
		f.width = width
		r := run{n: f, c: &Config{Remote: there}, mtu: 1600}
		if got, back := r.width(1600); got != min(width, 1600) || back != 0 {
			t.Fatalf("%d, back %d, want %d", got, back, width)
		}
	}
}
