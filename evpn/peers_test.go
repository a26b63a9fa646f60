package evpn

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/uvtep/uvtep/bgp"
)

// TestStale: a route of a session that is up counts before a stale one, whatever its number.
func TestStale(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		second := netip.MustParseAddr("192.0.2.253")
		b.hear(t2(lowVTEP, hostA, netip.Addr{}), with(lowVTEP, bgp.MACMobility(7, false)))
		b.HandleUpdate(second, &bgp.Update{Announced: []bgp.Route{t2(highVTEP, hostA, netip.Addr{})}, Attributes: with(highVTEP)})
		synctest.Wait()
		equal(t, "VTEP", b.at(hostA), lowVTEP)
		b.HandleEvent(bgp.Event{Neighbour: reflector, Kind: bgp.NeighbourDown})
		b.HandleEvent(bgp.Event{Neighbour: reflector, Kind: bgp.StaleBegin})
		synctest.Wait()
		equal(t, "VTEP while the first route is stale", b.at(hostA), highVTEP)
		b.HandleEvent(bgp.Event{Neighbour: reflector, Kind: bgp.NeighbourUp})
		b.hear(t2(lowVTEP, hostA, netip.Addr{}), with(lowVTEP, bgp.MACMobility(7, false)))
		equal(t, "VTEP once it has come again", b.at(hostA), lowVTEP)
		b.HandleEvent(bgp.Event{Neighbour: reflector, Kind: bgp.StaleEnd})
		b.unhear(t2(lowVTEP, hostA, netip.Addr{}))
		equal(t, "VTEP without it", b.at(hostA), highVTEP)
	})
}

// TestMoreReflectors: a route that two neighbours say is there until both withdraw it.
func TestMoreReflectors(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		second := netip.MustParseAddr("192.0.2.253")
		r := t2(lowVTEP, hostA, addrA)
		b.hear(r, with(lowVTEP))
		b.HandleUpdate(second, &bgp.Update{Announced: []bgp.Route{r}, Attributes: with(lowVTEP)})
		b.unhear(r)
		equal(t, "VTEP while one has it", b.at(hostA), lowVTEP)
		b.HandleUpdate(second, &bgp.Update{Withdrawn: []bgp.Route{r}})
		synctest.Wait()
		equal(t, "number of entries without", len(b.macs)+len(b.addrs), 0)
		equal(t, "number of routes that are left", b.rib.n+len(b.paths.of)+b.links["vxlan42"].macs.n+len(b.links["vxlan42"].addrs.of), 0)
	})
}
