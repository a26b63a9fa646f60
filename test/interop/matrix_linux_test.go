package interop_test

import (
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestMatrix is every kind of traffic over every kind of pair, both ways: two
// hosts on a wire with each other as the remote, and three on a switch with a
// group.
func TestMatrix(t *testing.T) {
	t.Parallel()
	for _, k := range allKinds() {
		t.Run(k.String(), func(t *testing.T) {
			for _, f := range testedFamilies() {
				t.Run(f.name, func(t *testing.T) {
					t.Run("unicast", func(t *testing.T) {
						sites := newSites(t, f, lab.WireOptions{}, k[0], k[1])
						join(t, sites, netip.Addr{})
						everything(t, sites)
					})
					t.Run("group", func(t *testing.T) {
						sites := newSites(t, f, lab.WireOptions{}, k[0], k[1], k[0])
						join(t, sites, f.group)
						everything(t, sites)
					})
				})
			}
		})
	}
}

// everything runs the traffic of the matrix between all sites, both ways.
func everything(t *testing.T, sites []*site) {
	each := func(name string, do func(t *testing.T, from, to *site)) {
		t.Run(name, func(t *testing.T) {
			for _, from := range sites {
				for _, to := range sites {
					if from != to {
						do(t, from, to)
					}
				}
			}
		})
	}
	const stream = 4 << 20
	each("ping-56", func(t *testing.T, from, to *site) { ping(t, from.Host, inner4(to.n).Addr(), 56) })
	each("ping-1400", func(t *testing.T, from, to *site) { ping(t, from.Host, inner4(to.n).Addr(), 1400) })
	each("TCP", func(t *testing.T, from, to *site) { tcp(t, from.Host, to.Host, inner4(to.n).Addr(), stream) })
	each("UDP", func(t *testing.T, from, to *site) {
		udp(t, from.Host, to.Host, inner4(to.n).Addr(), 64)
		udp(t, from.Host, to.Host, inner4(to.n).Addr(), 1400)
	})
	each("IPv6-ping", func(t *testing.T, from, to *site) {
		ping(t, from.Host, inner6(to.n).Addr(), 56)
		ping(t, from.Host, inner6(to.n).Addr(), 1350)
	})
	each("IPv6-TCP", func(t *testing.T, from, to *site) { tcp(t, from.Host, to.Host, inner6(to.n).Addr(), stream) })
	each("VLAN", func(t *testing.T, from, to *site) { vlan(t, from, to) })
	noErrors(t, sites)
}

// noErrors fails where a daemon refused a frame.
func noErrors(t *testing.T, sites []*site) {
	t.Helper()
	for _, s := range sites {
		if s.kind != uvtep {
			continue
		}
		c := s.daemon.counters(t, "vxlan0")
		delete(c.Own.Drops, "rx-own-echo")  // what a host hears of its own group
		delete(c.Own.Drops, "rx-link-down") // the other side came up first
		if c.Stats.RX.Packets == 0 || c.Stats.TX.Packets == 0 || len(c.Own.Drops) > 0 {
			t.Errorf("%s: counters %+v", s, c)
		}
	}
}

// TestBulk is trap 1 of kernel VTEPs on the same machine: what arrives over a
// veth with its default offloads is superframes with partial checksums. 100 MB
// go each way, with a hash, with the offloads on and off.
func TestBulk(t *testing.T) {
	t.Parallel()
	size := int64(100_000_000)
	if raceDetector {
		size = 10_000_000 // the detector makes it ten times as slow
	}
	for name, o := range map[string]map[string]bool{
		"default": nil,
		"tx-off":  {"tx": false},
		"gro-on":  {"gro": true},
	} {
		for _, f := range testedFamilies() {
			t.Run(name+"/"+f.name, func(t *testing.T) {
				sites := newSites(t, f, lab.WireOptions{Offload: o}, kernel, uvtep)
				join(t, sites, netip.Addr{})
				a, b := sites[0], sites[1]
				t.Run("inner-IPv4", func(t *testing.T) {
					tcp(t, a.Host, b.Host, inner4(b.n).Addr(), size)
					tcp(t, b.Host, a.Host, inner4(a.n).Addr(), size)
				})
				t.Run("inner-IPv6", func(t *testing.T) {
					tcp(t, a.Host, b.Host, inner6(b.n).Addr(), size)
					tcp(t, b.Host, a.Host, inner6(a.n).Addr(), size)
				})
				noErrors(t, sites)
			})
		}
	}
}
