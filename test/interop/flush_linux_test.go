package interop_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestFlushFilters: five entries of one sort to 192.0.2.1 and five of another to
// 192.0.2.2, and how many of each a flush leaves. The numbers are those that the
// kernel's own test wants of its driver
// (tools/testing/selftests/net/fdb_flush.sh); the iproute2 of most systems is too
// old to ask the kernel here.
func TestFlushFilters(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, must(lab.ForTest(t).Host("a"))(t), "vx1", "id", "1000")
	all := func(t *testing.T, dst string) int {
		t.Helper()
		return strings.Count(d.uvtep(t, "fdb", "show", "dev", "vx1"), "dst "+dst+" ")
	}
	for _, tt := range []struct {
		one, two, flush string
		left            [2]int
	}{
		{"", "", "", [2]int{0, 0}},
		{"vni 3000", "vni 4000", "vni 4000", [2]int{5, 0}},
		{"vni 3000", "vni 4000", "src_vni 4000", [2]int{5, 5}},
		{"vni 3000", "vni 4000", "src_vni 1000", [2]int{0, 0}},
		{"port 1234", "port 4321", "port 4321", [2]int{5, 0}},
		{"", "", "dst 192.0.2.2", [2]int{5, 0}},
		{"", "", "nhid 200", [2]int{5, 5}},
		{"permanent", "extern_learn", "permanent", [2]int{0, 0}},
		{"permanent", "static", "nopermanent", [2]int{5, 0}},
		{"static", "dynamic", "static", [2]int{0, 5}},
		{"permanent", "dynamic", "nostatic", [2]int{5, 0}},
		{"dynamic", "static", "dynamic", [2]int{0, 5}},
		{"permanent", "dynamic", "nodynamic", [2]int{0, 5}},
		{"extern_learn", "router", "extern_learn", [2]int{0, 5}},
		{"extern_learn", "router", "noextern_learn", [2]int{5, 0}},
		{"router", "extern_learn", "router", [2]int{0, 5}},
		{"router", "extern_learn", "norouter", [2]int{5, 0}},
		{"vni 3000 port 1234", "vni 3000 port 1234", "vni 3000 port 1234 dst 192.0.2.2", [2]int{5, 0}},
	} {
		t.Run(tt.flush, func(t *testing.T) {
			for i, words := range []string{tt.one, tt.two} {
				for n := range 5 {
					line := fmt.Sprintf("fdb add 02:00:00:00:%02x:%02x dev vx1 dst 192.0.2.%d %s", i, n, i+1, words)
					d.uvtep(t, strings.Fields(line)...)
				}
			}
			d.uvtep(t, strings.Fields("fdb flush dev vx1 "+tt.flush)...)
			if left := [2]int{all(t, "192.0.2.1"), all(t, "192.0.2.2")}; left != tt.left {
				t.Errorf("left %v, want %v", left, tt.left)
			}
			d.uvtep(t, "fdb", "flush", "dev", "vx1")
		})
	}
	for _, words := range []string{"1 vni 2000", "1 vni 2000 port 1111", "2 vni 2000 port 2222", "1 vni 3000", "1 vni 3000 port 1111", "2 vni 3000 port 2222"} {
		d.uvtep(t, strings.Fields("fdb append "+zeros+" dev vx1 dst 192.0.2."+words)...)
	}
	for _, step := range []struct {
		flush string
		left  int
	}{{"dst 192.0.2.1 port 1111 vni 2000", 5}, {"dst 192.0.2.2 port 2222", 3}, {"vni 3000 src_vni 1000 port 1111", 2}, {"dst 192.0.2.1", 0}} {
		d.uvtep(t, strings.Fields("fdb flush dev vx1 "+step.flush)...)
		if n := strings.Count(d.uvtep(t, "fdb", "show", "dev", "vx1"), "\n"); n != step.left {
			t.Errorf("flush of remotes by %s left %d, want %d", step.flush, n, step.left)
		}
	}
}
