package interop_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// TestDeviceAsItIs: `link show` says what the device does at present, whoever changed it and in whatever
// network namespace it is.
func TestDeviceAsItIs(t *testing.T) {
	t.Parallel()
	l := lab.ForTest(t)
	h, inside := must(l.Host("a"))(t), must(l.Host("inside"))(t)
	d := startDaemon(t, h, "vxlan0", "id", "42", "remote", "192.0.2.2")
	reads := func(what, reason string, want ...string) {
		t.Helper()
		var o offload
		deadline := time.Now().Add(soon)
		for {
			o = d.offload(t, "vxlan0")
			if slices.Equal(o.TAP.Read, want) && o.TAP.Reason == reason {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: reads %v because %q, want %v because %q", what, o.TAP.Read, o.TAP.Reason, want, reason)
			}
		}
	}
	keys := func() []string {
		t.Helper()
		var all []map[string]any
		check(t, json.Unmarshal([]byte(d.uvtep(t, "-d", "-j", "link", "show", "vxlan0")), &all))
		var names []string
		for k := range all[0] {
			names = append(names, k)
		}
		slices.Sort(names)
		return names
	}

	reads("at first", "", "checksum", "tso", "uso")
	check(t, h.SetOffload("vxlan0", map[string]bool{"tso": false}))
	reads("after ethtool -K tso off", "the device has tso switched off: see ethtool -k", "checksum", "uso")
	check(t, h.SetOffload("vxlan0", map[string]bool{"tso": true, "tx": false}))
	reads("after ethtool -K tx off", "the device has checksum,tso,uso switched off: see ethtool -k")

	here := keys()
	check(t, h.MoveLink("vxlan0", inside), inside.SetUp("vxlan0", true), inside.SetOffload("vxlan0", map[string]bool{"tx": true}))
	reads("in another namespace", "", "checksum", "tso", "uso")
	if there := keys(); !slices.Equal(there, slices.Sorted(slices.Values(append(here, "netnsid")))) {
		t.Errorf("in another namespace it has the keys\n%v, here\n%v", there, here)
	}
	if text := d.uvtep(t, "-d", "link", "show", "vxlan0"); !strings.Contains(text, "minmtu 68 maxmtu 65521 netnsid ") || !strings.Contains(text, " qdisc ") {
		t.Errorf("in another namespace it says: %s", text)
	}
}
