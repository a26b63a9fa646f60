package interop_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// The kinds of VTEP that a site has.
const (
	kernel = "kernel"
	uvtep  = "uvtep"
)

// kinds is who stands at either end.
type kinds [2]string

func (k kinds) String() string { return k[0] + "-" + k[1] }

func allKinds() []kinds { return []kinds{{uvtep, kernel}, {kernel, uvtep}, {uvtep, uvtep}} }

// family is the address family of an underlay.
type family struct {
	name  string
	outer string // format of a host's address
	group netip.Addr
}

func families() []family {
	return []family{
		{"IPv4", "192.0.2.%d/24", addr("239.1.1.1")},
		{"IPv6", "2001:db8:1::%d/64", addr("ff05::100")},
	}
}

// testedFamilies are those that a test goes through: under the race detector one, for
// what races does so over both.
func testedFamilies() []family {
	if raceDetector {
		return families()[1:]
	}
	return families()
}

// fewer is how many packets a test sends, or sends a second, that would be n: with the race detector a daemon moves a
// fraction of them.
func fewer(n int) int {
	if raceDetector {
		return n / 5
	}
	return n
}

// The overlay addresses of host number i, RFC 5737 and RFC 3849.
func inner4(i int) netip.Prefix { return prefix("198.51.100.%d/24", i) }
func inner6(i int) netip.Prefix { return prefix("2001:db8:2::%x/64", i) }

// site is a host with a VTEP.
type site struct {
	*lab.Host
	kind   string
	n      int // its number, from 1
	dev    string
	outer  netip.Addr
	daemon *daemon // nil: the kernel's VTEP
}

// newSites makes hosts a, b, ... on one switch, with a daemon where the kind is
// uvtep and no link yet.
func newSites(t *testing.T, f family, o lab.WireOptions, kinds ...string) []*site {
	t.Helper()
	return newSitesWith(t, f, o, nil, kinds...)
}

// newSitesWith is newSites with options of `uvtep run`.
func newSitesWith(t *testing.T, f family, o lab.WireOptions, options []string, kinds ...string) []*site {
	t.Helper()
	l := lab.ForTest(t)
	hosts := make([]*lab.Host, len(kinds))
	for i, kind := range kinds {
		if kind == kernel {
			lab.NeedKernelVXLAN(t)
		}
		hosts[i] = must(l.Host(string(rune('a' + i))))(t)
	}
	var devs []string
	if len(hosts) == 2 {
		w := must(l.Wire(hosts[0], hosts[1], o))(t)
		devs = []string{w.A, w.B}
	} else {
		devs = must(l.Switch(o, hosts...))(t).Devs
	}
	sites := make([]*site, len(kinds))
	for i, h := range hosts {
		outer := prefix(f.outer, i+1)
		check(t, h.AddAddr(devs[i], outer))
		sites[i] = newSite(t, h, kinds[i], i+1, devs[i], outer.Addr(), options...)
	}
	return sites
}

func newSite(t *testing.T, h *lab.Host, kind string, n int, dev string, outer netip.Addr, options ...string) *site {
	t.Helper()
	s := &site{Host: h, kind: kind, n: n, dev: dev, outer: outer}
	if kind == uvtep {
		s.daemon = startDaemon(t, h, options...)
	}
	return s
}

// in is the site seen from h, where a link of it was moved to: the kernel shows
// the FDB of its device there.
func (s *site) in(h *lab.Host) *site {
	moved := *s
	moved.Host = h
	return &moved
}

// link is a VXLAN link, told in what both kinds of VTEP have.
type link struct {
	name          string // "": vxlan0
	vni           uint32 // 0: 42
	remote, group netip.Addr
	noLearning    bool
	noDev         bool // do not name the underlay device
	mac           string
	queues        string // uvtep's
}

// addLink makes a link on a site and brings it up.
func (s *site) addLink(t *testing.T, l link) {
	t.Helper()
	if l.name == "" {
		l.name = "vxlan0"
	}
	if l.vni == 0 {
		l.vni = 42
	}
	s.addLinkExactly(t, l)
}

