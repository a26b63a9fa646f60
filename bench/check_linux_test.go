package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// benchmarkCheck holds this harness's TCP figures against iperf3's on the same
// pair: they should agree within 20 %.
func (h *harness) benchmarkCheck(b *testing.B) {
	g := h.group("as-is")
	defer g.close(b)
	for _, s := range h.both() {
		iperf := system{name: "iperf3", absent: missing("iperf3", "iperf3")}
		h.row(b, s.name, iperf.name, []contestant{
			{name: iperf.name, optional: true, measure: func() ([]figure, error) {
				if why := iperf.absent(); why != "" {
					return nil, fmt.Errorf("%w: %s", errAbsent, why)
				}
				p, err := g.pair(s)
				if err != nil {
					return nil, err
				}
				return h.iperf3(p)
			}},
			{name: "harness", measure: func() ([]figure, error) {
				p, err := g.pair(s)
				if err != nil {
					return nil, err
				}
				f, err := h.tcp(1, false)(p)
				return f[:1], err
			}},
		})
	}
}

// iperf3 measures one TCP stream. The time is in whole seconds at least.
func (h *harness) iperf3(p *pair) ([]figure, error) {
	server, err := p.b.Start(lab.Command{Path: "iperf3", Args: []string{"--server", "--one-off", "--forceflush"}})
	if err != nil {
		return nil, err
	}
	defer server.Close()
	if err := server.WaitStdout("Server listening", 10*time.Second); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), h.round+30*time.Second)
	defer cancel()
	seconds := fmt.Sprint(max(1, int(h.round.Seconds())))
	out, _, err := p.a.Run(ctx, "iperf3", "--client", overlayB.Addr().String(), "--time", seconds, "--json")
	if err != nil {
		return nil, err
	}
	rate, err := parseIperf3(out)
	return []figure{{unit: "Gb/s", value: rate / 1e9}}, err
}

func parseIperf3(out string) (float64, error) {
	var r struct {
		End struct {
			Received struct {
				Rate float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		} `json:"end"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		return 0, fmt.Errorf("iperf3: %w", err)
	}
	if r.Error != "" || r.End.Received.Rate <= 0 {
		return 0, fmt.Errorf("iperf3: %q: %s", r.Error, out)
	}
	return r.End.Received.Rate, nil
}
