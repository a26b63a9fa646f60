package bench

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/uvtep/uvtep/internal/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.TestMain(m)) }

// pair is two hosts joined by a wire, with a VTEP on each.
type pair struct{ a, b *lab.Host }

// The overlay's addresses.
var (
	overlayA = netip.MustParsePrefix("198.51.100.1/24")
	overlayB = netip.MustParsePrefix("198.51.100.2/24")
)

// newPair joins two hosts. With uvtep as the path of the program both VTEPs are
// its daemons, else kernel devices.
func newPair(b *testing.B, l *lab.Lab, uvtep string) pair {
	b.Helper()
	var p pair
	var err error
	ok := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	p.a, err = l.Host("a")
	ok(err)
	p.b, err = l.Host("b")
	ok(err)
	// 1550: the overlay has an MTU of 1500, as in docs/performance.md.
	w, err := l.Wire(p.a, p.b, lab.WireOptions{MTU: 1550})
	ok(err)
	for _, end := range []struct {
		h              *lab.Host
		dev            string
		local, remote  netip.Addr
		overlay, other netip.Prefix
	}{{p.a, w.A, addrA, addrB, overlayA, overlayB}, {p.b, w.B, addrB, addrA, overlayB, overlayA}} {
		ok(end.h.AddAddr(end.dev, netip.PrefixFrom(end.local, 24)))
		if uvtep == "" {
			ok(end.h.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: end.local, Remote: end.remote, Dev: end.dev}))
		} else {
			d, err := end.h.Start(lab.Command{Path: uvtep, Args: []string{
				"--control", filepath.Join(b.TempDir(), end.h.Name()+".sock"),
				"run", "vxlan0", "id", "42", "local", end.local.String(), "remote", end.remote.String(),
			}})
			ok(err)
			ok(d.WaitStderr("uvtep: ready", 10*time.Second))
		}
		ok(end.h.AddAddr("vxlan0", end.overlay))
	}
	ok(p.a.MustReach(overlayB.Addr(), 56, 10*time.Second))
	return p
}

// buildUVTEP compiles the program under test.
func buildUVTEP(b *testing.B) string {
	b.Helper()
	exe := filepath.Join(b.TempDir(), "uvtep")
	if out, err := exec.Command("go", "build", "-o", exe, "../cmd/uvtep").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return exe
}

// BenchmarkEndToEnd compares uvtep with the kernel's vxlan: rounds of both in
// turn, the medians of each and of the ratio of each round.
func BenchmarkEndToEnd(b *testing.B) {
	l := lab.ForTest(b)
	lab.NeedKernelVXLAN(b)
	round, rounds := time.Second, 5
	if testing.Short() {
		round, rounds = 200*time.Millisecond, 3
	}
	uvtep, kernel := newPair(b, l, buildUVTEP(b)), newPair(b, l, "")
	b.Run("TCP/1", func(b *testing.B) { compare(b, rounds, "Gb/s", tcpRate(1, round), uvtep, kernel) })
	b.Run("TCP/4", func(b *testing.B) { compare(b, rounds, "Gb/s", tcpRate(4, round), uvtep, kernel) })
	b.Run("UDP/18B", func(b *testing.B) { compare(b, rounds, "kpps", udpRate(18, 50_000), uvtep, kernel) })
}

// measure gives one figure of a pair: more is better.
type measure func(pair) (float64, error)

func tcpRate(streams int, d time.Duration) measure {
	return func(p pair) (float64, error) {
		r, err := lab.TCP(context.Background(), lab.TCPConfig{
			From: p.a, To: p.b, Dst: overlayB.Addr(), Streams: streams, Duration: d, NoHash: true,
		})
		return r.BitsPerSecond() / 1e9, err
	}
}

// udpRate is what arrives of datagrams sent as fast as the sender can, 64 at
// most being under way so that the slower side sets the pace.
func udpRate(size, count int) measure {
	return func(p pair) (float64, error) {
		r, err := lab.UDP(context.Background(), lab.UDPConfig{
			From: p.a, To: p.b, Dst: overlayB.Addr(), Size: size, Count: count, OneWay: true, Window: 64,
		})
		if err != nil {
			return 0, err
		}
		if r.Forth.Received == 0 {
			return 0, fmt.Errorf("nothing arrived: %s", r.Forth)
		}
		return float64(r.Forth.Received) / r.Forth.Elapsed.Seconds() / 1e3, nil
	}
}

func compare(b *testing.B, rounds int, unit string, m measure, uvtep, kernel pair) {
	for b.Loop() {
		var ours, theirs, ratios []float64
		for range rounds {
			u, err := m(uvtep)
			if err != nil {
				b.Fatalf("uvtep: %v", err)
			}
			k, err := m(kernel)
			if err != nil {
				b.Fatalf("kernel: %v", err)
			}
			ours, theirs, ratios = append(ours, u), append(theirs, k), append(ratios, u/k)
		}
		b.ReportMetric(median(ours), "uvtep-"+unit)
		b.ReportMetric(median(theirs), "kernel-"+unit)
		b.ReportMetric(median(ratios), "ratio")
		b.ReportMetric(slices.Max(ratios)-slices.Min(ratios), "ratio-spread")
		b.ReportMetric(0, "ns/op") // an iteration is all rounds: its time says nothing
	}
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
