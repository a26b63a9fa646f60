package gobgp_test

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/server"

	"github.com/uvtep/uvtep/bgp"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/test/peer"
)

const (
	fabricAS = 65001
	vteps    = 100     // that announce
	routes   = 100_000 // of all of them
)

var (
	stubID  = netip.MustParseAddr("192.0.2.254")
	localID = netip.MustParseAddr("192.0.2.2")
)

// receiver is who hears a stub's routes: an agent with its data plane, or GoBGP's library.
type receiver struct {
	listen func() (net.Listener, error) // where it can reach a stub
	start  func(port int) (stop func(), err error)
	have   func() (int, error) // how many routes it is done with
}

// BenchmarkReceive has an agent with its data plane, and GoBGP's library, receive 100,000 T2 of the same
// stub in turn: the agent's are in the data plane's FDB, the library's in its table. Each round is a
// process of uvtep run and one of uvtep evpn run of this tree, in a namespace of their own.
func BenchmarkReceive(b *testing.B) {
	exe := filepath.Join(b.TempDir(), "uvtep")
	if out, err := exec.Command("go", "-C", "../..", "build", "-o", exe, "./cmd/uvtep").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	messages := fabric()
	var ours, theirs, ratios, each, cpu, theirCPU []float64
	for b.Loop() {
		was := spent(b, syscall.RUSAGE_CHILDREN)
		ours = append(ours, receive(b, agentReceiver(b, exe), messages, nil).Seconds())
		cpu = append(cpu, spent(b, syscall.RUSAGE_CHILDREN)-was)
		var heap float64
		was = spent(b, syscall.RUSAGE_SELF)
		theirs = append(theirs, receive(b, libraryReceiver(b), messages, &heap).Seconds())
		theirCPU = append(theirCPU, spent(b, syscall.RUSAGE_SELF)-was)
		each = append(each, heap)
		ratios = append(ratios, theirs[len(theirs)-1]/ours[len(ours)-1])
	}
	b.ReportMetric(median(ours), "uvtep-s")
	b.ReportMetric(median(theirs), "gobgp-s")
	b.ReportMetric(median(cpu), "uvtep-cpu-s")
	b.ReportMetric(median(theirCPU), "gobgp-cpu-s")
	b.ReportMetric(median(each), "gobgp-B/route")
	b.ReportMetric(median(ratios), "times-as-fast")
	b.ReportMetric(0, "ns/op")
}

// spent is the processor time of this process, or of its children that have ended.
func spent(b *testing.B, who int) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// fabric is what a reflector sends of a fabric: the T2 of each VTEP, packed.
func fabric() (messages [][]byte) {
	e := bgp.Encoder{AS4: true, Internal: true}
	for v := range vteps {
		at := netip.AddrFrom4([4]byte{198, 18, 0, byte(v + 1)})
		a := bgp.Attributes{NextHop: at, LocalPref: 100, ExtCommunities: []bgp.ExtCommunity{bgp.Encapsulation(bgp.EncapVXLAN), bgp.RouteTarget(fabricAS, 42)}}
		var all []bgp.Route
		for i := range routes / vteps {
			all = append(all, bgp.Route{Type: bgp.MACIP, RD: bgp.NewRD(at, 42), MAC: bgp.MAC{2, 0, 0, byte(v), byte(i >> 8), byte(i)}, Label: 42})
		}
		messages = append(messages, e.AppendUpdate(nil, &bgp.Update{Announced: all, Attributes: &a}))
	}
	return messages
}

