package fleet_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/evpn"
	"github.com/uvtep/uvtep/test/lab"
)

// site is a host with a VTEP of VNI 42, and a host behind it.
type site struct {
	*lab.Host
	n      int
	behind *lab.Host
	mac    net.HardwareAddr // of the host behind
	frr    *frr             // of a kernel VTEP
	dir    string
	daemon *lab.Process // of a uvtep
	agent  *lab.Process
}

// newFleet makes hosts on one network, with number i from 1.
func newFleet(t *testing.T, names ...string) []*site {
	t.Helper()
	l := lab.ForTest(t)
	var hosts []*lab.Host
	var sites []*site
	for i, name := range names {
		h := must(l.Host(name))(t)
		hosts = append(hosts, h)
		sites = append(sites, &site{Host: h, n: i + 1})
	}
	sw := must(l.Switch(lab.WireOptions{}, hosts...))(t)
	for i, s := range sites {
		check(t, s.AddAddr(sw.Devs[i], prefixOf(outer(s.n), 24)))
	}
	return sites
}

// addBehind makes the host behind a VTEP, joined to its bridge.
func (s *site) addBehind(t *testing.T) {
	t.Helper()
	s.behind = must(s.Container(s.Name()+"-host", 1450))(t)
	s.mac = net.HardwareAddr{2, 0, 0, 0, 0x42, byte(s.n)}
	check(t, s.behind.SetMAC("eth0", s.mac), s.behind.AddAddr("eth0", prefixOf(inner(s.n), 24)))
}

// kernelVTEP makes the site a kernel VTEP that FRR drives.
func (s *site) kernelVTEP(t *testing.T, conf string) {
	t.Helper()
	s.addBehind(t)
	check(t, s.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan42", VNI: 42, Local: outer(s.n), NoLearning: true}), s.SetMaster("vxlan42", lab.ContainerBridge))
	s.frr = startFRR(t, s.Host, conf)
}

// agentFile is a file of an agent.
func agentFile(as, n int, neighbors ...string) string {
	return fmt.Sprintf("as: %d\nrouter-id: %v\nneighbors:\n  - %s\nlinks: all\n", as, outer(n), strings.Join(neighbors, "\n  - "))
}

// uvtep makes the site one of uvtep, with this file of the agent.
func (s *site) uvtep(t *testing.T, file string) {
	t.Helper()
	s.addBehind(t)
	s.dir = openDir(t)
	check(t, os.Chown(s.dir, nobody, nobody))
	write(t, s.dir, "evpn.yaml", file+"socket: "+filepath.Join(s.dir, "evpn")+"\n")
	s.startDaemon(t)
	s.startAgent(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: the daemon said:\n%s\nthe agent said:\n%s", s, s.daemon.Stderr(), s.agent.Stderr())
		}
	})
}

// neighbor is a line of an agent's file.
func neighbor(n, as int) string {
	return fmt.Sprintf("{address: %v, remote-as: %d, connect-retry: 1}", outer(n), as)
}

// nobody is the user and group of agents.
const nobody = 65534

func (s *site) control() string { return filepath.Join(s.dir, "control") }

func (s *site) startDaemon(t *testing.T) {
	t.Helper()
	s.daemon = must(s.Start(lab.Command{Path: exe, Args: append([]string{"--control", s.control()}, s.linkRecipe(t)...)}))(t)
	check(t, s.daemon.WaitStderr("uvtep: ready\n", soon))
	check(t, os.Chown(s.control(), 0, nobody)) // for the agent
	check(t, s.SetMaster("vxlan42", lab.ContainerBridge))
}

// linkRecipe is the command of docs/evpn.md for the data plane, with the site's own address.
func (s *site) linkRecipe(t *testing.T) []string {
	t.Helper()
	words := strings.Fields(recipe(t, "link"))[1:]
	for i := range words {
		if words[i] == outer(2).String() {
			words[i] = outer(s.n).String()
		}
	}
	return words
}

// startAgent starts the agent as a user without any capability.
func (s *site) startAgent(t *testing.T) {
	t.Helper()
	s.agent = must(s.Start(lab.Command{Path: "setpriv", Args: []string{"--reuid", fmt.Sprint(nobody), "--regid", fmt.Sprint(nobody), "--clear-groups", "--no-new-privs",
		"--bounding-set", "-all", "--inh-caps", "-all", exe, "--control", s.control(), "evpn", "run", "--config", filepath.Join(s.dir, "evpn.yaml")}}))(t)
	check(t, s.agent.WaitStderr("uvtep evpn: ready\n", soon))
}

// evpn asks the agent.
func (s *site) evpn(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, err := s.Run(t.Context(), exe, append([]string{"evpn", "--socket", filepath.Join(s.dir, "evpn")}, args...)...)
	if err != nil {
		t.Fatalf("%s: uvtep evpn %s: %v: %s", s, strings.Join(args, " "), err, errs)
	}
	return out
}

// has waits until the agent has a MAC address behind a VTEP, its own included.
func (s *site) has(t *testing.T, mac net.HardwareAddr, at *site) {
	t.Helper()
	eventually(t, func() error {
		var all []evpn.MACView
		text := s.evpn(t, "-j", "show", "mac")
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			return err
		}
		for _, v := range all {
			if v.MAC == mac.String() && (v.Local && at == s || !v.Local && v.VTEP == outer(at.n)) {
				return nil
			}
		}
		return fmt.Errorf("%s does not have %s at %s: %s", s, mac, at, text)
	})
}

// kernelHas waits until the kernel's FDB of a site that FRR drives has a MAC address behind a VTEP.
func (s *site) kernelHas(t *testing.T, mac net.HardwareAddr, at *site) {
	t.Helper()
	eventually(t, func() error {
		all, err := s.FDB("vxlan42")
		if err != nil {
			return err
		}
		for _, e := range all {
			if e.MAC.String() == mac.String() && e.Dst == outer(at.n) {
				return nil
			}
		}
		return fmt.Errorf("%s does not have %s at %s: %s", s, mac, at, lab.FormatFDB(all))
	})
}

// reach waits until the hosts behind all sites reach one another.
func reach(t *testing.T, sites ...*site) {
	t.Helper()
	for _, a := range sites {
		for _, b := range sites {
			if a != b {
				check(t, a.behind.MustReach(inner(b.n), 56, soon))
			}
		}
	}
}
