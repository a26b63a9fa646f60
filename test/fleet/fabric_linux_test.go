package fleet_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// direct is the configuration of FRR without a reflector.
func direct(as int) string {
	return bgpConf(65001, 1, []string{fmt.Sprintf("neighbor 192.0.2.2 remote-as %d", as), "neighbor 192.0.2.2 timers connect 1"}, []string{"neighbor 192.0.2.2 activate", "advertise-all-vni"})
}

// TestFabrics: a kernel VTEP of FRR with one or two uvteps, in each shape of a fabric, and through
// the fabric all reach each other. Those with something between them are the recipes of
// docs/evpn.md.
func TestFabrics(t *testing.T) {
	installed(t, zebra, bgpd, "vtysh", "gobgpd", "setpriv")
	frrOf := func(block string) func(*testing.T, *site) {
		return func(t *testing.T, r *site) { startFRR(t, r.Host, recipe(t, block)) }
	}
	for _, c := range []struct {
		name    string
		uvteps  int
		frr     string                         // the configuration of the kernel VTEP's FRR
		agent   string                         // the agent's file, that of site 2
		between func(t *testing.T, site *site) // nil: nothing is
	}{
		{"iBGP", 1, direct(65001), agentFile(65001, 2, neighbor(1, 65001)), nil},
		{"eBGP", 1, direct(65002), agentFile(65002, 2, neighbor(1, 65001)), nil},
		{"FRR reflector", 2, recipe(t, "frr-vtep"), recipe(t, "agent"), frrOf("frr-reflector")},
		{"GoBGP reflector", 2, recipe(t, "frr-vtep"), recipe(t, "agent"), func(t *testing.T, r *site) { startGoBGP(t, r.Host, recipe(t, "gobgp-reflector")) }},
		{"eBGP switches", 1, recipe(t, "frr-leaf"), recipe(t, "agent-ebgp"), frrOf("frr-spine")},
		{"Proxmox", 1, recipe(t, "frr-proxmox"), recipe(t, "agent-proxmox"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			names := []string{"kernel", "uvtep", "between", "uvtep2"}
			sites := newFleet(t, names[:c.uvteps+2]...)
			k, u := sites[0], sites[1]
			if c.between != nil {
				c.between(t, sites[2])
			}
			k.kernelVTEP(t, c.frr)
			vteps := []*site{k}
			for _, s := range append(sites[1:2:2], sites[3:]...) {
				s.uvtep(t, strings.ReplaceAll(c.agent, outer(2).String(), s.local.String()))
				vteps = append(vteps, s)
			}
			reach(t, vteps...)
			for _, s := range vteps {
				u.has(t, s.mac, s)
				if s != k {
					k.kernelHas(t, s.mac, s)
					k.sees(t, s, s)
					s.isNobody(t)
				}
			}
			sameShown(t, k, u)
		})
	}
}

// sameShown compares what FRR and the agent show of the same fabric.
func sameShown(t *testing.T, k, u *site) {
	t.Helper()
	shown := u.follow(t, "show")
	ours, theirs := shown["uvtep evpn show route"], k.frr.vty(t, "show bgp l2vpn evpn")
	for _, prefix := range []string{"[3]:[0]:[32]:[192.0.2.1]", "[3]:[0]:[32]:[192.0.2.2]", "[2]:[0]:[48]:[" + k.mac.String() + "]", "[2]:[0]:[48]:[" + u.mac.String() + "]"} {
		if !strings.Contains(ours, prefix) || !strings.Contains(theirs, prefix) {
			t.Errorf("%s is missing in:\n%s\nor:\n%s", prefix, ours, theirs)
		}
	}
	// The table's heads, word for word, where both have one.
	for command, vty := range map[string]string{"uvtep evpn show mac": "show evpn mac vni 42", "uvtep evpn show vni": "show evpn vni", "uvtep evpn show neigh": "show evpn arp-cache vni 42"} {
		if ours, theirs := heads(shown[command]), heads(k.frr.vty(t, vty)); ours == "" || !strings.HasPrefix(ours, theirs) {
			t.Errorf("%s begins with %q, FRR's with %q", command, ours, theirs)
		}
	}
}

// heads is the head of a table: the line before the first one with an address or a VNI's number.
func heads(text string) string {
	head := ""
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) > 0 && (strings.Count(f[0], ":") == 5 || strings.Count(f[0], ".") == 3 || f[0] == "42") {
			return head
		}
		head = strings.Join(f, " ")
	}
	return ""
}

// isNobody holds the agent to what it needs: no capability, as nobody.
func (s *site) isNobody(t *testing.T) {
	t.Helper()
	status := string(must(os.ReadFile(fmt.Sprintf("/proc/%d/status", s.agent.Pid())))(t))
	for _, line := range []string{"\nUid:\t65534\t65534\t65534\t65534\n", "\nCapEff:\t0000000000000000\n", "\nCapBnd:\t0000000000000000\n"} {
		if !strings.Contains(status, line) {
			t.Errorf("the agent has no line %q:\n%s", line, status)
		}
	}
}
