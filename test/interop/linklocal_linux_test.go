package interop_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// spoke is a kernel VTEP at the other end of one of the hub's wires. All of them have the
// same link-local address, as the ends of tunnels mostly have.
type spoke struct {
	*lab.Host
	n    int
	wire *lab.Wire
}

const hubLocal, spokeLocal = "fe80::1", "fe80::2"

// connect wires a spoke to the hub, and makes its kernel's link.
func (s *spoke) connect(t *testing.T, hub *lab.Host) {
	t.Helper()
	s.wire = must(s.Lab().Wire(hub, s.Host, lab.WireOptions{NameA: fmt.Sprint("eth", s.n), NameB: "eth0"}))(t)
	check(t, hub.AddAddr(s.wire.A, netip.MustParsePrefix(hubLocal+"/64")), s.AddAddr("eth0", netip.MustParsePrefix(spokeLocal+"/64")),
		s.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: addr(spokeLocal), Remote: addr(hubLocal), Dev: "eth0"}),
		s.AddAddr("vxlan0", inner4(s.n)))
}

// TestLinkLocal: a mesh over tunnels, which have link-local addresses alone. Each peer is
// who has the address behind its device, and answers leave there.
func TestLinkLocal(t *testing.T) {
	t.Parallel()
	lab.NeedKernelVXLAN(t)
	l := lab.ForTest(t)
	hub := must(l.Host("hub"))(t)
	spokes := []*spoke{{Host: must(l.Host("near"))(t), n: 2}, {Host: must(l.Host("far"))(t), n: 3}}
	for _, s := range spokes {
		s.connect(t, hub)
	}
	d := startDaemon(t, hub)
	for _, refused := range []struct{ words, why string }{
		{"local fe80::1 remote fe80::2", "give its device with dev"},
		{"local fe80::1 remote 2001:db8::2 dev eth2", "reaches no 2001:db8::2"},
	} {
		_, stderr, err := d.try(t.Context(), append([]string{"link", "add", "vxlan0", "id", "42"}, strings.Fields(refused.words)...)...)
		if err == nil || !strings.Contains(stderr, refused.why) {
			t.Errorf("%s: %v, stderr %q, want %q", refused.words, err, stderr, refused.why)
		}
	}
	d.uvtep(t, "link", "add", "vxlan0", "id", "42", "local", hubLocal, "remote", spokeLocal, "dev", "eth2")
	d.uvtep(t, "link", "set", "vxlan0", "up")
	check(t, hub.AddAddr("vxlan0", inner4(1)))
	check(t, hub.MustReach(inner4(2).Addr(), 56, soon))
	if p, err := lab.Ping(hub, netip.Addr{}, inner4(3).Addr(), 56, 1); err == nil && p.Received > 0 {
		t.Error("a host with a peer's address behind another device was taken for the peer")
	}
	d.uvtep(t, "fdb", "append", zeros, "dev", "vxlan0", "dst", spokeLocal, "via", "eth3")
	for _, s := range spokes {
		check(t, hub.MustReach(inner4(s.n).Addr(), 56, soon), s.MustReach(inner4(1).Addr(), 56, soon))
		want := fmt.Sprintf("%s dst %s via %s self ", must(s.MAC("vxlan0"))(t), spokeLocal, s.wire.A)
		if have := d.uvtep(t, "fdb", "show", "dev", "vxlan0"); !strings.Contains(have, want+"\n") {
			t.Errorf("no line %q in\n%s", want, have)
		}
	}
	far := spokes[1]
	check(t, hub.DelLink(far.wire.A)) // with it goes the kernel's VTEP on the other end
	far.connect(t, hub)
	check(t, far.MustReach(inner4(1).Addr(), 56, soon), hub.MustReach(inner4(3).Addr(), 56, soon))
	d.uvtep(t, "link", "del", "vxlan0")

	check(t, spokes[0].DelLink("vxlan0"))
	group := addr("ff02::15c")
	check(t, spokes[0].AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: addr(spokeLocal), Group: group, Dev: "eth0"}), spokes[0].AddAddr("vxlan0", inner4(2)))
	d.uvtep(t, "link", "add", "vxlan0", "id", "42", "local", hubLocal, "group", group.String(), "dev", "eth2")
	d.uvtep(t, "link", "set", "vxlan0", "up")
	check(t, hub.AddAddr("vxlan0", inner4(1)))
	check(t, hub.MustReach(inner4(2).Addr(), 56, soon), spokes[0].MustReach(inner4(1).Addr(), 56, soon))
}