// receive is how long it takes from the first byte until all is done.
func receive(b *testing.B, r receiver, messages [][]byte, heap *float64) time.Duration {
	b.Helper()
	fail := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	l, err := r.listen()
	fail(err)
	defer func() { _ = l.Close() }()
	stop, err := r.start(l.Addr().(*net.TCPAddr).Port)
	fail(err)
	defer stop()
	c, err := l.Accept()
	fail(err)
	p, err := peer.Open(c, fabricAS, stubID)
	fail(err)
	var group sync.WaitGroup
	defer group.Wait()
	defer func() { _ = p.Close() }()
	group.Go(p.Discard)
	before := liveHeap()
	began := time.Now()
	for _, m := range messages {
		fail(p.Send(m))
	}
	fail(lab.Eventually(5*time.Minute, func() error {
		n, err := r.have()
		if err == nil && n < routes {
			err = fmt.Errorf("%d of %d routes are there", n, routes)
		}
		return err
	}))
	took := time.Since(began)
	if heap != nil {
		*heap = (liveHeap() - before) / routes
	}
	return took
}

// liveHeap is the heap that is in use after garbage was collected.
func liveHeap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// agentReceiver is uvtep in a host of its own.
func agentReceiver(b *testing.B, exe string) receiver {
	l := lab.ForTest(b)
	h, err := l.Host("uvtep")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	control, file := filepath.Join(dir, "control"), filepath.Join(dir, "evpn.yaml")
	daemon := client.New(control)
	return receiver{
		listen: func() (listener net.Listener, err error) {
			return listener, h.Do(func() error {
				listener, err = net.Listen("tcp", "127.0.0.1:0")
				return err
			})
		},
		start: func(port int) (func(), error) {
			text := fmt.Sprintf("as: %d\nrouter-id: %v\nsocket: %s\nlinks: all\nneighbors:\n  - {address: 127.0.0.1, port: %d, remote-as: %d}\n", fabricAS, localID, filepath.Join(dir, "evpn"), port, fabricAS)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				return nil, err
			}
			d, err := h.Start(lab.Command{Path: exe, Args: []string{"--control", control, "run", "vxlan42", "id", "42", "local", localID.String(), "evpn", "maxaddress", "unlimited"}})
			if err != nil {
				return nil, err
			}
			if err := d.WaitStderr("uvtep: ready", time.Minute); err != nil {
				return nil, err
			}
			a, err := h.Start(lab.Command{Path: exe, Args: []string{"--control", control, "evpn", "run", "--config", file}})
			return func() {
				daemon.Close()
				_ = a.Close()
				_ = d.Close()
				_ = l.Close()
			}, err
		},
		have: func() (int, error) {
			link, err := daemon.Link(b.Context(), "vxlan42")
			return link.Entries, err
		},
	}
}

// libraryReceiver is GoBGP's library in this process.
func libraryReceiver(b *testing.B) receiver {
	s := server.NewBgpServer(server.LoggerOption(slog.New(slog.DiscardHandler), nil))
	var group sync.WaitGroup
	group.Go(s.Serve)
	evpn := &api.Family{Afi: api.Family_AFI_L2VPN, Safi: api.Family_SAFI_EVPN}
	return receiver{
		listen: func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
		start: func(port int) (func(), error) {
			stop := func() {
				_ = s.StopBgp(b.Context(), &api.StopBgpRequest{})
				s.Stop()
				group.Wait()
			}
			if err := s.StartBgp(b.Context(), &api.StartBgpRequest{Global: &api.Global{Asn: fabricAS, RouterId: localID.String(), ListenPort: -1}}); err != nil {
				return stop, err
			}
			return stop, s.AddPeer(b.Context(), &api.AddPeerRequest{Peer: &api.Peer{
				Conf:      &api.PeerConf{NeighborAddress: "127.0.0.1", PeerAsn: fabricAS},
				Transport: &api.Transport{RemotePort: uint32(port)},
				AfiSafis:  []*api.AfiSafi{{Config: &api.AfiSafiConfig{Family: evpn, Enabled: true}}},
			}})
		},
		have: func() (int, error) {
			t, err := s.GetTable(b.Context(), &api.GetTableRequest{TableType: api.TableType_TABLE_TYPE_GLOBAL, Family: evpn})
			return int(t.GetNumDestination()), err
		},
	}
}
