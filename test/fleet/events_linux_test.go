package fleet_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestEvents: a kernel VTEP and two uvteps behind a reflector of FRR, and what happens to them.
func TestEvents(t *testing.T) {
	installed(t, zebra, bgpd, "vtysh", "setpriv")
	sites := newFleet(t, "kernel", "uvtep1", "uvtep2", "reflector")
	k, u1, u2, r := sites[0], sites[1], sites[2], sites[3]
	var lines, family []string
	for n := 1; n <= 3; n++ {
		lines = append(lines, fmt.Sprintf("neighbor 192.0.2.%d remote-as 65001", n))
		family = append(family, fmt.Sprintf("neighbor 192.0.2.%d activate", n), fmt.Sprintf("neighbor 192.0.2.%d route-reflector-client", n))
	}
	r.frr = startFRR(t, r.Host, bgpConf(65001, 4, lines, family))
	k.kernelVTEP(t, bgpConf(65001, 1, []string{"neighbor 192.0.2.4 remote-as 65001", "neighbor 192.0.2.4 timers connect 1"}, []string{"neighbor 192.0.2.4 activate", "advertise-all-vni"}))
	u1.uvtep(t, agentFile(65001, 2, neighbor(4, 65001))+"linger: 1\n")
	u2.uvtep(t, agentFile(65001, 3, neighbor(4, 65001)))
	reach(t, k, u1, u2)

	t.Run("a host moves", func(t *testing.T) {
		m := mobile{of: u1, sites: sites[:3]}
		for _, to := range []*site{k, u2, u1, k, u1} { // and back
			m.move(t, to)
			k.sees(t, u1, to)
			u1.has(t, u1.mac, to)
			u2.has(t, u1.mac, to)
		}
	})
	t.Run("an agent is killed", func(t *testing.T) {
		check(t, u1.agent.Close())
		// Its data plane goes on: what it knows stays.
		if p := must(lab.Ping(u1.behind, inner(2), inner(3), 56, 20))(t); p.Lost() > 0 {
			t.Errorf("%d of 20 pings were lost without the agent", p.Lost())
		}
		u1.startAgent(t)
		u2.has(t, u1.mac, u1)
		reach(t, k, u1, u2)
	})
	t.Run("a data plane is killed", func(t *testing.T) {
		check(t, u1.daemon.Close())
		eventually(t, func() error {
			if u1.HasLink("vxlan42") {
				return fmt.Errorf("vxlan42 is still there")
			}
			return nil
		})
		u1.startDaemon(t)
		reach(t, k, u1, u2)
		u2.has(t, u1.mac, u1)
	})
	t.Run("the reflector is killed", func(t *testing.T) {
		r.frr.kill(t)
		eventually(t, func() error {
			if text := u1.evpn(t, "show", "neighbor"); !strings.Contains(text, " 65001 ") || strings.Contains(text, "Established") {
				return fmt.Errorf("%s", text)
			}
			return nil
		})
		r.frr.start(t)
		u1.has(t, k.mac, k)
		reach(t, k, u1, u2)
	})
	t.Run("all sessions are cleared", func(t *testing.T) {
		r.frr.vty(t, "clear bgp *")
		reach(t, k, u1, u2)
		u1.evpn(t, "clear", "neighbor", "192.0.2.4")
		reach(t, k, u1, u2)
	})
	t.Run("a VTEP is killed", func(t *testing.T) {
		check(t, u2.agent.Close(), u2.daemon.Close())
		eventually(t, func() error {
			if text := u1.evpn(t, "-j", "show", "vni"); strings.Contains(text, outer(3).String()) {
				return fmt.Errorf("u1 still floods to %v: %s", outer(3), text)
			}
			return nil
		})
		reach(t, k, u1)
	})
}

// mobile is the host behind a site, which moves: a host with its addresses behind another one.
type mobile struct {
	of    *site
	sites []*site
	at    *lab.Host // where it is; nil: at its own site
	n     int
}

// move has the host speak from behind a site, and nowhere else.
func (m *mobile) move(t *testing.T, to *site) {
	t.Helper()
	was := m.at
	if was == nil {
		was = m.of.behind
	}
	check(t, was.SetUp("eth0", false))
	m.n++
	if m.at = nil; to == m.of {
		check(t, m.of.behind.SetUp("eth0", true))
		was = m.of.behind
	} else {
		m.at = must(to.Container(fmt.Sprintf("guest%d", m.n), 1450))(t)
		check(t, m.at.SetMAC("eth0", m.of.mac), m.at.AddAddr("eth0", prefixOf(inner(m.of.n), 24)))
		was = m.at
	}
	check(t, was.MustReach(inner(other(m.of, to, m.sites).n), 56, soon))
}

// other is a site that neither is.
func other(of, to *site, sites []*site) *site {
	for _, s := range sites {
		if s != of && s != to {
			return s
		}
	}
	return nil
}

// sees waits until FRR has the host of a site where it is.
func (s *site) sees(t *testing.T, of, at *site) {
	t.Helper()
	if at == s {
		s.seesAs(t, of.mac, "local", "")
		return
	}
	s.seesAs(t, of.mac, "remote", at.local.String())
}

// seesAs waits until FRR has a MAC address as local, or as remote with its VTEP.
func (s *site) seesAs(t *testing.T, m net.HardwareAddr, as, vtep string) {
	t.Helper()
	eventually(t, func() error {
		text := s.frr.vty(t, "show evpn mac vni 42")
		for line := range strings.Lines(text) {
			f := strings.Fields(line)
			if len(f) > 2 && f[0] == m.String() && f[1] == as && (vtep == "" || f[2] == vtep) {
				return nil
			}
		}
		return fmt.Errorf("%s does not have %s %s %s:\n%s", s, m, as, vtep, text)
	})
}
