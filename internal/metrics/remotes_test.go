package metrics

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uvtep/uvtep/vtep"
)

// TestRemotesAreBounded: a scrape has metrics of 4,096 remotes, and says how many a link has
// beyond those.
func TestRemotesAreBounded(t *testing.T) {
	var remotes []vtep.RemoteStats
	a := netip.MustParseAddr("2001:db8::1")
	for range 3000 {
		remotes = append(remotes, vtep.RemoteStats{IP: a, Heard: vtep.NeverHeard})
		a = a.Next()
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newCollector(testedConfig(many{
		{Config: vtep.LinkConfig{Name: "a"}, Remotes: remotes}, {Config: vtep.LinkConfig{Name: "b"}, Remotes: remotes, MoreRemotes: 7},
	})))
	text := scrape(t, registry)
	if n := strings.Count(text, "\nuvtep_remote_receive_packets_total{"); n != 4096 {
		t.Errorf("metrics of %d remotes, want 4096", n)
	}
	if strings.Contains(text, "\nuvtep_remote_heard_seconds{") {
		t.Error("a remote that was never heard was")
	}
	for _, want := range []string{`uvtep_link_remotes_unlisted{link="a"} 0`, `uvtep_link_remotes_unlisted{link="b"} 1911`} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
}
