package interop_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestGroupWithoutDev: a recipe that many have: a group and local, no dev, on a host
// without a default route and with another device first. ip wants dev; the kernel's link
// at the other end has it.
func TestGroupWithoutDev(t *testing.T) {
	t.Parallel()
	lab.NeedKernelVXLAN(t)
	for _, f := range testedFamilies() {
		t.Run(f.name, func(t *testing.T) {
			l := lab.ForTest(t)
			near, far, other := must(l.Host("near"))(t), must(l.Host("far"))(t), must(l.Host("other"))(t)
			must(l.Wire(near, other, lab.WireOptions{}))(t)
			w := must(l.Wire(near, far, lab.WireOptions{}))(t)
			own, peer, late := prefix(f.outer, 1), prefix(f.outer, 2), prefix(f.outer, 9)
			check(t, near.AddAddr(w.A, own), far.AddAddr(w.B, peer),
				far.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: peer.Addr(), Group: f.group, Dev: w.B}), far.AddAddr("vxlan0", inner4(2)))
			d := startDaemon(t, near)
			add := func(name, id, local string) {
				d.uvtep(t, "link", "add", name, "type", "vxlan", "id", id, "local", local, "group", f.group.String())
				d.uvtep(t, "link", "set", name, "up")
			}
			add("vxlan0", "42", own.Addr().String())
			check(t, near.AddAddr("vxlan0", inner4(1)))
			check(t, near.MustReach(inner4(2).Addr(), 56, soon), far.MustReach(inner4(1).Addr(), 56, soon))
			entry := fmt.Sprintf("%s dst %s via %s self permanent\n", zeros, f.group, w.A)
			if have := d.uvtep(t, "fdb", "show", "dev", "vxlan0"); !strings.Contains(have, entry) {
				t.Errorf("no line %q in\n%s", entry, have)
			}
			if mtu := must(near.MTU("vxlan0"))(t); mtu != 1450 && mtu != 1430 {
				t.Errorf("its MTU is %d", mtu)
			}

			add("vxlan1", "43", late.Addr().String())
			if have := d.uvtep(t, "link", "show", "vxlan1"); !strings.Contains(have, "uvtep missing ") {
				t.Errorf("nothing is missing where no device has local:\n%s", have)
			}
			check(t, near.AddAddr(w.A, late))
			eventually(t, func() error {
				have, entries := d.uvtep(t, "link", "show", "vxlan1"), d.uvtep(t, "fdb", "show", "dev", "vxlan1")
				if strings.Contains(have, "missing") || !strings.Contains(entries, entry) {
					return fmt.Errorf("%s is there now:\n%s%s", late, have, entries)
				}
				return nil
			})
		})
	}
}
