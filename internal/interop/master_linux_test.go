package interop_test

import (
	"testing"

	"github.com/uvtep/uvtep/internal/lab"
)

// TestMaster: `master` and `nomaster` within the link sentence put the device
// into a bridge and out of it, as ip does; what is refused leaves no link.
func TestMaster(t *testing.T) {
	t.Parallel()
	theirs, ours := speakers(t)
	for _, s := range []*speaker{theirs, ours} {
		for _, bridge := range []string{"br0", "br1"} {
			if _, stderr, err := s.Run(t.Context(), "ip", "link", "add", bridge, "type", "bridge"); err != nil {
				t.Fatalf("ip link add %s: %v: %s", bridge, err, stderr)
			}
		}
	}
	const sentence = " type vxlan id 42 local 192.0.2.1 remote 192.0.2.2 dstport 4789 dev eth0 " + sameDefaults
	for _, line := range []string{
		"ip link add vx1 address 02:00:00:00:00:01 up master br0" + sentence,
		"ip link show vx1",
		"ip link show type vxlan master br0",
		"ip link set vx1 nomaster",
		"ip link show vx1",
		"ip link set vx1 master br1 down",
		"ip link show vx1",
		"ip link set vx1 master nope",
		"ip link set vx1 master eth0",
		"ip link set vx1 master",
		"ip link show vx1",
		"ip link add vx2 master nope type vxlan id 43 dstport 4789",
		"ip link add vx2 master eth0 type vxlan id 43 dstport 4789",
		"ip link show vx2",
	} {
		want, wantStatus := theirs.say(t, line)
		got, status := ours.say(t, line)
		if got != want || status != wantStatus {
			t.Errorf("%s\nkernel: status %d\n%s\nuvtep: status %d\n%s", line, wantStatus, want, status, got)
		}
	}
}

// TestMasterOfSentence: a link of `uvtep run`'s own sentence, too.
func TestMasterOfSentence(t *testing.T) {
	t.Parallel()
	l := lab.ForTest(t)
	h := must(l.Host("a"))(t)
	check(t, h.AddBridge("br0"))
	d := startDaemon(t, h, "vx1", "id", "42", "master", "br0")
	if out := d.uvtep(t, "-br", "link", "show", "master", "br0"); len(out) < 3 || out[:3] != "vx1" {
		t.Errorf("the links of br0 are %q, want vx1", out)
	}
}
