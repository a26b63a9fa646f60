package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/bgp"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/peer"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// Addresses of the data plane, of its agent's neighbour, and of a VTEP that this announces.
var (
	ownAddr   = netip.MustParseAddr("192.0.2.1")
	stubAddr  = netip.MustParseAddr("127.0.0.1") // no test leaves this host
	otherAddr = netip.MustParseAddr("192.0.2.9")
)

// rig is an agent with a data plane in memory, its real control socket between them, and a scripted
// neighbour.
type rig struct {
	t        testing.TB
	dir      string
	listener net.Listener // the neighbour's
	host     *vteptest.Host
	vtep     *vtep.VTEP
	lines    *logLines
	stop     func() // of the control socket
	kill     func() // of the agent
	hangups  chan os.Signal
	*stub
}

// logLines counts lines of a log, and keeps the first ones.
type logLines struct {
	mu   sync.Mutex
	n    int
	text strings.Builder
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n++; l.n < 100 {
		l.text.Write(b)
	}
	return len(b), nil
}

func newRig(t testing.TB, vnis ...uint32) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), lines: &logLines{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.listener = l
	r.newVTEP(vnis...)
	r.serve()
	r.write("links: all\n")
	t.Cleanup(func() {
		_ = l.Close()
		r.stop()
		if t.Failed() {
			t.Logf("the log:\n%s", r.lines.text.String())
		}
	})
	return r
}

// newVTEP makes a data plane with a link of each VNI, in place of the one that there is.
func (r *rig) newVTEP(vnis ...uint32) {
	r.t.Helper()
	r.host = vteptest.NewNetwork().Host(ownAddr)
	v := vtep.New(vtep.Config{Host: r.host, Log: slog.New(slog.DiscardHandler), Workers: 1})
	r.t.Cleanup(func() { _ = v.Close() })
	r.vtep = v
	for _, vni := range vnis {
		r.addLink(vni)
	}
}

func (r *rig) addLink(vni uint32) {
	r.t.Helper()
	if err := r.vtep.AddLink(vtep.LinkConfig{Name: linkName(vni), VNI: encap.VNI(vni), Local: ownAddr, EVPN: true, MaxAddresses: -1}); err != nil {
		r.t.Fatal(err)
	}
	if err := r.vtep.SetLinkUp(linkName(vni), true); err != nil {
		r.t.Fatal(err)
	}
}

func linkName(vni uint32) string { return fmt.Sprint("vxlan", vni) }

