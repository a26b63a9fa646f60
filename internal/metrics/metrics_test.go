package metrics

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/uvtep/uvtep/internal/fault"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// counted is a source with numbers that differ from each other.
type counted struct{}

func (counted) Stats() forward.Stats {
	return forward.Stats{Drops: map[forward.DropReason]uint64{forward.RxUnknownVNI: 3}}
}

func (counted) Addresses() (held, limit int) { return 122, 123 }
func (counted) Captures() (int, uint64)      { return 124, 125 }
func (counted) Trunks() []vtep.TrunkInfo {
	return []vtep.TrunkInfo{{Config: vtep.TrunkConfig{Name: "trunk0"}, Drops: map[forward.DropReason]uint64{forward.TxPortOverflow: 4}}}
}

func (counted) Links() []vtep.LinkInfo {
	l := vtep.LinkInfo{
		Config: vtep.LinkConfig{Name: "vx1", VNI: 42}, State: tap.State{Name: "renamed", MTU: 1450, Up: true}, Entries: 7,
		Stats: forward.Stats{
			RxPackets: 101, RxBytes: 102, Multicast: 103, TxPackets: 104, TxBytes: 105, Reserved: 106, NotLearned: 107, Evicted: 121, Moves: 108,
			TooBigSent: 109, TooBigWithheld: 111, Fragmented: 112, Drops: map[forward.DropReason]uint64{forward.TxNoRemote: 110},
		},
	}
	l.ICMP = map[vtep.TroubleKind]uint64{vtep.PortUnreachable: 113}
	l.Offloads.TAP.Read = tap.OffloadChecksum | tap.OffloadTSO
	l.Offloads.TAP.Write = tap.OffloadUSO
	l.Offloads.UDPGSO.Segments = 64
	l.Remotes = []vtep.RemoteStats{
		{PeerStats: forward.PeerStats{Entries: 130, RxPackets: 131, RxBytes: 132, RxDrops: 133, TxPackets: 134, TxBytes: 135, TxDrops: 136},
			IP: netip.MustParseAddr("192.0.2.2"), Heard: 137 * time.Second},
		{IP: netip.MustParseAddr("192.0.2.3"), Heard: vtep.NeverHeard},
	}
	l.MoreRemotes = 138
	return []vtep.LinkInfo{l, {Config: vtep.LinkConfig{Name: "vx2", VNI: 43}, State: tap.State{Name: "renamed"}}} // another namespace has that name, too
}

func testedConfig(s Source) *Config {
	return &Config{Source: s, Version: "v1", LogLost: func() uint64 { return 5 }, Log: slog.New(slog.DiscardHandler)}
}

