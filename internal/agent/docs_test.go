package agent

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uvtep/uvtep/evpn"
)

const document = "../../docs/evpn.md"

func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestMetricsTable holds the tables of metrics and reasons to the code.
func TestMetricsTable(t *testing.T) {
	_, text, _ := strings.Cut(page(t), "\n## Metrics\n")
	described := make(chan *prometheus.Desc, 100)
	newCollector(nil, nil).Describe(described)
	close(described)
	parts := regexp.MustCompile(`fqName: "([^"]+)", help: "([^"]+)", .*variableLabels: \{([^}]*)\}`)
	want := map[string]bool{}
	for d := range described {
		m := parts.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("no description: %s", d)
		}
		labels := ""
		if m[3] != "" {
			labels = "`" + strings.Join(strings.Split(m[3], ","), "` `") + "`"
		}
		want[fmt.Sprintf("| `%s` | %s | %s |", m[1], labels, m[2])] = true
	}
	for _, r := range evpn.Reasons() {
		want[fmt.Sprintf("| `%s` | %s |", r, r.Explain())] = true
	}
	for row := range want {
		if !strings.Contains(text, row+"\n") {
			t.Errorf("docs/evpn.md has no row %s", row)
		}
	}
	if rows := strings.Count(text, "\n| `"); rows != len(want) {
		t.Errorf("docs/evpn.md has %d rows, want %d", rows, len(want))
	}
}

// TestRecipeFile: the page's files are ones that an agent takes.
func TestRecipeFile(t *testing.T) {
	for block, as := range map[string]uint32{"agent": 65001, "agent-ebgp": 65002, "agent-proxmox": 65000} {
		_, rest, _ := strings.Cut(page(t), "```yaml "+block+"\n")
		text, _, _ := strings.Cut(rest, "```")
		f, err := parse("evpn.yaml", []byte(text))
		if err != nil || f.AS != as || len(f.Neighbours) != 1 || !f.Links.All {
			t.Errorf("%s is read as %+v, %v", block, f, err)
		}
	}
}
