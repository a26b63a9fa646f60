package interop_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/test/lab"
)

const (
	manyLinks  = 4094     // the VNIs of one trunk's VLAN ids
	lastLinks  = 100      // those that are timed
	memoryEach = 64 << 10 // bytes of a process for an idle link, beyond the kernel's netdev
	idlePrefix = "idle"
)

// TestManyLinks: one process carries 4,094 idle links on one UDP port, each with a
// netdev or all on one trunk port. One more is added in at most twice the time that it takes
// where there is none, each takes at most 64 KiB, and the link in use beside them works as before.
func TestManyLinks(t *testing.T) {
	links := manyLinks
	if raceDetector { // which tells nothing of time and memory, and takes minutes
		links = 4 * lastLinks
	}
	for _, on := range []string{"netdevs", "trunk"} {
		t.Run(on, func(t *testing.T) {
			sites := newSites(t, families()[0], lab.WireOptions{}, uvtep, kernel, uvtep)
			a, b := sites[0], sites[1]
			for i, s := range sites[:2] {
				s.addLink(t, link{remote: sites[1-i].outer})
				s.overlay(t, "vxlan0")
			}
			ping(t, a.Host, inner4(b.n).Addr(), 56)
			many, few := idleLinks(t, a, on == "trunk"), idleLinks(t, sites[2], on == "trunk")
			bare := residentBytes(t, a.daemon)
			for range links - lastLinks {
				many()
			}
			var among, alone []time.Duration
			for range lastLinks { // in turn, since the machine may have other work
				among, alone = append(among, many()), append(alone, few())
			}
			t.Logf("adding a link: %v among %d, %v among %d", median(among), links, median(alone), lastLinks)
			if median(among) > 2*median(alone) && !raceDetector {
				t.Errorf("a link takes %v among %d, and %v among %d: want at most twice", median(among), links, median(alone), lastLinks)
			}
			each := (residentBytes(t, a.daemon) - bare) / links
			t.Logf("memory of an idle link: %.1f KiB", float64(each)/1024)
			if each > memoryEach && !raceDetector {
				t.Errorf("an idle link takes %d bytes, want at most %d", each, memoryEach)
			}
			ping(t, a.Host, inner4(b.n).Addr(), 1400)
		})
	}
}

// idleLinks returns a function that adds one more idle link to a site and tells how long it took.
func idleLinks(t *testing.T, s *site, trunk bool) func() time.Duration {
	t.Helper()
	c := client.New(s.daemon.socket)
	t.Cleanup(func() { c.Close() })
	// Of IPv6 each device has routes, and the kernel walks all of them for one that comes up: 9 ms a device where 4,000 kernel
	// VTEPs are up already, and 0.4 ms where none is.
	check(t, s.Sysctl("net.ipv6.conf.default.disable_ipv6", "1"))
	if trunk {
		check(t, c.AddPort(t.Context(), api.PortChange{PortSpec: api.PortSpec{Name: "trunk0"}}))
	}
	k := 0
	return func() time.Duration {
		k++
		id, up := uint32(10_000+k), true
		remote := addr("192.0.2.2")
		spec := api.LinkSpec{Name: fmt.Sprint(idlePrefix, k), ID: &id, Local: &s.outer, Remote: &remote}
		if trunk {
			spec.Trunk, spec.VLAN = new("trunk0"), new(uint16(k))
		}
		begin := time.Now()
		check(t, c.AddLink(t.Context(), api.LinkChange{LinkSpec: spec, Up: &up}))
		return time.Since(begin)
	}
}

func median(d []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[len(s)/2]
}

// residentBytes is what the daemon has in memory.
func residentBytes(t *testing.T, d *daemon) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", d.proc.Pid()))
	check(t, err)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Rss:" {
			return must(strconv.Atoi(f[1]))(t) << 10
		}
	}
	t.Fatalf("no Rss in %q", b)
	return 0
}
