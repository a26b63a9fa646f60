package interop_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
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

// TestMasterOfRenamed: a command for a link by the name that it was added with
// reaches the link, not a stranger that has the name by now.
func TestMasterOfRenamed(t *testing.T) {
	t.Parallel()
	installed(t, "ip")
	l := lab.ForTest(t)
	h := must(l.Host("a"))(t)
	check(t, h.AddBridge("br0"))
	d := startDaemon(t, h, "vx0", "id", "42", "local", "192.0.2.1", "remote", "192.0.2.2")
	for _, words := range []string{"link set vx0 down", "link set vx0 name vx1", "link add vx0 type veth peer name other"} {
		if _, stderr, err := h.Run(t.Context(), "ip", strings.Fields(words)...); err != nil {
			t.Fatalf("ip %s: %v: %s", words, err, stderr)
		}
	}
	eventually(t, func() error { return has(d.uvtep(t, "-br", "link", "show"), "vx1") })
	d.uvtep(t, "link", "set", "vx0", "master", "br0")
	slaves, _, err := h.Run(t.Context(), "ip", "-br", "link", "show", "master", "br0")
	check(t, err, has(slaves, "vx1"))
	if strings.Contains(slaves, "vx0") {
		t.Errorf("a stranger is the bridge's port: %s", slaves)
	}
	const mac = "02:00:00:00:00:07"
	d.uvtep(t, "fdb", "add", mac, "dev", "vx0", "dst", "192.0.2.2", "self", "master")
	ports, _, err := h.Run(t.Context(), "bridge", "fdb", "show", "br", "br0")
	check(t, err, has(ports, mac+" dev vx1"))
}

// TestAdoptedIsDeleted: `link del` removes a persistent TAP that somebody else
// had made.
func TestAdoptedIsDeleted(t *testing.T) {
	t.Parallel()
	installed(t, "ip")
	l := lab.ForTest(t)
	h := must(l.Host("a"))(t)
	if _, stderr, err := h.Run(t.Context(), "ip", "tuntap", "add", "dev", "vx0", "mode", "tap", "vnet_hdr"); err != nil {
		t.Fatalf("ip tuntap add: %v: %s", err, stderr)
	}
	d := startDaemon(t, h, "vx0", "id", "42", "local", "192.0.2.1", "remote", "192.0.2.2")
	d.uvtep(t, "link", "del", "vx0")
	eventually(t, func() error {
		if h.HasLink("vx0") {
			return errors.New("the device remains")
		}
		return nil
	})
}

// has reports where text does not have what it should.
func has(text, what string) error {
	if !strings.Contains(text, what) {
		return fmt.Errorf("no %q in %q", what, text)
	}
	return nil
}