func TestValues(t *testing.T) {
	c := newCollector(testedConfig(counted{}))
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	text := scrape(t, registry)
	for _, want := range []string{
		`uvtep_port_drops_total{port="trunk0",reason="tx-port-overflow"} 4`, `uvtep_port_drops_total{port="trunk0",reason="tx-unknown-vlan"} 0`,
		`uvtep_drops_total{reason="rx-socket-overflow"} 0`,
		`uvtep_drops_total{reason="rx-unknown-vni"} 3`, `uvtep_drops_total{reason="rx-no-vni-flag"} 0`,
		`uvtep_log_lines_lost_total 5`, `uvtep_link_info{device="renamed",link="vx1",vni="42"} 1`, `uvtep_link_up{link="vx1"} 1`, `uvtep_link_up{link="vx2"} 0`,
		`uvtep_link_mtu_bytes{link="vx1"} 1450`, `uvtep_link_fdb_entries{link="vx1"} 7`,
		`uvtep_link_receive_packets_total{link="vx1"} 101`, `uvtep_link_receive_bytes_total{link="vx1"} 102`,
		`uvtep_link_receive_multicast_total{link="vx1"} 103`, `uvtep_link_transmit_packets_total{link="vx1"} 104`,
		`uvtep_link_transmit_bytes_total{link="vx1"} 105`, `uvtep_link_receive_reserved_total{link="vx1"} 106`,
		`uvtep_link_fdb_not_learned_total{link="vx1"} 107`, `uvtep_link_fdb_evicted_total{link="vx1"} 121`, `uvtep_fdb_addresses 122`, `uvtep_fdb_max_addresses 123`, `uvtep_captures 124`, `uvtep_capture_lost_total 125`, `uvtep_link_fdb_moves_total{link="vx1"} 108`,
		`uvtep_link_icmp_errors_total{link="vx1",what="port-unreachable"} 113`,
		`uvtep_link_too_big_withheld_total{link="vx1"} 111`, `uvtep_link_fragmented_total{link="vx1"} 112`,
		`uvtep_link_too_big_sent_total{link="vx1"} 109`, `uvtep_link_drops_total{link="vx1",reason="tx-no-remote"} 110`,
		`uvtep_link_all_drops_total{link="vx1"} 110`, `uvtep_link_all_drops_total{link="vx2"} 0`, `uvtep_link_udp_gso_segments{link="vx1"} 64`,
		`uvtep_link_offload{link="vx1",offload="tap-tso"} 1`, `uvtep_link_offload{link="vx1",offload="tap-uso"} 0`,
		`uvtep_link_offload{link="vx1",offload="tap-write-uso"} 1`, `uvtep_link_offload{link="vx1",offload="udp-gso"} 1`,
		`uvtep_link_offload{link="vx1",offload="udp-gro"} 0`,
		`uvtep_remote_fdb_entries{link="vx1",remote="192.0.2.2"} 130`, `uvtep_remote_receive_packets_total{link="vx1",remote="192.0.2.2"} 131`,
		`uvtep_remote_receive_bytes_total{link="vx1",remote="192.0.2.2"} 132`, `uvtep_remote_receive_drops_total{link="vx1",remote="192.0.2.2"} 133`,
		`uvtep_remote_transmit_packets_total{link="vx1",remote="192.0.2.2"} 134`, `uvtep_remote_transmit_bytes_total{link="vx1",remote="192.0.2.2"} 135`,
		`uvtep_remote_transmit_drops_total{link="vx1",remote="192.0.2.2"} 136`, `uvtep_remote_heard_seconds{link="vx1",remote="192.0.2.2"} 137`,
		`uvtep_link_remotes_unlisted{link="vx1"} 138`, `uvtep_link_remotes_unlisted{link="vx2"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	if n := strings.Count(text, "uvtep_link_drops_total{"); n != 1 {
		t.Errorf("%d series of drop reasons, of which one counted", n)
	}
	if t.Failed() {
		t.Log(text)
	}
}

// faulty is a source with a fault.
type faulty struct{ counted }

func (faulty) Links() []vtep.LinkInfo { panic("by the test") }

// TestFault: a panic of the source costs a scrape its values and not the process its
// life.
func TestFault(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newCollector(testedConfig(faulty{})))
	before := fault.Caught() // of other tests
	_ = scrape(t, registry)
	if text := scrape(t, registry); !strings.Contains(text, fmt.Sprintf("uvtep_panics_total %d\n", before+1)) {
		t.Errorf("after a panic:\n%s", text)
	}
}

// TestDocument: each metric has a row with its help text, type and labels, and
// there are no others.
func TestDocument(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(uvtep_[a-z_]+)` \\| (.*) \\|$").FindAllStringSubmatch(string(page), -1) {
		rows[m[1]] = m[2]
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newCollector(testedConfig(counted{})))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		labels := map[string]bool{}
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels[l.GetName()] = true
		}
		kind := strings.ToLower(f.GetType().String())
		row := strings.Split(rows[f.GetName()], " | ")
		if len(row) != 3 || row[0] != kind || row[2] != f.GetHelp() {
			t.Errorf("the row of %s (%s) is %q, want the help text %q", f.GetName(), kind, row, f.GetHelp())
			continue
		}
		for word := range strings.FieldsSeq(row[1]) {
			if name := strings.Trim(word, "`"); !labels[name] {
				t.Errorf("%s has no label %s", f.GetName(), name)
			} else {
				delete(labels, name)
			}
		}
		if len(labels) > 0 {
			t.Errorf("the row of %s lacks labels %v", f.GetName(), labels)
		}
		delete(rows, f.GetName())
	}
	for name := range rows {
		t.Errorf("%s is no metric", name)
	}
}

func scrape(t *testing.T, g prometheus.Gatherer) string {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// TestServer scrapes a real VTEP over TCP, and ends.
func TestServer(t *testing.T) {
	v := vtep.New(vtep.Config{Host: vteptest.NewNetwork().Host(netip.MustParseAddr("192.0.2.1")), Log: slog.New(slog.DiscardHandler)})
	defer func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := v.AddLink(vtep.LinkConfig{Name: "vx1", VNI: 42}); err != nil {
		t.Fatal(err)
	}
	config := Config{Addr: "127.0.0.1:0", Source: v, Version: "v1", Log: slog.New(slog.DiscardHandler)}
	s, err := Listen(config)
	if err != nil {
		t.Fatal(err)
	}
	config.Addr = s.Addr()
	if _, err := Listen(config); err == nil || !strings.Contains(err.Error(), s.Addr()+" is taken") || strings.Contains(err.Error(), "\n") {
		t.Errorf("on a port that is taken: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	for path, want := range map[string]int{"/metrics": 200, "/": 404, "/debug/pprof/": 404} {
		res, err := http.Get("http://" + s.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != want {
			t.Errorf("%s: %d, %v, want %d", path, res.StatusCode, err, want)
		}
		if want != 200 {
			continue
		}
		for _, line := range []string{`uvtep_link_up{link="vx1"} 0`, `uvtep_build_info{`, "go_goroutines ", "process_open_fds "} {
			if !strings.Contains(string(body), "\n"+line) {
				t.Errorf("no line %s in\n%s", line, body)
			}
		}
	}
	if res, err := http.Post("http://"+s.Addr()+"/metrics", "text/plain", strings.NewReader("x")); err != nil || res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v %v", res, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

func TestCheckAddr(t *testing.T) {
	for text, good := range map[string]bool{
		"127.0.0.1:9472": true, "[::1]:9472": true, ":9472": true, "0.0.0.0:0": true,
		"": false, "9472": false, "127.0.0.1": false, "localhost:1": false, "127.0.0.1:70000": false, "127.0.0.1:": false, "::1:9": false,
	} {
		if err := CheckAddr(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}
