package bench

import (
	"fmt"
	"os"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/test/load"
)

// BenchmarkEndToEnd compares uvtep with the kernel's vxlan and others between
// hosts in network namespaces: rounds of all in turn, the medians of each and
// of the ratio of each round.
func BenchmarkEndToEnd(b *testing.B) {
	h := newHarness(b)
	b.Run("TCP", h.benchmarkTCP)
	b.Run("UDP", h.benchmarkUDP)
	b.Run("Rate", h.benchmarkRate)
	b.Run("RTT", h.benchmarkRTT)
	b.Run("Replicate", h.benchmarkReplicate)
	b.Run("Growth", h.benchmarkGrowth)
	b.Run("Trunk", h.benchmarkTrunk)
	b.Run("LearnLocal", h.benchmarkLearnLocal)
	b.Run("MinTTL", h.benchmarkMinTTL)
	b.Run("Bare", h.benchmarkBare)
	b.Run("Check", h.benchmarkCheck)
}

// both are the systems of every row, the ratio's reference first: the kernel, or
// another build of uvtep.
func (h *harness) both() []system {
	other := kernel()
	if exe := os.Getenv(beforeEnv); exe != "" {
		other = daemon("before", exe, nil, nil)
	}
	return []system{other, daemon("uvtep", h.exe, nil, nil)}
}

// tunnelling are both, and uvtep without superframes that leave whole.
func (h *harness) tunnelling() []system {
	return append(h.both(), daemon("uvtep-in-pieces", h.exe, []string{"--tunnel-gso=off"}, nil))
}

// ringing are both, and uvtep as it sends copies by a ring.
func (h *harness) ringing() []system {
	return append(h.both(), daemon("uvtep-tx-ring", h.exe, []string{"--tx-ring=auto"}, nil))
}

// reference is the name of what ratios are to.
func (h *harness) reference() string { return h.both()[0].name }

func (h *harness) benchmarkTCP(b *testing.B) {
	for _, under := range []string{"as-is", "jumbo", "nic", "nic-gro", "none", "none-gro"} {
		b.Run(under, func(b *testing.B) {
			g := h.group(under)
			defer g.close(b)
			for _, streams := range []int{1, 4, 16} {
				full := under == "as-is" || under == "jumbo"
				if streams > 4 && !full {
					continue
				}
				systems := h.tunnelling()
				if under == "as-is" && streams <= 4 {
					systems = append(systems, openVSwitch())
				}
				h.row(b, fmt.Sprintf("streams=%d/forward", streams), h.reference(), g.contestants(h.tcp(streams, false), systems...))
				if full {
					h.row(b, fmt.Sprintf("streams=%d/reverse", streams), h.reference(), g.contestants(h.tcp(streams, true), h.tunnelling()...))
				}
			}
		})
	}
}

// tcp measures goodput and what it cost.
func (h *harness) tcp(streams int, reverse bool) measure {
	return func(p *pair) ([]figure, error) {
		c := load.StreamConfig{From: p.a, To: p.b, Dst: overlayB.Addr(), Streams: streams, Duration: h.round}
		if reverse {
			c.From, c.To, c.Dst = p.b, p.a, overlayA.Addr()
		}
		r, err := load.Stream(c)
		return []figure{
			{unit: "Gb/s", value: r.BitsPerSecond() / 1e9},
			{suffix: "cpu", unit: "CPU-s/Gb", value: r.CPUPerGigabit(), less: true},
		}, err
	}
}

// payload is that of a UDP packet in an Ethernet frame of size bytes, its check sequence included.
func payload(size int) int { return size - 14 - 20 - 8 - 4 }

func (h *harness) benchmarkUDP(b *testing.B) {
	g := h.group("as-is")
	defer g.close(b)
	// 7:4:1, mixed.
	imix := []int{64, 570, 64, 64, 570, 64, 64, 570, 64, 570, 64, 1500}
	for _, row := range []struct {
		name   string
		frames []int
	}{{"64B", []int{64}}, {"IMIX", imix}, {"1400B", []int{1400}}} {
		var sizes []int
		for _, f := range row.frames {
			sizes = append(sizes, payload(f))
		}
		m := h.udp(load.FloodConfig{Sizes: sizes, Flows: 1})
		h.row(b, row.name+"/flows=1", h.reference(), g.contestants(m, spreading(h.both()...)...))
		m = h.udp(load.FloodConfig{Sizes: sizes, Flows: 64})
		h.row(b, row.name+"/flows=64", h.reference(), g.contestants(m, spreading(h.ringing()...)...))
		if testing.Short() && row.name != "64B" {
			continue
		}
		m = h.udp(load.FloodConfig{Sizes: sizes, Flows: 64, Net: spreadNet})
		h.row(b, row.name+"/flows=64/sendmmsg", h.reference(), g.contestants(m, spreading(h.ringing()...)...))
	}
	m := h.udp(load.FloodConfig{Sizes: []int{payload(64)}, Segment: 32})
	h.row(b, "gso/flows=1", h.reference(), g.contestants(m, h.both()...))
}

// udp measures what arrives of datagrams sent as fast as the sender can, what part is lost, what part of those sent never got into
// the VTEP, since the queue of its device was full, and what part comes after a later datagram of its flow.
func (h *harness) udp(c load.FloodConfig) measure {
	return func(p *pair) ([]figure, error) {
		before, err := overflow(p.a)
		if err != nil {
			return nil, err
		}
		c.From, c.To, c.Dst, c.Duration = p.a, p.b, overlayB.Addr(), h.round
		r, err := load.Flood(c)
		if err != nil {
			return nil, err
		}
		after, err := overflow(p.a)
		return []figure{
			{unit: "kpps", value: r.PerSecond() / 1e3},
			{suffix: "loss", unit: "%", value: r.Loss() * 100, less: true},
			{suffix: "overflow", unit: "%", value: float64(after-before) / float64(r.Sent) * 100, less: true},
			{suffix: "reordered", unit: "%", value: float64(r.Reordered) / float64(max(r.Received, 1)) * 100, less: true},
		}, err
	}
}

// overflow is how many frames a host's VXLAN device has dropped of those that its stack sent.
func overflow(h *lab.Host) (uint64, error) {
	l, err := h.Link("vxlan0")
	if err != nil {
		return 0, err
	}
	return l.Attrs().Statistics.TxDropped, nil
}

func (h *harness) benchmarkRTT(b *testing.B) {
	g := h.group("as-is")
	defer g.close(b)
	systems := append(h.both(), daemon("uvtep-spin", h.exe, []string{"--spin"}, nil))
	h.row(b, "64B", h.reference(), g.contestants(h.rtt(), systems...))
}

// rtt measures round trips of frames of 64 bytes.
func (h *harness) rtt() measure {
	return func(p *pair) ([]figure, error) {
		r, err := load.Ping(load.PingConfig{From: p.a, To: p.b, Dst: overlayB.Addr(), Size: payload(64), Duration: h.round})
		if err == nil && r.Lost > int64(len(r.RTT)/100) {
			err = fmt.Errorf("%d of %d echoes are missing", r.Lost, len(r.RTT))
		}
		var f []figure
		for _, at := range []float64{50, 99, 99.9} {
			us := float64(r.RTT.Percentile(at).Nanoseconds()) / 1e3
			f = append(f, figure{suffix: fmt.Sprintf("p%v", at), unit: "us", value: us, less: true})
		}
		return f, err
	}
}
