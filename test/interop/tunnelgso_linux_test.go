package interop_test

import (
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestTunnelGSO: superframes that leave whole arrive as those that leave in pieces do.
func TestTunnelGSO(t *testing.T) {
	t.Parallel()
	for _, f := range testedFamilies() {
		for _, kinds := range [][]string{{uvtep, uvtep}, {uvtep, kernel}} {
			t.Run(kinds[1]+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				sites := newSitesWith(t, f, lab.WireOptions{}, []string{"--tunnel-gso=auto"}, kinds...)
				join(t, sites, netip.Addr{})
				a, b := sites[0], sites[1]
				for _, inner := range []func(int) netip.Prefix{inner4, inner6} {
					check(t, a.MustReach(inner(b.n).Addr(), 56, soon))
					tcp(t, a.Host, b.Host, inner(b.n).Addr(), 5_000_000)
					tcp(t, b.Host, a.Host, inner(a.n).Addr(), 5_000_000)
				}
				if o := a.daemon.offload(t, "vxlan0").Tunnel; !o.On || o.Reason != "" {
					t.Errorf("tunnel GSO %+v", o)
				}
				noErrors(t, sites)
			})
		}
	}
}
