package load_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/test/load"
)

func TestMain(m *testing.M) { os.Exit(load.TestMain(m)) }

var (
	addrA = netip.MustParseAddr("192.0.2.1")
	addrB = netip.MustParseAddr("192.0.2.2")
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// twoHosts joins two hosts by a cable.
func twoHosts(t *testing.T) (a, b *lab.Host, w *lab.Wire) {
	t.Helper()
	l := lab.ForTest(t)
	a, err := l.Host("a")
	ok(t, err)
	b, err = l.Host("b")
	ok(t, err)
	w, err = l.Wire(a, b, lab.WireOptions{})
	ok(t, err)
	ok(t, a.AddAddr(w.A, netip.PrefixFrom(addrA, 24)))
	ok(t, b.AddAddr(w.B, netip.PrefixFrom(addrB, 24)))
	ok(t, a.MustReach(addrB, 56, 5*time.Second))
	return a, b, w
}

func TestStream(t *testing.T) {
	a, b, _ := twoHosts(t)
	for _, streams := range []int{1, 4} {
		r, err := load.Stream(load.StreamConfig{From: a, To: b, Dst: addrB, Streams: streams, Duration: 200 * time.Millisecond})
		ok(t, err)
		if r.Elapsed < 100*time.Millisecond || r.Elapsed > 5*time.Second || r.Bytes < 1<<20 {
			t.Errorf("%d streams: %d bytes in %v", streams, r.Bytes, r.Elapsed)
		}
		// The wire moves far more than 1 Gb/s a core: a figure above 8 s is one of wrong units.
		if c := r.CPUPerGigabit(); c <= 0 || c > 8 {
			t.Errorf("%d streams: %v CPU seconds a gigabit", streams, c)
		}
	}
}

func TestFlood(t *testing.T) {
	a, b, _ := twoHosts(t)
	far := netip.MustParsePrefix("198.51.100.64/26")
	ok(t, b.AddAddr("lo", far)) // of lo the whole prefix is local
	ok(t, a.AddRoute(lab.Route{Dst: far, Via: addrB}))
	for name, c := range map[string]load.FloodConfig{
		"one flow": {Sizes: []int{18}},
		"flows":    {Sizes: []int{18}, Flows: 5},
		"mixed":    {Sizes: []int{18, 500, 1400}, Flows: 2},
		"segments": {Sizes: []int{18}, Segment: 32},
		"spread":   {Sizes: []int{18, 100}, Flows: 60, Net: far},
		"at rate":  {Sizes: []int{18}, Flows: 7, Net: far, Rate: 2000},
	} {
		t.Run(name, func(t *testing.T) {
			c.From, c.To, c.Dst, c.Duration = a, b, addrB, 100*time.Millisecond
			r, err := load.Flood(c)
			ok(t, err)
			if r.Received > r.Sent || r.Corrupt != 0 || r.Reordered != 0 {
				t.Errorf("over a cable: %s", r)
			}
			if c.Rate > 0 {
				if most := int64(float64(c.Rate) * c.Duration.Seconds()); r.Sent > most {
					t.Errorf("%d a second for %v: %s", c.Rate, c.Duration, r)
				}
			} else if r.PerSecond() < 1000 {
				t.Errorf("too slow to be true: %s in %v", r, r.Elapsed)
			}
		})
	}
}

func TestFloodRefusesNonsense(t *testing.T) {
	far := netip.MustParsePrefix("198.51.100.64/26")
	for _, c := range []load.FloodConfig{
		{}, {Sizes: []int{4}}, {Sizes: []int{18, 19}, Segment: 2}, {Sizes: []int{18}, Rate: 1}, {Sizes: []int{18}, Net: far, Segment: 2}, {Sizes: []int{18}, Net: far, Flows: 65},
	} {
		if _, err := load.Flood(c); err == nil || !strings.Contains(err.Error(), "at least") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestFloodSeesLoss: a veth drops what is longer than its peer's MTU allows, here every other datagram.
func TestFloodSeesLoss(t *testing.T) {
	a, b, w := twoHosts(t)
	ok(t, b.SetMTU(w.B, 1000))
	r, err := load.Flood(load.FloodConfig{From: a, To: b, Dst: addrB, Sizes: []int{18, 1400}, Duration: 50 * time.Millisecond})
	ok(t, err)
	if l := r.Loss(); l < 0.49 || l > 0.6 || r.Corrupt != 0 {
		t.Errorf("loss is %v: %s", l, r)
	}
	ok(t, b.DelAddr(w.B, netip.PrefixFrom(addrB, 24)))
	if _, err = load.Flood(load.FloodConfig{From: a, To: b, Dst: addrB, Sizes: []int{18}, Duration: time.Millisecond}); err == nil {
		t.Error("a flood to an address that nobody has succeeded")
	}
}

func TestPing(t *testing.T) {
	a, b, w := twoHosts(t)
	r, err := load.Ping(load.PingConfig{From: a, To: b, Dst: addrB, Size: 18, Duration: 100 * time.Millisecond})
	ok(t, err)
	if p50, p99 := r.RTT.Percentile(50), r.RTT.Percentile(99); len(r.RTT) < 10 || r.Lost > 1 || p50 <= 0 || p99 < p50 {
		t.Errorf("%d round trips, %d lost, p50 %v, p99 %v", len(r.RTT), r.Lost, p50, p99)
	}
	ok(t, b.SetMTU(w.B, 1000))
	if r, err = load.Ping(load.PingConfig{From: a, To: b, Dst: addrB, Size: 1400, Duration: 10 * time.Millisecond}); err == nil {
		t.Errorf("echoes of what cannot arrive: %+v", r)
	}
}

func TestReplicate(t *testing.T) {
	lab.NeedKernelVXLAN(t)
	a, b, w := twoHosts(t)
	ok(t, a.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: addrA, Dev: w.A}))
	ok(t, a.AddAddr("vxlan0", netip.MustParsePrefix("198.51.100.1/24")))
	ok(t, b.AddAddr("lo", netip.MustParsePrefix("198.18.0.1/24"))) // of lo the whole prefix is local
	ok(t, a.AddRoute(lab.Route{Dst: netip.MustParsePrefix("198.18.0.0/24"), Via: addrB}))
	last := netip.MustParseAddr("198.18.0.1")
	const remotes = 7
	for i := range remotes {
		if i > 0 {
			last = last.Next()
		}
		ok(t, a.FDBAppend("vxlan0", lab.FDBEntry{MAC: make([]byte, 6), Dst: last}))
	}
	for _, burst := range []int{1, 16} {
		r, err := load.Replicate(load.ReplicateConfig{From: a, To: b, Broadcast: netip.MustParseAddr("198.51.100.255"),
			Remotes: remotes, Last: netip.AddrPortFrom(last, 4789), Burst: burst, Duration: 50 * time.Millisecond})
		ok(t, err)
		// All is counted but what the unread socket could still hold, and the few frames that the host itself sent (MLD).
		if r.Copies > r.Frames*remotes+16*remotes || r.Copies < r.Frames*remotes-16*remotes || r.Frames < 10 {
			t.Errorf("burst %d: %d frames gave %d copies for %d remotes in %v", burst, r.Frames, r.Copies, remotes, r.Elapsed)
		}
	}
}
