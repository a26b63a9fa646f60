package txring

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/underlay"
)

// BenchmarkCopies is the processor time of a frame's copy to one of so many remotes, by sockets and by a ring, in turns: the
// sender's thread alone, so that the ratio holds on a machine that does other things as well. Frames come one by one or 32
// together, which sockets join.
func BenchmarkCopies(b *testing.B) {
	for _, remotes := range []int{10, 100, 1000} {
		for _, burst := range []int{1, 32} {
			b.Run(fmt.Sprintf("remotes=%d/burst=%d", remotes, burst), func(b *testing.B) { benchmarkCopies(b, remotes, burst) })
		}
	}
}

func benchmarkCopies(b *testing.B, remotes, burst int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	from, to := newWire(b)
	check(b, from.SetOffload("eth0", map[string]bool{"tx": true}))
	far := netip.MustParsePrefix("198.18.0.0/21") // RFC 2544 appendix C.2.2
	check(b, from.AddRoute(lab.Route{Dst: far, Via: to.v4}))
	sockets := from.transmitter(b, nil, underlay.TransmitterConfig{})
	ring := from.rings(b, Auto, time.Second).Transmitter(sockets, []uint16{50000, 50001}, &underlay.TransmitterConfig{})
	frame := one(far.Addr(), 1, string(make([]byte, 50)))
	p := make([]encap.Packet, remotes)
	at := far.Addr()
	for i := range p {
		at = at.Next()
		p[i] = frame
		p[i].Dst = encap.AddrFrom(at)
	}
	check(b, lab.Eventually(patience, func() error {
		if n := send(b, ring, p...); n < uint64(remotes)*9/10 {
			return errAgain
		}
		return nil
	}))
	p = slices.Repeat(p, burst)
	var spent [2]time.Duration
	copies := 0
	for b.Loop() {
		for way, tx := range []Behind{sockets, ring} {
			start := threadTime(b)
			for call := range slices.Chunk(p, most) { // as the data path calls
				_ = tx.WriteBatch(call)
			}
			spent[way] += threadTime(b) - start
		}
		copies += len(p)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(spent[0].Nanoseconds())/float64(copies), "ns/copy-by-socket")
	b.ReportMetric(float64(spent[1].Nanoseconds())/float64(copies), "ns/copy-by-ring")
	b.ReportMetric(float64(spent[0])/float64(spent[1]), "ratio")
}

// threadTime is the processor time of this thread (CLOCK_THREAD_CPUTIME_ID of clock_gettime(2)).
func threadTime(b *testing.B) time.Duration {
	var t unix.Timespec
	check(b, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t))
	return time.Duration(t.Nano())
}
