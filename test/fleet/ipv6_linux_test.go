package fleet_test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
)

// TestIPv6Underlay: uvteps over IPv6 alone, one of which listens as nobody. An agent that is not
// told that it may leaves such links out, and says why.
func TestIPv6Underlay(t *testing.T) {
	installed(t, "setpriv")
	sites := newFleet(t, "uvtep1", "uvtep2")
	for _, s := range sites {
		s.local = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, 15: byte(s.n)})
		check(t, s.AddAddr(s.wire, prefixOf(s.local, 64)))
	}
	u1, u2 := sites[0], sites[1]
	listens := agentFile(65001, 1, fmt.Sprintf("{address: %q, remote-as: 65001, passive: true}", u2.local)) + fmt.Sprintf("listen: [\"[%v]:1790\"]\n", u1.local)
	u1.uvtep(t, listens)
	u2.uvtep(t, agentFile(65001, 2, fmt.Sprintf("{address: %q, port: 1790, remote-as: 65001, connect-retry: 1}", u1.local))+"ipv6: true\n")
	eventually(t, func() error {
		if text := u1.evpn(t, "show", "vni"); !strings.Contains(text, "takes no part: its VTEP is an IPv6 address") || !strings.Contains(text, "ipv6: true") {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
	check(t, u1.agent.Close())
	write(t, u1.dir, "evpn.yaml", listens+"ipv6: true\nsocket: "+filepath.Join(u1.dir, "evpn")+"\n")
	u1.startAgent(t)
	reach(t, u1, u2)
	u1.has(t, u2.mac, u2)
	u1.prints(t, "fdb show dev vxlan42", u2.mac.String()+" dst "+u2.local.String()+" ")
	u1.isNobody(t)
}
