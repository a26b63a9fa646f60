package interop_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestSelfMaster: `self master` gives an entry to the link and to the bridge that
// it is a port of, as it does with the kernel's.
func TestSelfMaster(t *testing.T) {
	t.Parallel()
	theirs, ours := speakers(t)
	// inBridge is what the bridge of a host has of these MAC addresses.
	inBridge := func(h *lab.Host) []string {
		out, _, err := h.Run(t.Context(), "bridge", "fdb", "show", "br", "br0")
		check(t, err)
		var lines []string
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "02:00:00:00:01:") && !strings.Contains(line, "self") {
				lines = append(lines, strings.Join(strings.Fields(line), " "))
			}
		}
		slices.Sort(lines)
		return lines
	}
	const link = "ip link add vx1 type vxlan id 42 local 192.0.2.1 remote 192.0.2.2 dstport 4789 dev eth0"
	for _, s := range []*speaker{theirs, ours} {
		if out, status := s.say(t, link); status != 0 {
			t.Fatal(out)
		}
		for _, line := range []string{"link add br0 type bridge", "link set vx1 master br0"} {
			_, stderr, err := s.Run(t.Context(), "ip", strings.Fields(line)...)
			if err != nil {
				t.Fatalf("ip %s: %v: %s", line, err, stderr)
			}
		}
	}
	for _, line := range []string{
		"bridge fdb add 02:00:00:00:01:01 dev vx1 self master static dst 192.0.2.7",
		"bridge fdb add 02:00:00:00:01:01 dev vx1 self master static dst 192.0.2.7",
		"bridge fdb replace 02:00:00:00:01:01 dev vx1 self master extern_learn static dst 192.0.2.8",
		"bridge fdb add 02:00:00:00:01:02 dev vx1 master self dst 192.0.2.7",
		"bridge fdb add 02:00:00:00:01:03 dev vx1 master self dynamic dst 192.0.2.7",
		"bridge fdb add 02:00:00:00:01:04 dev vx1 self dst 192.0.2.7",
		"bridge fdb del 02:00:00:00:01:02 dev vx1 self master dst 192.0.2.7",
		"bridge fdb del 02:00:00:00:01:04 dev vx1 self master",
	} {
		_, want := theirs.say(t, line)
		out, got := ours.say(t, line)
		if (want == 0) != (got == 0) {
			t.Errorf("%s: kernel %d, uvtep %d: %s", line, want, got, out)
		}
		if want, got := inBridge(theirs.Host), inBridge(ours.Host); !slices.Equal(want, got) {
			t.Errorf("%s: the bridge has\nkernel %q\nuvtep  %q", line, want, got)
		}
	}
}
