package interop_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestSmallSegments: of a superframe that would stand for more than 128 frames the
// kernel makes several before the TAP has it (gso_max_segs), the host's own as well
// as what a container sends through a bridge: nothing is dropped.
func TestSmallSegments(t *testing.T) {
	t.Parallel()
	sites := newSites(t, families()[0], lab.WireOptions{}, uvtep, uvtep)
	for i, s := range sites {
		s.addLink(t, link{remote: sites[1-i].outer})
		check(t, s.AddAddr("vxlan0", inner4(s.n)))
	}
	a, b := sites[0], sites[1]
	transfer := func(from, to *lab.Host, n int, dev string) {
		t.Helper()
		for _, mss := range []int{88, 200, 500} {
			// The receiver's route says what it takes, and so what the sender makes.
			out, stderr, err := to.Run(t.Context(), "ip", "route", "replace", "198.51.100.0/24", "dev", dev,
				"proto", "kernel", "scope", "link", "src", inner4(n).Addr().String(), "advmss", fmt.Sprint(mss))
			if err != nil {
				t.Fatalf("ip: %v: %s%s", err, out, stderr)
			}
			r := must(lab.TCPTransfer(from, to, inner4(n).Addr(), 2<<20))(t)
			if r.LocalMSS[0] > mss {
				t.Errorf("segments of %d bytes, want %d at most", r.LocalMSS[0], mss)
			}
			t.Logf("segments of %d bytes: %v", r.LocalMSS[0], r)
		}
	}
	transfer(a.Host, b.Host, b.n, "vxlan0")
	for _, s := range sites {
		check(t, s.DelAddr("vxlan0", inner4(s.n)))
	}
	all := containers(t, sites, 1)
	transfer(all[0].Host, all[1].Host, all[1].n, "eth0")
	for _, s := range sites {
		if out := s.daemon.uvtep(t, "-s", "-j", "link", "show", "vxlan0"); strings.Contains(out, "tx-too-many-segments") {
			t.Errorf("%s dropped superframes: %s", s, out)
		}
	}
}
