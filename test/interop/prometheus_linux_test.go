package interop_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/uvtep/uvtep/test/lab"
)

// shipped is a file that the packages bring.
func shipped(t *testing.T, name string) []byte {
	t.Helper()
	return must(os.ReadFile(filepath.Join("../../packaging", name)))(t)
}

// get asks a server in a host.
func get(h *lab.Host, address, path string) (body []byte, err error) {
	err = h.Do(func() error {
		conn, err := net.DialTimeout("tcp", address, soon)
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\n\r\n", path); err != nil {
			return err
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		body, err = io.ReadAll(answer.Body)
		return err
	})
	return body, err
}

// alertExpressions are the expressions of the rules, without the comparison that makes an alert of them.
func alertExpressions(t *testing.T) (list []string) {
	t.Helper()
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	check(t, yaml.Unmarshal(shipped(t, "prometheus/uvtep.rules.yml"), &rules))
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			list = append(list, r.Expr)
		}
	}
	return list
}

// panelExpressions are the dashboard's, with its variables as Grafana fills them in.
func panelExpressions(t *testing.T) (list []string) {
	t.Helper()
	var board struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	check(t, json.Unmarshal(shipped(t, "grafana/uvtep.json"), &board))
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			list = append(list, strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$link", ".*").Replace(target.Expr))
		}
	}
	return list
}

// TestPrometheus has a Prometheus scrape a daemon whose remote refuses packets and that dropped something: what the
// dashboard asks has an answer, each metric that an alert names is there, and the expressions of those that hold say so.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	program, promtool := tool(t, "usr/bin/prometheus"), tool(t, "usr/bin/promtool")
	sentence := "--metrics 127.0.0.1:9472 vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2"
	sites := newSitesWith(t, families()[0], lab.WireOptions{}, strings.Fields(sentence), uvtep, kernel) // and the kernel has no VTEP
	a, b := sites[0], sites[1]
	rules := must(filepath.Abs("../../packaging/prometheus/uvtep.rules.yml"))(t)
	for _, args := range [][]string{{"check", "rules", rules}, {"test", "rules", strings.Replace(rules, "rules.yml", "test.yml", 1)}} {
		if out, errs, err := a.Run(t.Context(), promtool, args...); err != nil {
			t.Errorf("promtool %s: %v\n%s%s", strings.Join(args, " "), err, out, errs)
		}
	}
	dir := writeFiles(t, map[string]string{"prometheus.yml": fmt.Sprintf(
		"global: {scrape_interval: 500ms, evaluation_interval: 500ms}\nrule_files: [%s]\nscrape_configs: [{job_name: uvtep, static_configs: [{targets: [127.0.0.1:9472]}]}]\n", rules)})
	p := must(a.Start(lab.Command{Path: program, Args: []string{
		"--config.file=" + filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path=" + filepath.Join(dir, "tsdb"), "--web.listen-address=127.0.0.1:9090",
	}}))(t)
	t.Cleanup(func() { _ = p.Stop(soon) })
	ask := func(expr string) (n int, err error) {
		out, err := get(a.Host, "127.0.0.1:9090", "/api/v1/query?query="+url.QueryEscape(expr))
		if err != nil {
			return 0, err
		}
		var answer struct {
			Status, Error string
			Data          struct{ Result []any }
		}
		if err := json.Unmarshal(out, &answer); err != nil || answer.Status != "success" {
			return 0, fmt.Errorf("%s: %s: %s, %w", expr, answer.Status, answer.Error, err)
		}
		return len(answer.Data.Result), nil
	}
	holds := func(expr string) func() error {
		return func() error {
			n, err := ask(expr)
			if err == nil && n == 0 {
				err = fmt.Errorf("%s: no result", expr)
			}
			return err
		}
	}
	// What is sent to b is refused. A packet of a VNI that no link has is dropped, and one whose frame comes from a group address.
	check(t, a.AddAddr("vxlan0", netip.MustParsePrefix("198.51.100.1/24")))
	stir := func() {
		_, _ = a.Ping(lab.PingConfig{Dst: netip.MustParseAddr("198.51.100.2"), Count: 1, Timeout: 100 * time.Millisecond})
		_, _, _ = b.Run(t.Context(), "bash", "-c", `printf '\x08\0\0\0\0\0\x2b\0AAAAAAAAAAAAAAAAAAAA' >/dev/udp/192.0.2.1/4789; printf '\x08\0\0\0\0\0\x2a\0AAAAAAAAAAAAAAAAAAAA' >/dev/udp/192.0.2.1/4789`)
	}
	eventually(t, func() error {
		stir()
		return holds(`rate(uvtep_link_icmp_errors_total[1m]) > 0 and on(instance) rate(uvtep_drops_total{reason="rx-unknown-vni"}[1m]) > 0`)()
	})
	for _, expr := range panelExpressions(t) {
		if strings.Contains(expr, "remote_heard") {
			continue // nobody was heard
		}
		eventually(t, holds(expr))
	}
	scrape := string(must(get(a.Host, "127.0.0.1:9472", "/metrics"))(t))
	selector := regexp.MustCompile(`\buvtep_[a-z_]+`)
	for _, expr := range alertExpressions(t) {
		if _, err := ask(expr); err != nil {
			t.Error(err)
		}
		for _, metric := range selector.FindAllString(expr, -1) {
			if !strings.Contains(scrape, "# TYPE "+metric+" ") && !strings.HasPrefix(metric, "uvtep_evpn_") && metric != "uvtep_remote_heard_seconds" {
				t.Errorf("%s: the daemon has no %s", expr, metric)
			}
		}
	}
	eventually(t, holds(`ALERTS{alertname="UvtepRemoteUnreachable", alertstate="pending"}`))
	a.daemon.uvtep(t, "link", "set", "vxlan0", "down")
	eventually(t, holds(`ALERTS{alertname="UvtepLinkDown", alertstate="pending"}`))
}
