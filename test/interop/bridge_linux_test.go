package interop_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// container is a host behind a site's bridge.
type container struct {
	*lab.Host
	site *site
	n    int
}

// containers makes count of them at each site, and the site's link a port of
// the bridge.
func containers(t *testing.T, sites []*site, count int) []container {
	t.Helper()
	var all []container
	for _, s := range sites {
		mtu := must(s.MTU("vxlan0"))(t)
		for i := range count {
			h := must(s.Container(fmt.Sprintf("%s%d", s, i), mtu))(t)
			c := container{Host: h, site: s, n: 10*s.n + i}
			check(t, h.AddAddr("eth0", inner4(c.n), inner6(c.n)))
			all = append(all, c)
		}
		check(t, s.SetMaster("vxlan0", lab.ContainerBridge))
	}
	return all
}

// TestBridge is scenario 3: three containers a side in a bridge of which the
// link is a port.
func TestBridge(t *testing.T) {
	t.Parallel()
	for _, k := range allKinds() {
		for _, f := range testedFamilies() {
			t.Run(k.String()+"/"+f.name, func(t *testing.T) {
				sites := newSites(t, f, lab.WireOptions{}, k[0], k[1])
				for i, s := range sites {
					s.addLink(t, link{remote: sites[1-i].outer})
				}
				all := containers(t, sites, 3)
				for _, from := range all {
					for _, to := range all {
						if from.site != to.site {
							ping(t, from.Host, inner4(to.n).Addr(), 1372)
							ping(t, from.Host, inner6(to.n).Addr(), 56)
						}
					}
				}
				tcp(t, all[0].Host, all[5].Host, inner4(all[5].n).Addr(), 4<<20)
				tcp(t, all[4].Host, all[1].Host, inner6(all[1].n).Addr(), 4<<20)
				udp(t, all[2].Host, all[3].Host, inner4(all[3].n).Addr(), 1300)
				for _, c := range all {
					far := sites[2-c.site.n]
					mac := must(c.MAC("eth0"))(t).String()
					far.wantEntry(t, "vxlan0", mac+" dst "+c.site.outer.String()+" self ")
				}
			})
		}
	}
}

// TestBridgeGroup has the TAP as a bridge port, and a group: what a container
// sends to all comes back to its own host by multicast loopback and must not
// reach the bridge again, although its source MAC is not the link's (S05).
func TestBridgeGroup(t *testing.T) {
	t.Parallel()
	const broadcasts = 20
	for _, f := range testedFamilies() {
		t.Run(f.name, func(t *testing.T) {
			sites := newSites(t, f, lab.WireOptions{}, uvtep, kernel, uvtep)
			for _, s := range sites {
				s.addLink(t, link{group: f.group})
			}
			all := containers(t, sites, 1)
			for _, from := range all {
				for _, to := range all {
					if from.n != to.n {
						check(t, from.MustReach(inner4(to.n).Addr(), 56, soon))
						r := must(lab.Ping(from.Host, netip.Addr{}, inner4(to.n).Addr(), 1000, 3))(t)
						if r.Received != 3 || r.Duplicates > 0 {
							t.Errorf("%s to %s: %v", from, to, r)
						}
					}
				}
			}
			from, s := all[0], sites[0]
			before := s.daemon.counters(t, "vxlan0").Own.Drops["rx-own-echo"]
			seen := must(s.Capture("vxlan0", 0))(t)
			far := must(all[2].Capture("eth0", 0))(t)
			out := must(from.OpenPacket("eth0"))(t)
			mac := must(from.MAC("eth0"))(t)
			for i := range broadcasts {
				check(t, out.Send(frame(net.HardwareAddr{255, 255, 255, 255, 255, 255}, mac, nil, 100, fmt.Sprintf("echo %02d", i))))
			}
			eventually(t, func() error {
				c := s.daemon.counters(t, "vxlan0")
				if got := c.Own.Drops["rx-own-echo"] - before; got < broadcasts {
					return fmt.Errorf("%d echoes dropped, want %d: %+v", got, broadcasts, c)
				}
				return nil
			})
			for _, p := range must(seen.Stop())(t) {
				if !p.Outgoing && bytes.HasPrefix(p.Data[6:], mac) {
					t.Errorf("the container's own frame came back: % x", p.Data[:40])
				}
			}
			once(t, far, broadcasts)
			for _, e := range must(s.FDB("vxlan0"))(t) {
				if bytes.Equal(e.MAC, mac) {
					t.Errorf("the bridge learned its own container behind the link: %v", e)
				}
			}
		})
	}
}

// once wants each numbered broadcast exactly once in a capture.
func once(t *testing.T, c *lab.Capture, count int) {
	t.Helper()
	last := fmt.Appendf(nil, "echo %02d", count-1)
	if _, err := c.WaitFor(func(p lab.Packet) bool { return bytes.Contains(p.Data, last) }, soon); err != nil {
		t.Error(err)
	}
	times := make(map[string]int)
	for _, p := range must(c.Stop())(t) {
		if i := bytes.Index(p.Data, []byte("echo ")); i >= 0 && !p.Outgoing {
			times[string(p.Data[i:i+7])]++
		}
	}
	for i := range count {
		if n := times[fmt.Sprintf("echo %02d", i)]; n != 1 {
			t.Errorf("broadcast %d came %d times", i, n)
		}
	}
}