// addLinkExactly is addLink without its defaults: VNI 0 is a VNI.
func (s *site) addLinkExactly(t *testing.T, l link) {
	t.Helper()
	dev := s.dev
	if l.noDev {
		dev = ""
	}
	if s.kind == kernel {
		var mac net.HardwareAddr
		if l.mac != "" {
			mac = must(net.ParseMAC(l.mac))(t)
		}
		check(t, s.AddKernelVXLAN(lab.KernelVXLAN{Name: l.name, VNI: l.vni, Local: s.outer, Remote: l.remote, Group: l.group,
			Dev: dev, NoLearning: l.noLearning, MAC: mac}))
		return
	}
	args := []string{"link", "add", l.name, "type", "vxlan", "id", fmt.Sprint(l.vni), "local", s.outer.String()}
	for _, word := range []struct{ name, value string }{
		{"dev", dev}, {"remote", text(l.remote)}, {"group", text(l.group)}, {"address", l.mac}, {"queues", l.queues},
	} {
		if word.value != "" {
			args = append(args, word.name, word.value)
		}
	}
	if l.noLearning {
		args = append(args, "nolearning")
	}
	s.daemon.uvtep(t, args...)
	s.daemon.uvtep(t, "link", "set", l.name, "up")
}

func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// delLink removes a link.
func (s *site) delLink(t *testing.T, name string) {
	t.Helper()
	if s.kind == kernel {
		check(t, s.DelLink(name))
		return
	}
	s.daemon.uvtep(t, "link", "del", name)
}

// overlay gives the site's link its overlay addresses.
func (s *site) overlay(t *testing.T, dev string) {
	t.Helper()
	check(t, s.AddAddr(dev, inner4(s.n), inner6(s.n)))
}

// join connects every site to every other one: to the other's address where
// there are two and no group, else by the group, and gives out overlay
// addresses.
func join(t *testing.T, sites []*site, group netip.Addr) {
	t.Helper()
	for i, s := range sites {
		l := link{group: group}
		if !group.IsValid() {
			l.remote = sites[(i+1)%len(sites)].outer
		}
		s.addLink(t, l)
		s.overlay(t, "vxlan0")
	}
	for _, s := range sites[1:] {
		check(t, sites[0].MustReach(inner4(s.n).Addr(), 56, soon))
	}
}

// fdb changes an entry of a link: verb is add, append, replace or del.
func (s *site) fdb(t *testing.T, verb, dev, mac string, dst netip.Addr) {
	t.Helper()
	if s.kind == uvtep {
		args := []string{"fdb", verb, mac, "dev", dev}
		if dst.IsValid() {
			args = append(args, "dst", dst.String())
		}
		s.daemon.uvtep(t, args...)
		return
	}
	e := lab.FDBEntry{MAC: must(net.ParseMAC(mac))(t), Dst: dst}
	change := map[string]func(string, lab.FDBEntry) error{
		"add": s.FDBAdd, "append": s.FDBAppend, "replace": s.FDBReplace, "del": s.FDBDel,
	}
	check(t, change[verb](dev, e))
}

// showFDB is what `fdb show dev` prints, a line each.
func (s *site) showFDB(t *testing.T, dev string) []string {
	t.Helper()
	var all string
	if s.kind == uvtep {
		all = s.daemon.uvtep(t, "fdb", "show", "dev", dev)
	} else {
		all = lab.FormatFDB(must(s.FDB(dev))(t))
	}
	return strings.Split(strings.TrimSuffix(all, "\n"), "\n")
}

// wantEntry fails where no line of the FDB equals want.
func (s *site) wantEntry(t *testing.T, dev, want string) {
	t.Helper()
	if have := s.showFDB(t, dev); !slices.Contains(have, want) {
		t.Errorf("%s (%s): no line %q in the FDB of %s:\n%s", s, s.kind, want, dev, strings.Join(have, "\n"))
	}
}

// mac is the MAC address of a device as FDB lines have it.
func (s *site) mac(t *testing.T, dev string) string {
	t.Helper()
	return must(s.MAC(dev))(t).String()
}
