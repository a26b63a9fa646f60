package interop_test

import (
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// TestRingOfBridges joins two bridges twice, by two daemons and by a wire: one broadcast
// frame goes round for ever. The daemons say so within two seconds and let it not.
func TestRingOfBridges(t *testing.T) {
	for _, guard := range []string{"on", "off"} {
		t.Run("loopguard "+guard, func(t *testing.T) {
			l := lab.ForTest(t)
			var sites []*site
			hosts := []*lab.Host{must(l.Host("a"))(t), must(l.Host("b"))(t)}
			under, ring := must(l.Wire(hosts[0], hosts[1], lab.WireOptions{}))(t), must(l.Wire(hosts[0], hosts[1], lab.WireOptions{}))(t)
			for i, h := range hosts {
				outer := prefix(families()[0].outer, i+1)
				check(t, h.AddAddr([]string{under.A, under.B}[i], outer))
				sites = append(sites, newSite(t, h, uvtep, i+1, []string{under.A, under.B}[i], outer.Addr()))
			}
			for i, s := range sites {
				s.addLink(t, link{remote: sites[1-i].outer})
				s.daemon.uvtep(t, "link", "set", "vxlan0", "loopguard", guard)
				check(t, s.AddBridge("br0"), s.SetMaster("vxlan0", "br0"), s.SetMaster([]string{ring.A, ring.B}[i], "br0"))
			}
			port := must(sites[0].OpenPacket("br0"))(t)
			began := time.Now()
			check(t, port.Send(append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 7, 0x88, 0xb5}, make([]byte, 46)...)))
			if guard == "on" {
				check(t, sites[0].daemon.proc.WaitStderr("frames go round a loop", 2*time.Second))
				t.Logf("told after %v", time.Since(began).Round(10*time.Millisecond))
			}
			sent := func() (n uint64) {
				for _, s := range sites {
					n += s.daemon.counters(t, "vxlan0").Stats.TX.Packets
				}
				return n
			}
			time.Sleep(2 * time.Second) // what went round is over, or not
			before, from := sent(), time.Now()
			time.Sleep(3 * time.Second)
			rate := float64(sent()-before) / time.Since(from).Seconds()
			t.Logf("%.0f packets a second from both", rate)
			if guard == "on" && rate > 500 || guard == "off" && rate < 1000 {
				t.Errorf("%.0f packets a second with loopguard %s", rate, guard)
			}
			if n := sites[0].daemon.counters(t, "vxlan0").Own.Drops["tx-flood-loop"]; n > 0 != (guard == "on") {
				t.Errorf("%d frames were dropped for a loop", n)
			}
			check(t, sites[0].SetUp("br0", false))
		})
	}
}
