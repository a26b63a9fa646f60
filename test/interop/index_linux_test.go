package interop_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestIndexWord: a device gets the index that the sentence names, as the kernel's does, is exported with it, and an
// index that a kernel's device has is refused.
func TestIndexWord(t *testing.T) {
	t.Parallel()
	lab.NeedKernelVXLAN(t)
	h := must(lab.ForTest(t).Host("a"))(t)
	ip := func(args ...string) string {
		t.Helper()
		out, stderr, err := h.Run(t.Context(), "ip", args...)
		if err != nil {
			t.Fatal(stderr, err)
		}
		return out
	}
	ip("link", "add", "name", "kernel0", "index", "4711", "type", "vxlan", "id", "1", "dstport", "4790")
	d := startDaemon(t, h)
	d.uvtep(t, "link", "add", "name", "vxlan0", "index", "4712", "type", "vxlan", "id", "42", "dstport", "4789")
	for name, index := range map[string]int{"kernel0": 4711, "vxlan0": 4712} {
		var links []struct {
			Index int `json:"ifindex"`
		}
		check(t, json.Unmarshal([]byte(ip("-j", "link", "show", name)), &links))
		if links[0].Index != index {
			t.Errorf("%s has index %d, want %d", name, links[0].Index, index)
		}
	}
	if have := d.uvtep(t, "export", "--to", "iproute2"); !strings.Contains(have, "ip link add name vxlan0 index 4712 ") {
		t.Errorf("the export has no index:\n%s", have)
	}
	if _, stderr, err := d.try(t.Context(), "link", "add", "vxlan1", "index", "4711", "id", "43"); err == nil || !strings.Contains(stderr, "index 4711: another network device has this index") {
		t.Errorf("an index that is taken: %v, %s", err, stderr)
	}
}
