package fleet_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const document = "../../docs/evpn.md"

// recipe is a block of docs/evpn.md.
func recipe(t *testing.T, name string) string {
	t.Helper()
	page := string(must(os.ReadFile(document))(t))
	_, rest, ok := strings.Cut(page, " "+name+"\n")
	text, _, end := strings.Cut(rest, "```")
	if !ok || !end {
		t.Fatalf("docs/evpn.md has no block %s", name)
	}
	return text
}

// direct is the configuration of FRR without a reflector.
func direct(as int) string {
	return bgpConf(65001, 1, []string{fmt.Sprintf("neighbor 192.0.2.2 remote-as %d", as), "neighbor 192.0.2.2 timers connect 1"}, []string{"neighbor 192.0.2.2 activate", "advertise-all-vni"})
}

// TestFabrics: a uvtep and a kernel VTEP of FRR, in each shape of a fabric; those with a reflector
// are the recipes of docs/evpn.md.
func TestFabrics(t *testing.T) {
	installed(t, zebra, bgpd, "vtysh", "gobgpd", "setpriv")
	for _, c := range []struct {
		name      string
		frr       string                              // the configuration of the kernel VTEP's FRR
		agent     string                              // the agent's file
		reflector func(t *testing.T, reflector *site) // nil: none
	}{
		{"iBGP", direct(65001), agentFile(65001, 2, neighbor(1, 65001)), nil},
		{"eBGP", direct(65002), agentFile(65002, 2, neighbor(1, 65001)), nil},
		{"FRR reflector", recipe(t, "frr-vtep"), recipe(t, "agent"), func(t *testing.T, r *site) { startFRR(t, r.Host, recipe(t, "frr-reflector")) }},
		{"GoBGP reflector", recipe(t, "frr-vtep"), recipe(t, "agent"), func(t *testing.T, r *site) { startGoBGP(t, r.Host, recipe(t, "gobgp-reflector")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			sites := newFleet(t, "kernel", "uvtep", "reflector")
			k, u := sites[0], sites[1]
			if c.reflector != nil {
				c.reflector(t, sites[2])
			}
			k.kernelVTEP(t, c.frr)
			u.uvtep(t, c.agent)
			reach(t, k, u)
			u.has(t, k.mac, k)
			u.has(t, u.mac, u)
			k.kernelHas(t, u.mac, u)
			if table := k.frr.vty(t, "show evpn mac vni 42"); !strings.Contains(table, u.mac.String()+" remote") {
				t.Errorf("FRR has:\n%s", table)
			}
			// Beside FRR's: the same prefixes.
			theirs := k.frr.vty(t, "show bgp l2vpn evpn")
			for line := range strings.Lines(recipe(t, "show")) {
				_, command, _ := strings.Cut(strings.TrimSpace(line), "uvtep evpn ")
				ours := u.evpn(t, strings.Fields(command)...)
				if command != "show route" {
					continue
				}
				for _, prefix := range []string{"[3]:[0]:[32]:[192.0.2.1]", "[3]:[0]:[32]:[192.0.2.2]", "[2]:[0]:[48]:[" + k.mac.String() + "]", "[2]:[0]:[48]:[" + u.mac.String() + "]"} {
					if !strings.Contains(ours, prefix) || !strings.Contains(theirs, prefix) {
						t.Errorf("%s is missing in:\n%s\nor:\n%s", prefix, ours, theirs)
					}
				}
			}
		})
	}
}
