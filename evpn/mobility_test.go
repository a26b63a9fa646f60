package evpn

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/bgp"
)

// TestMobility: RFC 7432 section 15.
func TestMobility(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		b.hear(t2(highVTEP, hostA, netip.Addr{}), with(highVTEP))
		equal(t, "VTEP", b.at(hostA), highVTEP)
		b.seen(hostA) // it moved here
		equal(t, "T2", b.own(hostA, netip.Addr{}), "ET:8 RT:65001:42 MM:1")
		equal(t, "VTEP", b.at(hostA), netip.Addr{})
		b.hear(t2(highVTEP, hostA, netip.Addr{}), with(highVTEP, bgp.MACMobility(2, false))) // and away
		equal(t, "T2", b.own(hostA, netip.Addr{}), "")
		equal(t, "VTEP", b.at(hostA), highVTEP)
		b.seen(hostA) // and here
		equal(t, "T2", b.own(hostA, netip.Addr{}), "ET:8 RT:65001:42 MM:3")
		b.hear(t2(highVTEP, hostA, netip.Addr{}), with(highVTEP, bgp.MACMobility(3, false))) // both at once
		equal(t, "T2 beside one of a higher VTEP", b.own(hostA, netip.Addr{}), "ET:8 RT:65001:42 MM:3")
		b.hear(t2(lowVTEP, hostA, netip.Addr{}), with(lowVTEP, bgp.MACMobility(3, false)))
		equal(t, "T2 beside one of a lower VTEP", b.own(hostA, netip.Addr{}), "")
		equal(t, "VTEP", b.at(hostA), lowVTEP)
		b.hear(t2(highVTEP, hostA, netip.Addr{}), with(highVTEP, bgp.MACMobility(0, true)))
		equal(t, "VTEP with a sticky route", b.at(hostA), highVTEP)
		b.seen(hostA)
		equal(t, "T2 beside a sticky one", b.own(hostA, netip.Addr{}), "")
		equal(t, "VTEP still", b.at(hostA), highVTEP)
		b.hear(t2(highVTEP, hostA, netip.Addr{}), with(highVTEP, bgp.MACMobility(0xffffffff, false)))
		b.seen(hostA)
		equal(t, "T2 beside the highest number", b.own(hostA, netip.Addr{}), "")
		equal(t, "pinned", b.Counts().Pinned, 2)
	})
}

// TestListedIsNoClaim: what the data plane had before is not claimed from who announces it; what
// is behind the port and nobody's is announced.
func TestListedIsNoClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		hostB := bgp.MAC{2, 0, 0, 0, 0, 0xb}
		b.BeginList()
		b.HandleLink(Link{Name: "vxlan42", VNI: 42, Local: ownVTEP})
		b.HandleMAC(MAC{Link: "vxlan42", MAC: hostA})
		b.HandleMAC(MAC{Link: "vxlan42", MAC: hostB})
		b.EndList()
		b.HandleEvent(bgp.Event{Neighbour: reflector, Kind: bgp.NeighbourUp})
		synctest.Wait()
		equal(t, "number of routes before the end of RIB", len(b.said), 1) // T3
		b.hear(t2(highVTEP, hostA, netip.Addr{}), with(highVTEP))
		equal(t, "sweeps", b.sweeps, 0)
		b.HandleEvent(bgp.Event{Neighbour: reflector, Kind: bgp.EndOfRIB})
		synctest.Wait()
		equal(t, "T2", b.own(hostA, netip.Addr{}), "")
		equal(t, "VTEP", b.at(hostA), highVTEP)
		equal(t, "T2 of the other", b.own(hostB, netip.Addr{}), "ET:8 RT:65001:42")
		equal(t, "sweeps", b.sweeps, 1)
		b.cancel()
		b.group.Wait()
	})
}

// TestDuplicate: an address that five moves have made a duplicate is claimed no more, until
// somebody clears it (RFC 7432 section 15.1).
func TestDuplicate(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		for seq := uint32(0); len(b.Duplicates()) == 0 && seq < 20; seq += 2 {
			b.hear(t2(highVTEP, hostA, netip.Addr{}), with(highVTEP, bgp.MACMobility(seq, false)))
			b.seen(hostA)
			time.Sleep(time.Second)
		}
		all := b.Duplicates()
		if len(all) != 1 || all[0].MAC != hostA.String() || all[0].Other != highVTEP {
			t.Fatalf("duplicates are %v", all)
		}
		equal(t, "T2 of a duplicate", b.own(hostA, netip.Addr{}), "")
		equal(t, "VTEP of a duplicate", b.at(hostA), highVTEP)
		b.seen(hostA)
		equal(t, "T2 of a duplicate that is seen", b.own(hostA, netip.Addr{}), "")
		if n, err := b.ClearDuplicates("vxlan42", &hostA); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		synctest.Wait()
		if b.own(hostA, netip.Addr{}) == "" {
			t.Error("a duplicate that was cleared is not announced")
		}
		if _, err := b.ClearDuplicates("vxlan7", nil); err == nil {
			t.Error("duplicates of a link that is not there are cleared")
		}
	})
}

// TestSlowMovesAreNoDuplicate: five moves in more than 180 s.
func TestSlowMovesAreNoDuplicate(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		for seq := uint32(0); seq < 20; seq += 2 {
			b.hear(t2(highVTEP, hostA, netip.Addr{}), with(highVTEP, bgp.MACMobility(seq, false)))
			b.seen(hostA)
			time.Sleep(2 * time.Minute)
		}
		equal(t, "number of duplicates", len(b.Duplicates()), 0)
	})
}

