package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/bgp"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/test/peer"
)

// The fabric of BenchmarkAgentMemory: VTEPs with MAC addresses, and so many moves of these.
const (
	fabricAS    = 65001
	fabricVTEPs = 1000
	fabricMACs  = 100 // of each
	fabricMoves = 30_000
)

// BenchmarkAgentMemory is the resident memory of an agent whose one neighbour has told it of a fabric of 1,000 VTEPs
// with 100 MAC addresses each, and then of 30,000 moves: as the kernel counts it (RSS), of that what is its own (anon:
// the rest are pages of the program's file, which processes of it share), and the most that it was. Where
// UVTEP_BENCH_BEFORE names another build of uvtep, both are measured in turn.
func BenchmarkAgentMemory(b *testing.B) {
	if testing.Short() {
		b.Skip("it takes half a minute: run it without -short")
	}
	exe := filepath.Join(b.TempDir(), "uvtep")
	if out, err := exec.Command("go", "build", "-o", exe, "../cmd/uvtep").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	programs := []string{exe}
	if before := os.Getenv(beforeEnv); before != "" {
		programs = append(programs, before)
	}
	noted := map[string][]float64{}
	for b.Loop() {
		for i, exe := range programs {
			f := startFabric(b, exe)
			note := func(when string) {
				for what, mib := range statusOf(b, f.agent.Pid()) {
					name := []string{"", "before-"}[i] + what + when + "-MiB"
					noted[name] = append(noted[name], mib)
				}
			}
			f.come(b)
			note("")
			f.move(b)
			note("-moved")
			f.close()
		}
	}
	for name, all := range noted {
		b.ReportMetric(slices.Sorted(slices.Values(all))[len(all)/2], name)
	}
	b.ReportMetric(0, "ns/op")
}

// statusOf is the memory of a process in MiB, by /proc/PID/status.
func statusOf(b *testing.B, pid int) map[string]float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	of := map[string]float64{}
	for line := range strings.Lines(string(status)) {
		for field, name := range map[string]string{"VmRSS:": "RSS", "RssAnon:": "anon", "VmHWM:": "most"} {
			var kib float64
			if n, _ := fmt.Sscanf(line, field+" %f kB", &kib); n == 1 {
				of[name] = kib / 1024
			}
		}
	}
	return of
}

// fabric is an agent with its data plane, and the neighbour that tells it of the VTEPs.
type fabric struct {
	*peer.Peer
	daemon, agent *lab.Process
	control       *client.Client
	group         sync.WaitGroup
	at            []int // which VTEP a MAC address is behind
}

func fabricAddr(v int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, byte(v / 250), byte(v%250 + 1)})
} // RFC 2544

func startFabric(b *testing.B, exe string) *fabric {
	b.Helper()
	fail := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	l := lab.ForTest(b)
	h, err := l.Host("uvtep")
	fail(err)
	var listener net.Listener
	fail(h.Do(func() error {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	}))
	defer func() { _ = listener.Close() }()
	dir, own := b.TempDir(), netip.MustParseAddr("192.0.2.2")
	control, file := filepath.Join(dir, "control"), filepath.Join(dir, "evpn.yaml")
	fail(os.WriteFile(file, fmt.Appendf(nil, "as: %d\nrouter-id: %v\nsocket: %s\nlinks: all\nneighbors:\n  - {address: 127.0.0.1, port: %d, remote-as: %d}\n",
		fabricAS, own, filepath.Join(dir, "evpn"), listener.Addr().(*net.TCPAddr).Port, fabricAS), 0o600))
	f := &fabric{control: client.New(control), at: make([]int, fabricVTEPs*fabricMACs)}
	f.daemon, err = h.Start(lab.Command{Path: exe, Args: []string{"--control", control, "run", "vxlan42", "id", "42", "local", own.String(), "evpn", "maxaddress", "unlimited"}})
	fail(err)
	fail(f.daemon.WaitStderr("uvtep: ready", time.Minute))
	f.agent, err = h.Start(lab.Command{Path: exe, Args: []string{"--control", control, "evpn", "run", "--config", file}})
	fail(err)
	c, err := listener.Accept()
	fail(err)
	f.Peer, err = peer.Open(c, fabricAS, netip.MustParseAddr("192.0.2.254"))
	fail(err)
	f.group.Go(f.Discard)
	return f
}

