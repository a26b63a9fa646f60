package packages_test

import (
	"strings"
	"testing"
)

// TestRPM: the .rpm, by rpm itself, from the installation to the removal.
func TestRPM(t *testing.T) {
	if *rpms == "" {
		t.Log("there is nothing to do without -rpms")
		return
	}
	older, newer, _ := strings.Cut(*rpms, ",")
	s := newSite(t)
	s.copyIn(older, "/tmp/older.rpm")
	s.copyIn(newer, "/tmp/newer.rpm")
	s.sh("rpm -i --nodeps /tmp/older.rpm && systemctl enable --now uvtep && uvtep link add vxlan0 type vxlan id 42 local 192.0.2.1 remote 192.0.2.2 up && ip address add 198.51.100.1/24 dev vxlan0")
	check(t, s.MustReach(addr("198.51.100.2"), 56, soon))
	s.confined()
	s.upgrades("rpm -U --nodeps /tmp/newer.rpm")
	if got := s.sh("rpm -q uvtep"); !strings.Contains(got, "0.0.2") {
		t.Errorf("installed after the upgrade: %s", got)
	}
	s.sh("rpm -e uvtep && ! test -e /usr/bin/uvtep")
	if s.HasLink("vxlan0") {
		t.Error("the link is left")
	}
}
