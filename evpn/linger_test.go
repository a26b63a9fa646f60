package evpn

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/bgp"
)

// TestLinger: what is withdrawn and announced again a moment later stays in the data plane untouched; what is
// not goes a moment later; what others announce, or is seen here, does not
// wait, nor does an address whose VTEP has other routes.
func TestLinger(t *testing.T) {
	t3 := bgp.Route{Type: bgp.Multicast, RD: bgp.NewRD(lowVTEP, 9), IP: lowVTEP}
	flood := with(lowVTEP)
	flood.PMSI = &bgp.PMSI{Tunnel: bgp.TunnelIngressReplication, Label: 42, ID: lowVTEP}
	route := t2(lowVTEP, hostA, netip.Addr{})
	withAgent(t, func(c *Config) { c.Linger = 5 * time.Second }, func(t *testing.T, b *bench) {
		peers := func() (n int) {
			b.locked(func() { n = len(b.peers) })
			return n
		}
		asked := func() (n int) {
			b.locked(func() { n = b.asked })
			return n
		}
		later := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		b.hear(t3, flood)
		b.hear(route, with(lowVTEP))
		before := asked()
		for range 3 { // an agent that is started again and again
			b.unhear(t3, route)
			later(4 * time.Second)
			b.hear(t3, flood)
			b.hear(route, with(lowVTEP))
			later(4 * time.Second)
		}
		equal(t, "requests for what comes again", asked(), before)
		b.unhear(t3, route)
		later(4 * time.Second)
		equal(t, "the address meanwhile", b.at(hostA), lowVTEP)
		equal(t, "peers meanwhile", peers(), 1)
		later(2 * time.Second)
		equal(t, "the address later", b.at(hostA), netip.Addr{})
		equal(t, "peers later", peers(), 0)
		equal(t, "addresses that are still known", len(b.MACs(""))+b.links["vxlan42"].macs.n+len(b.links["vxlan42"].vteps), 0)

		b.hear(t3, flood)
		b.hear(route, with(lowVTEP))
		b.unhear(route)
		later(500 * time.Millisecond)
		equal(t, "an address alone, which its VTEP may follow", b.at(hostA), lowVTEP)
		later(time.Second)
		equal(t, "an address alone", b.at(hostA), netip.Addr{})
		equal(t, "its VTEP", peers(), 1)

		b.hear(route, with(lowVTEP))
		b.unhear(route)
		other := t2(highVTEP, hostA, netip.Addr{})
		b.hear(other, with(highVTEP))
		equal(t, "the address behind another VTEP", b.at(hostA), highVTEP)
		b.unhear(other)
		b.seen(hostA)
		equal(t, "the address here", b.at(hostA), netip.Addr{})
		later(time.Minute)
		equal(t, "the address here, later", b.own(hostA, netip.Addr{}) != "", true)
	})
}
