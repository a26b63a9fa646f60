package metrics

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
)

// many are links that dropped nothing.
type many []vtep.LinkInfo

func (many) Trunks() []vtep.TrunkInfo { return nil }

func (m many) Links() []vtep.LinkInfo  { return m }
func (m many) Stats() forward.Stats    { return forward.Stats{} }
func (m many) Addresses() (int, int)   { return 0, 0 }
func (m many) Captures() (int, uint64) { return 0, 0 }

// BenchmarkScrape is a scrape of as many links as there are VLAN ids.
func BenchmarkScrape(b *testing.B) {
	links := make(many, 4094)
	for i := range links {
		links[i] = vtep.LinkInfo{Config: vtep.LinkConfig{Name: fmt.Sprint("vxlan", i), VNI: 1}, State: tap.State{Name: fmt.Sprint("vxlan", i)}}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(&Config{Source: links, Log: slog.New(slog.DiscardHandler)}))
	h := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		b.ReportMetric(float64(w.Body.Len()), "bytes")
	}
}
