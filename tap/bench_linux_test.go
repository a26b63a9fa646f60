package tap

import (
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
)

// BenchmarkBridge measures how a reader waits: two TAPs in two namespaces, one
// goroutine a direction that copies between them, and a load of another process
// across. An iteration is loadTime of load. Compare the medians of several
// runs (-count 9), which take turns if -bench names one load at a time.
func BenchmarkBridge(b *testing.B) {
	const loadTime = 300 * time.Millisecond
	for _, kind := range []string{"tcp", "18", "1400", "rtt"} {
		b.Run(kind, func(b *testing.B) {
			for _, tt := range []struct {
				name  string
				c     Config
				procs int // 0: as it is
				batch int
			}{
				{"poller", Config{}, 0, 64},
				{"poller-procs4", Config{}, 4, 64},
				{"poller-spin50", Config{Spin: 50 * time.Microsecond}, 4, 64},
				{"poller-batch1", Config{}, 0, 1},
				{"poller-batch4", Config{}, 0, 4},
			} {
				b.Run(tt.name, func(b *testing.B) {
					h := onHost(b)
					if tt.procs > 0 {
						defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(tt.procs))
					}
					tt.c.Offload, tt.c.TxQueueLen = OffloadTSO|OffloadUSO, 4000
					w := newBridge(b, h, tt.c, kind == "tcp", tt.batch)
					for b.Loop() {
						w.load(b, kind, loadTime)
					}
					w.close(b)
					w.report(b, kind)
				})
			}
		})
	}
}

// bridge is two TAPs, the loops that copy between them, and a socket behind
// each.
type bridge struct {
	a, b    *Device
	sockets [2]*os.File
	wg      sync.WaitGroup
	total   loadResult
	cpu     time.Duration
	batches int64 // of a's reader
	frames  int64
}

func newBridge(b *testing.B, h *lab.Host, c Config, stream bool, batch int) *bridge {
	w := &bridge{}
	at := netip.AddrPortFrom(hostIP, 5001)
	peer := netip.AddrPortFrom(peerIP, 5001)
	w.a = openHost(b, h, c, hostIP, peerIP, hostMAC, peerMAC)
	var listen func() *os.File
	other := newHost(b, h.Lab(), "other")
	check(b, other.Do(func() error {
		w.b = openHost(b, other, c, peerIP, hostIP, peerMAC, hostMAC)
		if !stream {
			f := file(b)(net.DialUDP("udp4", net.UDPAddrFromAddrPort(peer), net.UDPAddrFromAddrPort(at)))
			listen = func() *os.File { return f }
			return nil
		}
		l, err := net.Listen("tcp", peer.String())
		listen = func() *os.File {
			defer l.Close()
			return file(b)(l.Accept())
		}
		return err
	}))
	w.copy(w.a, w.b, batch, true)
	w.copy(w.b, w.a, batch, false)
	if stream {
		w.sockets[0] = file(b)(net.Dial("tcp", peer.String()))
	} else {
		w.sockets[0] = file(b)(net.DialUDP("udp4", net.UDPAddrFromAddrPort(at), net.UDPAddrFromAddrPort(peer)))
	}
	w.sockets[1] = listen()
	return w
}

// file gives the descriptor of a socket that was just opened.
func file(b *testing.B) func(net.Conn, error) *os.File {
	return func(c net.Conn, err error) *os.File {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		f, err := c.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			b.Fatal(err)
		}
		return f
	}
}

func (w *bridge) copy(from, to *Device, batch int, count bool) {
	w.wg.Go(func() {
		frames := make([]encap.Frame, batch)
		for {
			n, err := from.ReadBatch(0, frames)
			if err != nil {
				return
			}
			if count {
				w.batches++
				w.frames += int64(n)
			}
			_, _ = to.WriteBatch(0, frames[:n])
		}
	})
}

func (w *bridge) close(b *testing.B) {
	for _, d := range []*Device{w.a, w.b} {
		if err := d.Close(); err != nil {
			b.Error(err)
		}
	}
	w.wg.Wait()
	for _, f := range w.sockets {
		_ = f.Close()
	}
}

// load runs the load process once.
func (w *bridge) load(b *testing.B, kind string, d time.Duration) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestLoadProcess$")
	cmd.Env = append(os.Environ(), loadEnv+"="+kind, loadTimeEnv+"="+d.String())
	cmd.ExtraFiles = w.sockets[:]
	out, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	before := cpuTime()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	var r loadResult
	if err := json.NewDecoder(out).Decode(&r); err != nil {
		b.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	w.cpu += cpuTime() - before
	w.total.Received += r.Received
	w.total.Took += r.Took
	w.total.P50, w.total.P99 = r.P50, r.P99
}

// cpuTime is what this process used of the processors, in the kernel too.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (w *bridge) report(b *testing.B, kind string) {
	b.ReportMetric(0, "ns/op")
	switch kind {
	case "rtt":
		b.ReportMetric(float64(w.total.P50)/1e3, "p50-us")
		b.ReportMetric(float64(w.total.P99)/1e3, "p99-us")
	case "tcp":
		b.ReportMetric(float64(w.total.Received)*8/float64(w.total.Took), "Gb/s")
		b.ReportMetric(float64(w.cpu)/float64(w.total.Received)*1e3, "cpu-ps/B")
	default:
		b.ReportMetric(float64(w.total.Received)/w.total.Took.Seconds()/1e3, "kpps")
		b.ReportMetric(float64(w.cpu)/float64(w.total.Received), "cpu-ns/frame")
	}
	b.ReportMetric(float64(w.frames)/float64(w.batches), "frames/batch")
}
