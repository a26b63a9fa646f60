package bench

import (
	"errors"
	"net/netip"
	"os"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/test/load"
)

// spreadNet are the addresses of flows that one socket sends: b has them behind its VTEP.
var spreadNet = netip.MustParsePrefix("203.0.113.64/26")

// spread gives b those addresses.
func spread(p *pair) error {
	return errors.Join(
		p.b.AddAddr("lo", netip.PrefixFrom(spreadNet.Masked().Addr(), 24)), // of lo the whole prefix is local
		p.a.AddRoute(lab.Route{Dst: spreadNet, Via: overlayB.Addr()}))
}

// spreading are systems whose hosts are prepared for that.
func spreading(systems ...system) []system {
	for i := range systems {
		systems[i].prepare = spread
	}
	return systems
}

// benchmarkRate measures what a packet costs the VTEP that sends it, at rates that all keep.
func (h *harness) benchmarkRate(b *testing.B) {
	systems := []system{daemon("uvtep", h.exe, nil, nil), daemon("uvtep-tx-ring", h.exe, []string{"--tx-ring=auto"}, nil)}
	reference := "uvtep"
	if exe := os.Getenv(beforeEnv); exe != "" {
		reference = "before"
		systems = append([]system{daemon(reference, exe, nil, nil)}, systems...)
	}
	systems = spreading(systems...)
	g := h.group("as-is")
	defer g.close(b)
	for _, row := range []struct {
		name string
		rate int
	}{{"20kpps", 20_000}, {"60kpps", 60_000}} {
		if testing.Short() && row.rate > 20_000 {
			continue
		}
		c := load.FloodConfig{Sizes: []int{payload(64)}, Flows: 64, Net: spreadNet, Rate: row.rate}
		h.row(b, "64B/flows=64/"+row.name, reference, g.contestants(h.cost(c), systems...))
	}
}

// cost measures the processor time of a's daemon for each packet that arrived, and the machine's.
func (h *harness) cost(c load.FloodConfig) measure {
	return func(p *pair) ([]figure, error) {
		before, err := spent(p.daemons[0])
		if err != nil {
			return nil, err
		}
		c.From, c.To, c.Dst, c.Duration = p.a, p.b, overlayB.Addr(), h.round
		r, err := load.Flood(c)
		if err != nil {
			return nil, err
		}
		after, err := spent(p.daemons[0])
		arrived := float64(r.Received)
		return []figure{
			{unit: "ns/packet", value: float64(after-before) / arrived, less: true},
			{suffix: "machine", unit: "ns/packet", value: float64(r.CPU.Nanoseconds()) / arrived, less: true},
			{suffix: "rate", unit: "kpps", value: r.PerSecond() / 1e3},
			{suffix: "loss", unit: "%", value: r.Loss() * 100, less: true},
		}, err
	}
}
