package interop_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

const allMACs = "ff:ff:ff:ff:ff:ff"

// TestWalkThrough is the first ping of scenario 1, step by step: ARP is
// broadcast and goes by the default entries to each remote, the far sides learn
// the inner source MAC and the outer source address, the answer is unicast, and
// from then on nothing is flooded. A third site, which is on the flood list as
// well, would see it.
func TestWalkThrough(t *testing.T) {
	t.Parallel()
	for _, k := range allKinds() {
		for _, f := range testedFamilies() {
			t.Run(k.String()+"/"+f.name, func(t *testing.T) {
				sites := newSites(t, f, lab.WireOptions{}, k[0], k[1], kernel)
				a, b, c := sites[0], sites[1], sites[2]
				for i, s := range sites {
					// Without IPv6 in the overlay the links come up in silence.
					check(t, s.Sysctl("net.ipv6.conf.default.disable_ipv6", "1"))
					s.addLink(t, link{remote: sites[(i+1)%3].outer, noDev: true})
					s.fdb(t, "append", "vxlan0", zeros, sites[(i+2)%3].outer)
					check(t, s.AddAddr("vxlan0", inner4(s.n)))
				}
				for i, s := range sites {
					want := []string{defaultEntry(sites[(i+1)%3].outer), defaultEntry(sites[(i+2)%3].outer)}
					if have := s.showFDB(t, "vxlan0"); !slices.Equal(have, want) {
						t.Errorf("%s before: %q, want %q", s, have, want)
					}
				}
				seen := must(a.Capture(a.dev, 0))(t)
				r := must(lab.Ping(a.Host, netip.Addr{}, inner4(b.n).Addr(), 56, 3))(t)
				if r.Received != 3 || r.Duplicates > 0 {
					t.Error(r)
				}
				walked(t, outerPackets(must(seen.Stop())(t)), a, b, c)
				macA, macB := a.mac(t, "vxlan0"), b.mac(t, "vxlan0")
				a.wantEntry(t, "vxlan0", macB+" dst "+b.outer.String()+" self ")
				b.wantEntry(t, "vxlan0", macA+" dst "+a.outer.String()+" self ")
				c.wantEntry(t, "vxlan0", macA+" dst "+a.outer.String()+" self ")
				if all := c.showFDB(t, "vxlan0"); len(all) != 3 {
					t.Errorf("the third site learned more than a's MAC: %q", all)
				}
			})
		}
	}
}

const zeros = "00:00:00:00:00:00"

func defaultEntry(dst netip.Addr) string { return zeros + " dst " + dst.String() + " self permanent" }

// walked checks the packets of three pings from a to b, captured at a.
func walked(t *testing.T, packets []outerPacket, a, b, c *site) {
	t.Helper()
	macA, macB := a.mac(t, "vxlan0"), b.mac(t, "vxlan0")
	kinds := map[uint16]string{0x0806: "ARP", 0x0800: "IPv4"}
	var steps []string
	for _, p := range packets {
		kind := kinds[p.innerType()]
		for _, way := range [][2]*site{{a, b}, {a, c}, {b, a}, {b, c}, {c, a}, {c, b}} {
			if p.between(way[0], way[1]) {
				kind += fmt.Sprintf(" %s to %s", way[0], way[1])
			}
		}
		steps = append(steps, fmt.Sprintf("%s, %s to %s", kind, p.innerSrc(), p.innerDst()))
		if p.vni != 42 {
			t.Errorf("VNI %d", p.vni)
		}
	}
	// The third site has its copy of the request, before or after the answer.
	flooded := func(s string) bool { return s == "ARP a to c, "+macA+" to "+allMACs }
	copies := len(steps)
	steps = slices.DeleteFunc(steps, flooded)
	if copies -= len(steps); copies != 1 {
		t.Errorf("the third site got %d copies of the request", copies)
	}
	request, answer := "ARP a to b, "+macA+" to "+allMACs, "ARP b to a, "+macB+" to "+macA
	echo := []string{"IPv4 a to b, " + macA + " to " + macB, "IPv4 b to a, " + macB + " to " + macA}
	want := slices.Concat([]string{request, answer}, echo, echo, echo)
	if !slices.Equal(steps, want) {
		t.Errorf("on the wire:\n%s\nwant:\n%s", strings.Join(steps, "\n"), strings.Join(want, "\n"))
	}
}