// TestSegments: RFC 7432 sections 8.2 and 8.4.
func TestSegments(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		esi := bgp.ESI{0, 1, 2, 3}
		t1 := func(v netip.Addr, tag uint32) bgp.Route {
			return bgp.Route{Type: bgp.AutoDiscovery, RD: bgp.NewRD(v, 9), ESI: esi, ETag: tag}
		}
		macs := map[bgp.MAC]bool{}
		for i := range 40 {
			m := bgp.MAC{2, 0, 0, 0, 1, byte(i)}
			macs[m] = true
			r := t2(lowVTEP, m, netip.Addr{})
			r.ESI = esi
			b.hear(r, with(lowVTEP))
		}
		equal(t, "number of entries before T1", len(b.macs), 0)
		equal(t, "waiting", b.Neighbours()[0].Refused[NoSegment], 40)
		for _, v := range []netip.Addr{lowVTEP, highVTEP} {
			b.hear(t1(v, bgp.MaxETag), with(v))
			b.hear(t1(v, 0), with(v))
		}
		spread := func() map[netip.Addr]int {
			n := map[netip.Addr]int{}
			for m := range macs {
				n[b.at(m)]++
			}
			return n
		}
		if n := spread(); n[lowVTEP] < 8 || n[highVTEP] < 8 || n[lowVTEP]+n[highVTEP] != 40 {
			t.Errorf("the VTEPs of the segment have %v", n)
		}
		b.unhear(t1(lowVTEP, bgp.MaxETag)) // mass withdrawal
		equal(t, "at the other VTEP", spread()[highVTEP], 40)
		b.unhear(t1(highVTEP, 0))
		equal(t, "number of entries without T1", len(b.macs), 0)
		b.hear(t1(highVTEP, 0), with(highVTEP))
		b.hear(t1(lowVTEP, bgp.MaxETag), with(lowVTEP, 0x0601010000000000)) // single-active
		equal(t, "at the active VTEP", spread()[lowVTEP], 40)
		for m := range macs {
			b.unhear(t2(lowVTEP, m, netip.Addr{}))
		}
		b.unhear(t1(lowVTEP, bgp.MaxETag), t1(highVTEP, bgp.MaxETag), t1(lowVTEP, 0), t1(highVTEP, 0))
		equal(t, "segments that are left", len(b.links["vxlan42"].segments), 0)
		equal(t, "entries that are left", b.links["vxlan42"].macs.n, 0)
	})
}

// TestSegmentWithoutAliasing: a T1 per EVI is optional (RFC 7432 section 8.4). A VTEP that announces the MAC address
// itself needs a T1 per ES alone (section 9.2.2).
func TestSegmentWithoutAliasing(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		esi := bgp.ESI{0, 1, 2, 3}
		whole := func(v netip.Addr) bgp.Route {
			return bgp.Route{Type: bgp.AutoDiscovery, RD: bgp.NewRD(v, 9), ESI: esi, ETag: bgp.MaxETag}
		}
		behind := func(v netip.Addr) bgp.Route {
			r := t2(v, hostA, netip.Addr{})
			r.ESI = esi
			return r
		}
		b.hear(behind(highVTEP), with(highVTEP))
		equal(t, "VTEP before T1", b.at(hostA), netip.Addr{})
		b.hear(whole(lowVTEP), with(lowVTEP))
		equal(t, "VTEP with the T1 of one that has not announced it", b.at(hostA), netip.Addr{})
		b.hear(whole(highVTEP), with(highVTEP))
		equal(t, "VTEP", b.at(hostA), highVTEP)
		b.hear(behind(lowVTEP), with(lowVTEP))
		equal(t, "VTEP of two", b.at(hostA), lowVTEP)
		b.unhear(whole(lowVTEP)) // mass withdrawal
		equal(t, "VTEP after the withdrawal", b.at(hostA), highVTEP)
		b.unhear(whole(highVTEP))
		equal(t, "VTEP without T1", b.at(hostA), netip.Addr{})
		b.unhear(behind(lowVTEP), behind(highVTEP))
		equal(t, "segments that are left", len(b.links["vxlan42"].segments), 0)
	})
}

// TestAddrs: what proxy answers, and an address that moves to another MAC address (RFC 9721).
func TestAddrs(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		hostB := bgp.MAC{2, 0, 0, 0, 0, 0xb}
		b.hear(t2(highVTEP, hostA, addrA), with(highVTEP, bgp.MACMobility(4, false)))
		equal(t, "owner", b.addrs[addrA].MAC, hostA)
		b.seen(hostB, addrA)
		equal(t, "T2", b.own(hostB, addrA), "ET:8 RT:65001:42 MM:5")
		equal(t, "number of answers", len(b.addrs), 0)
		b.hear(t2(highVTEP, hostA, addrA), with(highVTEP, bgp.MACMobility(6, false)))
		equal(t, "T2", b.own(hostB, addrA), "")
		equal(t, "owner", b.addrs[addrA].MAC, hostA)
		b.unhear(t2(highVTEP, hostA, addrA))
		equal(t, "T2", b.own(hostB, addrA), "ET:8 RT:65001:42 MM:5")
		equal(t, "number of answers", len(b.addrs), 0)
	})
}