// serve opens the control socket; stop closes it.
func (r *rig) serve() {
	r.t.Helper()
	s, err := control.Listen(control.ServerConfig{Path: r.path("control"), Backend: r.vtep, Subscribe: r.vtep.Subscribe, Netdevs: noNetdevs{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background()) // the test's context ends before its cleanups
	var group sync.WaitGroup
	group.Go(func() { _ = s.Serve(ctx) })
	r.stop = func() {
		cancel()
		group.Wait()
	}
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

// write writes the agent's file with what is given.
func (r *rig) write(more string) {
	r.t.Helper()
	r.writeFile("", more)
}

// writeFile has words of the neighbour, too.
func (r *rig) writeFile(words, more string) {
	r.t.Helper()
	port := r.listener.Addr().(*net.TCPAddr).Port
	text := fmt.Sprintf("as: 65001\nrouter-id: %v\nsocket: %s\nlinger: 0\nneighbors:\n  - {address: %v, remote-as: 65001, port: %d, connect-retry: 1%s}\n%s", ownAddr, r.path("evpn"), stubAddr, port, words, more)
	if err := os.WriteFile(r.path("evpn.yaml"), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// start starts an agent, and the neighbour's session.
func (r *rig) start() {
	r.t.Helper()
	r.hangups = make(chan os.Signal)
	ready, ended := make(chan struct{}), make(chan error, 1)
	o := Options{File: r.path("evpn.yaml"), Control: r.path("control"), Log: func(string) *slog.Logger { return slog.New(slog.NewTextHandler(r.lines, nil)) }, Hangups: r.hangups, Ready: func() { close(ready) }}
	ctx, cancel := context.WithCancel(context.Background()) // the test's context ends before its cleanups
	go func() { ended <- Run(ctx, o) }()
	r.kill = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(r.kill)
	<-ready
	r.stub = r.accept()
}

// stub is a session of the neighbour, which says what a test has it say.
type stub struct {
	t testing.TB
	*peer.Peer
}

// accept takes the agent's connection, and opens the session.
func (r *rig) accept() *stub {
	r.t.Helper()
	c, err := r.listener.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	p, err := peer.Open(c, 65001, otherAddr)
	if err != nil {
		r.t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(p.Discard)
	r.t.Cleanup(func() {
		_ = p.Close()
		group.Wait()
	})
	return &stub{r.t, p}
}

func (s *stub) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// attributesOf are those of routes of a VNI.
func attributesOf(vni uint32) *bgp.Attributes {
	return &bgp.Attributes{NextHop: otherAddr, LocalPref: 100, ExtCommunities: []bgp.ExtCommunity{bgp.Encapsulation(bgp.EncapVXLAN), bgp.RouteTarget(65001, vni)}}
}

// hostRoutes are the T2 of hosts from one number to before another.
func hostRoutes(vni uint32, from, to int) []bgp.Route {
	var all []bgp.Route
	for i := from; i < to; i++ {
		all = append(all, bgp.Route{Type: bgp.MACIP, RD: bgp.NewRD(otherAddr, uint16(vni)), MAC: bgp.MAC(hostMAC(i)), Label: vni})
	}
	return all
}

func hostMAC(i int) encap.MAC {
	return encap.MAC{2, 0, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}
}

func (s *stub) announce(vni uint32, from, to int) {
	s.t.Helper()
	for ; from < to; from += atOnce {
		s.must(s.Announce(attributesOf(vni), hostRoutes(vni, from, min(from+atOnce, to))...))
	}
}

func (s *stub) withdraw(vni uint32, from, to int) {
	s.t.Helper()
	for ; from < to; from += atOnce {
		s.must(s.Withdraw(hostRoutes(vni, from, min(from+atOnce, to))...))
	}
}

// atOnce is how many routes are said at a time, so that what has to be said takes little memory.
const atOnce = 1000

// whole says that all routes have come.
func (s *stub) whole() {
	s.t.Helper()
	s.must(s.EndOfRIB())
}

// neighbors are what the agent tells of its neighbours.
func (r *rig) neighbors() (all []Neighbor) {
	r.t.Helper()
	if err := (Asker{Path: r.path("evpn")}).Get(r.t.Context(), "neighbor", &all); err != nil {
		r.t.Fatal(err)
	}
	return all
}

// has waits until the data plane's link has these hosts' entries, and no others.
func (r *rig) has(vni uint32, from, to int) {
	r.t.Helper()
	wait(r.t, fmt.Sprintf("%s has hosts %d to %d and no others", linkName(vni), from, to), func() bool {
		if l, err := r.vtep.Link(linkName(vni)); err != nil || l.Entries != to-from {
			return false
		}
		n, strange := 0, 0
		err := r.vtep.WalkFDB(vtep.FDBFilter{Link: linkName(vni)}, func(e *vtep.FDBEntry) bool {
			at := int(e.MAC[2])<<24 | int(e.MAC[3])<<16 | int(e.MAC[4])<<8 | int(e.MAC[5])
			if n++; e.MAC != hostMAC(at) || at < from || at >= to || e.Remote.Addr != otherAddr {
				strange++
			}
			return true
		})
		return err == nil && n == to-from && strange == 0
	})
}

// noNetdevs knows no devices of the kernel.
type noNetdevs struct{}

var errNoDevice = errors.New("no such device")

func (noNetdevs) Read(known *api.Netdev) (api.Netdev, error)            { return *known, nil }
func (noNetdevs) Find(string) (int, error)                              { return 0, errNoDevice }
func (noNetdevs) Master(*api.Netdev) (int, error)                       { return 0, nil }
func (noNetdevs) SetMaster(*api.Netdev, string) error                   { return errNoDevice }
func (noNetdevs) ChangeBridge(*api.Netdev, string, *api.FDBEntry) error { return errNoDevice }