func (f *fabric) close() {
	_ = f.Close()
	f.group.Wait()
	f.control.Close()
	_ = f.agent.Close()
	_ = f.daemon.Close()
}

func (f *fabric) attributes(v int, cs ...bgp.ExtCommunity) *bgp.Attributes {
	cs = append([]bgp.ExtCommunity{bgp.Encapsulation(bgp.EncapVXLAN), bgp.RouteTarget(fabricAS, 42)}, cs...)
	return &bgp.Attributes{NextHop: fabricAddr(v), LocalPref: 100, ExtCommunities: cs}
}

func (f *fabric) t2(mac int) bgp.Route {
	return bgp.Route{Type: bgp.MACIP, RD: bgp.NewRD(fabricAddr(f.at[mac]), 42), MAC: bgp.MAC{2, 0x18, 0, byte(mac >> 16), byte(mac >> 8), byte(mac)}, Label: 42}
}

// come has all VTEPs announced, and waits until the data plane has all MAC addresses.
func (f *fabric) come(b *testing.B) {
	b.Helper()
	for v := range fabricVTEPs {
		var all []bgp.Route
		for i := range fabricMACs {
			f.at[v*fabricMACs+i] = v
			all = append(all, f.t2(v*fabricMACs+i))
		}
		a := f.attributes(v)
		a.PMSI = &bgp.PMSI{Tunnel: bgp.TunnelIngressReplication, Label: 42, ID: fabricAddr(v)}
		t3 := bgp.Route{Type: bgp.Multicast, RD: bgp.NewRD(fabricAddr(v), 42), IP: fabricAddr(v)}
		if err := f.Announce(a, t3); err != nil {
			b.Fatal(err)
		}
		if err := f.Announce(f.attributes(v), all...); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.EndOfRIB(); err != nil {
		b.Fatal(err)
	}
	if err := lab.Eventually(5*time.Minute, func() error {
		l, err := f.control.Link(context.Background(), "vxlan42")
		if err == nil && l.Entries < len(f.at) {
			err = fmt.Errorf("%d entries of %d", l.Entries, len(f.at))
		}
		return err
	}); err != nil {
		b.Fatal(err)
	}
}

// move has MAC addresses move, at the pace that the agent takes, and waits until all are done.
func (f *fabric) move(b *testing.B) {
	b.Helper()
	rnd, seq := rand.New(rand.NewPCG(1, 2)), make([]uint32, len(f.at))
	last := 0
	for range fabricMoves {
		last = rnd.IntN(len(f.at))
		was := f.t2(last)
		f.at[last] = (f.at[last] + 1 + rnd.IntN(fabricVTEPs-1)) % fabricVTEPs
		seq[last]++
		if err := f.Announce(f.attributes(f.at[last], bgp.MACMobility(seq[last], false)), f.t2(last)); err != nil {
			b.Fatal(err)
		}
		if err := f.Withdraw(was); err != nil {
			b.Fatal(err)
		}
	}
	m := f.t2(last).MAC.String()
	if err := lab.Eventually(5*time.Minute, func() error {
		all, err := f.control.FDB(context.Background(), api.FDBFilter{Dev: "vxlan42", MAC: m})
		if err == nil && (len(all) != 1 || all[0].Dst != fabricAddr(f.at[last])) {
			err = fmt.Errorf("the last one that moved is at %+v", all)
		}
		return err
	}); err != nil {
		b.Fatal(err)
	}
}
