package interop_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/lab"
)

const (
	manyLinks  = 4094     // the VNIs of one trunk's VLAN ids
	memoryEach = 64 << 10 // bytes of a process for an idle link, beyond the kernel's netdev
	idlePrefix = "idle"
)

// TestManyLinks: one process carries 4,094 idle links on one UDP port, each with a
// netdev or all on one trunk port. The last is added in at most twice the time of the
// first, each takes at most 64 KiB, and the link in use beside them works as before.
func TestManyLinks(t *testing.T) {
	for _, on := range []string{"netdevs", "trunk"} {
		t.Run(on, func(t *testing.T) {
			sites := newSites(t, families()[0], lab.WireOptions{}, uvtep, kernel)
			a, b := sites[0], sites[1]
			for i, s := range sites {
				s.addLink(t, link{remote: sites[1-i].outer})
				s.overlay(t, "vxlan0")
			}
			ping(t, a.Host, inner4(b.n).Addr(), 56)
			c := client.New(a.daemon.socket)
			defer c.Close()
			t.Cleanup(func() { check(t, a.DelLinks(idlePrefix)) }) // before the daemon's own end, which takes a minute
			// Of IPv6 each device has routes, and the kernel walks all of them for one that comes up: 9 ms a device where 4,000 kernel
			// VTEPs are up already, and 0.4 ms where none is.
			check(t, a.Sysctl("net.ipv6.conf.default.disable_ipv6", "1"))
			if on == "trunk" {
				check(t, c.AddPort(t.Context(), client.PortChange{PortSpec: client.PortSpec{Name: "trunk0"}}))
			}
			bare := residentBytes(t, a.daemon)
			first, last := addIdle(t, c, a, b, on == "trunk")
			t.Logf("adding a link: %v at first, %v at last", first, last)
			if last > 2*first && !raceDetector {
				t.Errorf("the last 100 links took %v each, the first 100 %v: want at most twice", last, first)
			}
			each := (residentBytes(t, a.daemon) - bare) / manyLinks
			t.Logf("memory of an idle link: %.1f KiB", float64(each)/1024)
			if each > memoryEach && !raceDetector {
				t.Errorf("an idle link takes %d bytes, want at most %d", each, memoryEach)
			}
			ping(t, a.Host, inner4(b.n).Addr(), 1400)
			if links := must(c.Links(t.Context()))(t); len(links) != manyLinks+1 {
				t.Errorf("%d links, want %d", len(links), manyLinks+1)
			}
		})
	}
}

// addIdle adds the idle links and returns what one of the first hundred and one of
// the last took.
func addIdle(t *testing.T, c *client.Client, a, b *site, trunk bool) (first, last time.Duration) {
	t.Helper()
	times := make([]time.Duration, 0, manyLinks)
	for k := range manyLinks {
		id, up := uint32(10_000+k), true
		spec := client.LinkSpec{Name: fmt.Sprint(idlePrefix, k), ID: &id, Local: &a.outer, Remote: &b.outer}
		if trunk {
			spec.Trunk, spec.VLAN = new("trunk0"), new(uint16(k+1))
		}
		begin := time.Now()
		check(t, c.AddLink(t.Context(), client.LinkChange{LinkSpec: spec, Up: &up}))
		times = append(times, time.Since(begin))
	}
	return median(times[:100]), median(times[manyLinks-100:])
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
