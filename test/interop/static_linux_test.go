package interop_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// staticMAC is the address of the link of site number n.
func staticMAC(n int) string { return fmt.Sprintf("02:00:00:00:00:%02x", n) }

// knownInAdvance makes four sites that learn nothing: a controller gave each the
// addresses of the others and the default entries to replicate to.
func knownInAdvance(t *testing.T, f family, k kinds) []*site {
	t.Helper()
	sites := newSites(t, f, lab.WireOptions{}, k[0], k[1], kernel, uvtep)
	for _, s := range sites {
		s.addLink(t, link{noLearning: true, mac: staticMAC(s.n)})
		s.overlay(t, "vxlan0")
		for _, other := range sites {
			if other != s {
				s.fdb(t, "append", "vxlan0", zeros, other.outer)
				s.fdb(t, "add", "vxlan0", staticMAC(other.n), other.outer)
			}
		}
	}
	return sites
}

// TestKnownInAdvance is the static half of scenario 5.
func TestKnownInAdvance(t *testing.T) {
	t.Parallel()
	for _, k := range allKinds() {
		for _, f := range testedFamilies() {
			t.Run(k.String()+"/"+f.name, func(t *testing.T) {
				sites := knownInAdvance(t, f, k)
				for _, from := range sites {
					for _, to := range sites {
						if from != to {
							ping(t, from.Host, inner4(to.n).Addr(), 1400)
						}
					}
				}
				a, b := sites[0], sites[1]
				tcp(t, a.Host, b.Host, inner4(b.n).Addr(), 4<<20)
				for _, s := range sites {
					if have := s.showFDB(t, "vxlan0"); len(have) != 6 || slices.ContainsFunc(have, func(l string) bool {
						return !strings.HasSuffix(l, " self permanent")
					}) {
						t.Errorf("%s (%s) learned:\n%s", s, s.kind, strings.Join(have, "\n"))
					}
				}
				t.Run("replication", func(t *testing.T) { replication(t, sites) })
				t.Run("changes", func(t *testing.T) { changes(t, sites) })
			})
		}
	}
}

// replication sends frames to all from each site, which must come to each other
// one once, and frames to one, which no other may see.
func replication(t *testing.T, sites []*site) {
	for i, from := range sites {
		var seen []*lab.Capture
		for _, s := range sites {
			seen = append(seen, must(s.Capture("vxlan0", 0))(t))
		}
		one := (i + 1) % len(sites)
		out := must(from.OpenPacket("vxlan0"))(t)
		src := must(net.ParseMAC(staticMAC(from.n)))(t)
		to := must(net.ParseMAC(staticMAC(sites[one].n)))(t)
		wire := must(from.Capture(from.dev, 0))(t)
		check(t, out.Send(frame(to, src, nil, 100, "for one")))
		for i := range 5 {
			check(t, out.Send(frame(net.HardwareAddr{255, 255, 255, 255, 255, 255}, src, nil, 100, fmt.Sprintf("echo %02d", i))))
		}
		for j := range sites {
			if sites[j] != from {
				once(t, seen[j], 5)
			}
		}
		var copies []string
		for _, p := range outerPackets(must(wire.Stop())(t)) {
			if strings.Contains(string(p.inner), "for one") {
				copies = append(copies, p.dst.String())
			}
		}
		if want := sites[one].outer.String(); !slices.Equal(copies, []string{want}) {
			t.Errorf("%s (%s): the frame for %s went to %q", from, from.kind, want, copies)
		}
	}
}

// changes has a controller change entries of a and b while traffic flows
// between them: other MACs, and the default entries.
func changes(t *testing.T, sites []*site) {
	a, b, c, d := sites[0], sites[1], sites[2], sites[3]
	const rounds = 3
	until := make(chan struct{})
	var flows sync.WaitGroup
	for _, way := range [][2]*site{{a, b}, {b, a}} {
		flows.Go(func() {
			n, err := lab.UDPAtRate(t.Context(), lab.RateConfig{
				From: way[0].Host, To: way[1].Host, Dst: inner4(way[1].n).Addr(), Size: 600, Rate: fewer(10_000), Duration: time.Minute, Until: until,
			})
			if err != nil || !n.Clean() || n.Sent < 100 {
				t.Errorf("%s to %s: %v: %v", way[0], way[1], err, n)
			}
		})
	}
	for n := range rounds {
		for _, s := range []*site{a, b} {
			mac := fmt.Sprintf("02:00:00:00:01:%02x", n)
			s.fdb(t, "add", "vxlan0", mac, c.outer)
			s.fdb(t, "replace", "vxlan0", mac, d.outer)
			s.fdb(t, "replace", "vxlan0", staticMAC(c.n), d.outer)
			s.fdb(t, "del", "vxlan0", zeros, d.outer)
			s.fdb(t, "append", "vxlan0", zeros, d.outer)
			s.fdb(t, "replace", "vxlan0", staticMAC(c.n), c.outer)
			s.fdb(t, "del", "vxlan0", mac, d.outer)
		}
	}
	close(until)
	flows.Wait()
	for _, s := range []*site{a, b} {
		if have := s.showFDB(t, "vxlan0"); len(have) != 6 {
			t.Errorf("%s: FDB at the end: %q", s, have)
		}
	}
	ping(t, a.Host, inner4(c.n).Addr(), 56)
	ping(t, a.Host, inner4(d.n).Addr(), 56)
}

// TestRefusedChanges: what a controller got wrong is refused and changes
// nothing.
func TestRefusedChanges(t *testing.T) {
	t.Parallel()
	sites := newSites(t, families()[0], lab.WireOptions{}, uvtep, uvtep)
	s := sites[0]
	s.addLink(t, link{noLearning: true, remote: sites[1].outer})
	s.fdb(t, "add", "vxlan0", staticMAC(9), sites[1].outer)
	before := s.showFDB(t, "vxlan0")
	for _, c := range []struct{ words, says string }{
		{"add " + staticMAC(9) + " dev vxlan0 dst 192.0.2.9", "File exists"},
		{"append " + staticMAC(9) + " dev vxlan0 dst 192.0.2.9", "replace"},
		{"replace " + zeros + " dev vxlan0 dst 192.0.2.9", "append"},
		{"del " + staticMAC(8) + " dev vxlan0", "No such file or directory"},
		{"del " + zeros + " dev vxlan0 dst 192.0.2.8", "No such file or directory"},
		{"add " + staticMAC(8) + " dev vxlan0 dst 2001:db8:1::9", "another address family"},
		{"add " + staticMAC(8) + " dev vxlan9 dst 192.0.2.9", "vxlan9"},
	} {
		_, errs, err := s.daemon.try(t.Context(), append([]string{"fdb"}, strings.Fields(c.words)...)...)
		if exitStatus(err) != 2 || !strings.Contains(errs, c.says) {
			t.Errorf("fdb %s: exit status %d, stderr %q, want 2 and %q", c.words, exitStatus(err), errs, c.says)
		}
		if err := oneLine(errs); err != nil {
			t.Errorf("fdb %s: %v", c.words, err)
		}
	}
	if after := s.showFDB(t, "vxlan0"); !slices.Equal(before, after) {
		t.Errorf("before %q, after %q", before, after)
	}
}
