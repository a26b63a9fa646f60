package conformance

import (
	"strings"
	"testing"

	"github.com/uvtep/uvtep/vtep/forward"
)

// TestL21Misses: the words are kept, shown and changed; a frame that is told of
// goes nowhere, as without them.
func TestL21Misses(t *testing.T) {
	r := newRig(t, ipv4Underlay())
	r.start("id 42 local", r.local.Addr().String(), "l2miss l3miss")
	shows := func(text string, keys ...string) {
		t.Helper()
		out, _, err := r.uvtepCLI("-d", "link", "show", "vxlan0")
		check(t, err)
		json, _, err := r.uvtepCLI("-d", "-j", "link", "show", "vxlan0")
		check(t, err)
		if !strings.Contains(out, " "+text+" ttl ") {
			t.Errorf("want %q in\n%s", text, out)
		}
		for _, key := range keys {
			if !strings.Contains(json, `"`+key+`":true`) {
				t.Errorf("want %q in\n%s", key, json)
			}
		}
	}
	shows("l2miss l3miss", "l2miss", "l3miss")
	r.keeps(forward.TxNoRemote, frameTo(farMAC))
	if _, stderr, err := r.uvtepCLI("link", "set", "vxlan0", "type", "vxlan", "nol3miss"); err != nil {
		t.Fatalf("link set nol3miss: %v: %s", err, stderr)
	}
	shows("l2miss", "l2miss")
}
