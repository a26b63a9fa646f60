package fleet_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// site is a host with a VTEP of VNI 42, and a host behind it.
type site struct {
	*lab.Host
	n      int
	local  netip.Addr // its VTEP
	wire   string     // its device on the network between the sites
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
		sites = append(sites, &site{Host: h, n: i + 1, local: outer(i + 1)})
	}
	sw := must(l.Switch(lab.WireOptions{}, hosts...))(t)
	for i, s := range sites {
		s.wire = sw.Devs[i]
		check(t, s.AddAddr(s.wire, prefixOf(outer(s.n), 24)))
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
	check(t, s.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan42", VNI: 42, Local: s.local, NoLearning: true}), s.SetMaster("vxlan42", lab.ContainerBridge))
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

// startDaemon starts the data plane by the page's file and command.
func (s *site) startDaemon(t *testing.T) {
	t.Helper()
	file := strings.ReplaceAll(recipe(t, "daemon"), outer(2).String(), s.local.String())
	write(t, s.dir, "uvtep.yaml", "control: "+s.control()+"\n"+file)
	s.daemon = must(s.Start(s.command(recipe(t, "daemon-run"))))(t)
	check(t, s.daemon.WaitStderr("uvtep: ready\n", soon))
	check(t, os.Chown(s.control(), 0, nobody)) // for the agent
	check(t, s.SetMaster("vxlan42", lab.ContainerBridge))
}

// startAgent starts the agent by the page's commands, as a user without any capability.
func (s *site) startAgent(t *testing.T) {
	t.Helper()
	inspect, run, _ := strings.Cut(recipe(t, "agent-run"), "\n")
	c := s.command(inspect)
	must2(s.Run(t.Context(), c.Path, c.Args...))(t)
	c = s.command(run)
	c.Args = append([]string{"--reuid", fmt.Sprint(nobody), "--regid", fmt.Sprint(nobody), "--clear-groups", "--no-new-privs",
		"--bounding-set", "-all", "--inh-caps", "-all", c.Path, "--control", s.control()}, c.Args...)
	c.Path = "setpriv"
	s.agent = must(s.Start(c))(t)
	check(t, s.agent.WaitStderr("uvtep evpn: ready\n", soon))
}

// command is a command line of docs/evpn.md with this site's files in the place of the host's.
func (s *site) command(line string) lab.Command {
	words := strings.Fields(strings.ReplaceAll(line, "/etc/uvtep/", s.dir+"/"))
	switch {
	case words[0] != "uvtep":
	case words[1] == "evpn":
		words = append([]string{exe, "--socket", filepath.Join(s.dir, "evpn")}, words[1:]...)
	default:
		words = append([]string{exe, "--control", s.control()}, words[1:]...)
	}
	return lab.Command{Path: words[0], Args: words[1:]}
}

// follow runs the command lines of a block of docs/evpn.md, and returns what each printed.
func (s *site) follow(t *testing.T, block string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(recipe(t, block)) {
		c := s.command(line)
		out[strings.TrimSpace(line)] = must2(s.Run(t.Context(), c.Path, c.Args...))(t)
	}
	return out
}

// uvtepCLI asks the data plane.
func (s *site) uvtepCLI(t *testing.T, words string) string {
	t.Helper()
	c := s.command("uvtep " + words)
	return must2(s.Run(t.Context(), c.Path, c.Args...))(t)
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
	if at == s {
		s.hasAt(t, mac, netip.Addr{})
		return
	}
	s.hasAt(t, mac, at.local)
}

// hasAt waits until the agent has a MAC address behind a VTEP or, where that is not valid, here.
func (s *site) hasAt(t *testing.T, mac net.HardwareAddr, vtep netip.Addr) {
	t.Helper()
	eventually(t, func() error {
		v := s.macView(t, mac)
		if v != nil && (vtep.IsValid() && !v.Local && v.VTEP == vtep || !vtep.IsValid() && v.Local) {
			return nil
		}
		return fmt.Errorf("%s does not have %s at %v: %+v", s, mac, vtep, v)
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
			if e.MAC.String() == mac.String() && e.Dst == at.local {
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
