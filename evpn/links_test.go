package evpn

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/uvtep/uvtep/bgp"
)

// TestDownAndUp: a link that is down is no VTEP's, and one that is up again has all that it had,
// although the data plane has lost it.
func TestDownAndUp(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		here := bgp.MAC{2, 0, 0, 0, 0, 0xb}
		b.hear(t2(lowVTEP, hostA, addrA), with(lowVTEP))
		b.seen(here, netip.MustParseAddr("198.51.100.11"))
		equal(t, "number of routes", b.announced(), 3)
		up := Link{Name: "vxlan42", VNI: 42, Local: ownVTEP}
		down := up
		down.Down = true
		b.HandleLink(down)
		synctest.Wait()
		equal(t, "number of routes while it is down", b.announced(), 0)
		b.locked(func() {
			equal(t, "number of entries while it is down", len(b.macs)+len(b.addrs)+len(b.peers), 0)
		})
		b.HandleMAC(MAC{Link: "vxlan42", MAC: here, Gone: true})
		b.HandleLink(up)
		synctest.Wait()
		equal(t, "VTEP once it is up", b.at(hostA), lowVTEP)
		equal(t, "number of routes once it is up", b.announced(), 1)
	})
}

// TestStickyHere: an address that is here for good is announced so, whatever others say of it.
func TestStickyHere(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		b.HandleMAC(MAC{Link: "vxlan42", MAC: hostA, Sticky: true})
		synctest.Wait()
		equal(t, "what is announced", b.own(hostA, netip.Addr{}), "ET:8 RT:65001:42 MM:0, sticky MAC")
		b.hear(t2(lowVTEP, hostA, netip.Addr{}), with(lowVTEP, bgp.MACMobility(9, false)))
		equal(t, "what is announced against another", b.own(hostA, netip.Addr{}), "ET:8 RT:65001:42 MM:0, sticky MAC")
		equal(t, "VTEP of it in the data plane", b.at(hostA), netip.Addr{})
		i := slices.IndexFunc(b.MACs(""), func(v MACView) bool { return v.MAC == hostA.String() })
		if v := b.MACs("")[i]; !v.Local || !v.Sticky {
			t.Errorf("it is shown as %+v", v)
		}
	})
}
