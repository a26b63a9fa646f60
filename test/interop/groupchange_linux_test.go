package interop_test

import (
	"slices"
	"strings"
	"testing"
)

// memberships are the multicast groups that a host has joined, each with its
// device, but for those that every host joins.
func (s *speaker) memberships(t *testing.T) []string {
	t.Helper()
	var groups []string
	device := ""
	for line := range strings.Lines(must(s.ReadProcNet("igmp"))(t)) {
		switch f := strings.Fields(line); {
		case len(f) > 1 && !strings.HasPrefix(line, "\t"):
			device = f[1]
		case len(f) > 1 && f[0] != "010000E0":
			groups = append(groups, device+" "+f[0])
		}
	}
	slices.Sort(groups)
	return groups
}

// TestGroupChange: a running link that gets another group or another device
// leaves the old one and joins the new one, as the kernel's does.
func TestGroupChange(t *testing.T) {
	t.Parallel()
	theirs, ours := speakers(t)
	for _, s := range []*speaker{theirs, ours} {
		for _, line := range []string{"link add v1 type veth peer name v2", "address add 198.51.100.1/24 dev v1", "link set v1 up", "link set v2 up"} {
			if _, stderr, err := s.Run(t.Context(), "ip", strings.Fields(line)...); err != nil {
				t.Fatalf("ip %s: %v: %s", line, err, stderr)
			}
		}
	}
	for i, line := range []string{
		"ip link add vx1 up type vxlan id 42 dstport 4789 local 192.0.2.1 group 239.1.1.1 dev eth0",
		"ip link set vx1 type vxlan group 239.1.1.2 dev eth0",
		"ip link set vx1 type vxlan group 239.1.1.2 dev v1",
		"ip link set vx1 type vxlan remote 192.0.2.9",
		"ip link set vx1 type vxlan group 239.1.1.3 dev eth0",
		"ip link set vx1 down",
		"ip link set vx1 up",
		"ip link del vx1",
	} {
		_, wantStatus := theirs.say(t, line)
		out, status := ours.say(t, line)
		if status != wantStatus {
			t.Errorf("%s: kernel %d, uvtep %d: %s", line, wantStatus, status, out)
		}
		want, got := theirs.memberships(t), ours.memberships(t)
		if i == 0 && len(want) != 1 {
			t.Fatalf("the kernel's link has joined %q, want one group", want)
		}
		if !slices.Equal(want, got) {
			t.Errorf("%s: the groups are\nkernel %q\nuvtep  %q", line, want, got)
		}
	}
}
