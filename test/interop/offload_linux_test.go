package interop_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// switches are the offloads that a daemon does without.
type switches struct{ tap, gso, gro bool }

// allSwitches are the eight combinations, nothing switched off first.
func allSwitches() (all []switches) {
	for n := range 8 {
		all = append(all, switches{n&1 != 0, n&2 != 0, n&4 != 0})
	}
	return all
}

func (s switches) words() (words []string) {
	for _, w := range []struct {
		off  bool
		word string
	}{{s.tap, "tap"}, {s.gso, "udp-gso"}, {s.gro, "udp-gro"}} {
		if w.off {
			words = append(words, w.word)
		}
	}
	return words
}

func (s switches) String() string {
	if s == (switches{}) {
		return "all-on"
	}
	return "no-" + strings.Join(s.words(), "-")
}

// options are those of `uvtep run`.
func (s switches) options() []string {
	if s == (switches{}) {
		return nil
	}
	return []string{"--no-offload", strings.Join(s.words(), ",")}
}

// offload is what `uvtep -d -j link show` says of offloads.
type offload struct {
	TAP struct {
		Read, Write []string
		Reason      string
	}
	GSO struct {
		Segments int
		Reason   string
	} `json:"udp_gso"`
	GRO struct {
		On     bool
		Reason string
	} `json:"udp_gro"`
	Filter struct {
		On     bool
		Reason string
	}
	Tunnel struct {
		On     bool
		Reason string
	} `json:"tunnel_gso"`
	Ring struct {
		On     bool
		Reason string
	} `json:"tx_ring"`
}

func (d *daemon) offload(t *testing.T, link string) offload {
	t.Helper()
	var all []struct {
		Linkinfo struct {
			Own struct{ Offload offload } `json:"uvtep"`
		}
	}
	text := d.uvtep(t, "-d", "-j", "link", "show", link)
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) != 1 {
		t.Fatalf("link show %s: %v: %s", link, err, text)
	}
	return all[0].Linkinfo.Own.Offload
}

// inUse fails where a daemon uses an offload that is switched off, or does not
// use one that is not: this kernel has all of them.
func (s switches) inUse(t *testing.T, sites []*site) {
	t.Helper()
	why := func(off bool) string {
		if off {
			return "switched off"
		}
		return ""
	}
	for _, at := range sites {
		if at.kind != uvtep {
			continue
		}
		o := at.daemon.offload(t, "vxlan0")
		read, write := []string{"checksum", "tso", "uso"}, []string{"tso", "uso"}
		if s.tap {
			read, write = []string{"checksum"}, []string{}
		}
		if !slices.Equal(o.TAP.Read, read) || !slices.Equal(o.TAP.Write, write) || o.TAP.Reason != why(s.tap) {
			t.Errorf("%s, %s: TAP %+v", at, s, o.TAP)
		}
		if tso := must(at.Offloads("vxlan0"))(t)["tx-tcp-segmentation"]; tso == s.tap {
			t.Errorf("%s, %s: the kernel has TSO %v on the TAP", at, s, tso)
		}
		if (o.GSO.Segments == 1) != s.gso || o.GSO.Segments < 1 || o.GSO.Reason != why(s.gso) {
			t.Errorf("%s, %s: UDP GSO %+v", at, s, o.GSO)
		}
		if o.GRO.On == s.gro || o.GRO.Reason != why(s.gro) {
			t.Errorf("%s, %s: UDP GRO %+v", at, s, o.GRO)
		}
	}
}

// TestOffloadSwitches sends TCP with a hash and numbered datagrams both ways,
// IPv4 and IPv6, under each combination of switches and over either underlay,
// between two daemons and between a daemon and a kernel VTEP.
func TestOffloadSwitches(t *testing.T) {
	t.Parallel()
	for _, s := range allSwitches() {
		t.Run(s.String(), func(t *testing.T) {
			for _, f := range testedFamilies() {
				t.Run("uvtep-uvtep/"+f.name, func(t *testing.T) { offloadTraffic(t, s, f, uvtep, uvtep) })
			}
			t.Run("uvtep-kernel", func(t *testing.T) { offloadTraffic(t, s, families()[0], uvtep, kernel) })
		})
	}
}

func offloadTraffic(t *testing.T, s switches, f family, kinds ...string) {
	size := int64(20_000_000)
	if raceDetector {
		size = 2_000_000
	}
	// GRO on the wire, without which no datagrams come joined.
	sites := newSitesWith(t, f, lab.WireOptions{Offload: map[string]bool{"gro": true}}, s.options(), kinds...)
	join(t, sites, netip.Addr{})
	s.inUse(t, sites)
	streams(t, sites[0], sites[1], size)
	s.inUse(t, sites) // nothing fell back on the way
	noErrors(t, sites)
}

// streams sends TCP with a hash and numbered datagrams both ways, IPv4 and IPv6.
func streams(t *testing.T, a, b *site, size int64) {
	t.Helper()
	for _, inner := range []func(int) netip.Prefix{inner4, inner6} {
		check(t, a.MustReach(inner(b.n).Addr(), 56, soon))
		tcp(t, a.Host, b.Host, inner(b.n).Addr(), size)
		tcp(t, b.Host, a.Host, inner(a.n).Addr(), size)
		udp(t, a.Host, b.Host, inner(b.n).Addr(), 64)
		udp(t, a.Host, b.Host, inner(b.n).Addr(), 1350)
	}
}

// TestTune: --tune switches GRO on at the device that the link sends through,
// and says so.
func TestTune(t *testing.T) {
	t.Parallel()
	sites := newSitesWith(t, families()[0], lab.WireOptions{Offload: map[string]bool{"gro": false}}, []string{"--tune"}, uvtep, uvtep)
	for _, s := range sites {
		if must(s.Offloads(s.dev))(t)["rx-gro"] {
			t.Fatalf("%s: GRO is on at %s before anybody tuned it", s, s.dev)
		}
	}
	join(t, sites, netip.Addr{})
	for _, s := range sites {
		if !must(s.Offloads(s.dev))(t)["rx-gro"] {
			t.Errorf("%s: GRO is off at %s", s, s.dev)
		}
		s.daemon.uvtep(t, "link", "add", "vxlan1", "type", "vxlan", "id", "43", "remote", "192.0.2.9") // the same device
		want := `msg="tuned the underlay device" class=links link=vxlan0 vni=42 dev=` + s.dev + ` set="gro on"`
		if log := s.daemon.proc.Stderr(); strings.Count(log, "tuned") != 1 || !strings.Contains(log, want) {
			t.Errorf("%s logged, want %q once:\n%s", s, want, log)
		}
	}
}

// TestFilterSwitch: what the kernel drops is told of each link, and can be switched off.
func TestFilterSwitch(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]struct {
		on     bool
		reason string
	}{"": {true, ""}, "filter": {false, "switched off"}} {
		t.Run("off="+words, func(t *testing.T) {
			t.Parallel()
			l := lab.ForTest(t)
			h := must(l.Host("a"))(t)
			d := startDaemon(t, h, "--no-offload="+words, "vxlan0", "id", "42", "remote", "192.0.2.2")
			if f := d.offload(t, "vxlan0").Filter; f.On != want.on || f.Reason != want.reason {
				t.Errorf("filter %+v, want %+v", f, want)
			}
			if text := d.uvtep(t, "-d", "link", "show", "vxlan0"); !strings.Contains(text, map[bool]string{true: " filter on", false: ` filter off filter-reason "switched off"`}[want.on]) {
				t.Errorf("link show -d says nothing of it: %s", text)
			}
		})
	}
}
