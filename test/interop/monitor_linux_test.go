package interop_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
)

// monitorScript is what happens to a link: words are said to bridge or uvtep,
// the rest is done to the link or heard from the peer.
const monitorScript = `
	fdb add 02:00:00:00:01:01 dev vxlan0 dst OUT7
	fdb replace 02:00:00:00:01:01 dev vxlan0 dst OUT8
	fdb replace 02:00:00:00:01:01 dev vxlan0 dst OUT8
	fdb replace 02:00:00:00:01:01 dev vxlan0 dst OUT8 static
	fdb del 02:00:00:00:01:01 dev vxlan0
	fdb add 02:00:00:00:01:02 dev vxlan0 dst OUT7 dynamic
	fdb add 02:00:00:00:01:03 dev vxlan0 dst OUT7 static extern_learn
	fdb add 02:00:00:00:01:04 dev vxlan0 dst OUT7 router port 1234 vni 77
	fdb add 02:00:00:00:01:05 dev vxlan0 dst OUT7 via DEV
	fdb add 02:00:00:00:01:06 dev vxlan0 dst OUT7 port 4789 vni 42
	fdb add 01:00:5e:00:00:05 dev vxlan0 dst OUT7
	fdb append 01:00:5e:00:00:05 dev vxlan0 dst OUT8
	fdb del 01:00:5e:00:00:05 dev vxlan0
	fdb append 00:00:00:00:00:00 dev vxlan0 dst OUT9
	hear 02:00:00:00:02:01 OUT2
	hear 02:00:00:00:02:01 OUT2
	hear 02:00:00:00:02:01 OUT9
	fdb replace 02:00:00:00:02:01 dev vxlan0 dst OUT7
	hear 02:00:00:00:02:02 OUT2
	fdb del 02:00:00:00:02:02 dev vxlan0
	fdb del 02:00:00:00:01:02 dev vxlan0
	hear 02:00:00:00:02:03 OUT2
	link down
	link up
	hear 02:00:00:00:02:04 OUT2
	age 02:00:00:00:02:04
	fdb del 00:00:00:00:00:00 dev vxlan0 dst OUT9
	fdb flush dev vxlan0 static
`

// TestMonitorFDB: `uvtep monitor fdb` prints, for the same events, what `bridge
// monitor fdb` prints beside a kernel device.
func TestMonitorFDB(t *testing.T) {
	installed(t, "bridge")
	for _, f := range testedFamilies() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			want, got := monitored(t, f, kernel), monitored(t, f, uvtep)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-bridge +uvtep)\n%s", d)
			}
			if len(want) < 20 {
				t.Errorf("only %d lines: %q", len(want), want)
			}
		})
	}
}

// monitored runs the script and gives what was printed.
func monitored(t *testing.T, f family, kind string) []string {
	sites := newSites(t, f, lab.WireOptions{}, kind, kernel)
	s, peer := sites[0], sites[1]
	check(t, peer.AddAddr(peer.dev, prefix(f.outer, 9)))
	s.addLink(t, link{remote: peer.outer})
	p := s.startMonitor(t, "fdb")
	for line := range strings.SplitSeq(strings.TrimSpace(monitorScript), "\n") {
		line = strings.ReplaceAll(strings.TrimSpace(line), "DEV", s.dev)
		for n := range 10 {
			line = strings.ReplaceAll(line, fmt.Sprintf("OUT%d", n), prefix(f.outer, n).Addr().String())
		}
		words := strings.Fields(line)
		switch words[0] {
		case "fdb":
			if _, err := s.say(t.Context(), line); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		case "hear":
			peer.encapsulate(t, words[1], addr(words[2]), s.outer)
			eventually(t, func() error {
				if have := s.showFDB(t, "vxlan0"); !slices.ContainsFunc(have, func(l string) bool {
					return strings.HasPrefix(l, words[1]+" dst "+words[2]+" ")
				}) {
					return fmt.Errorf("not learned: %q", have)
				}
				return nil
			})
		case "link":
			check(t, s.SetUp("vxlan0", words[1] == "up"))
			s.waitLink(t, words[1] == "up")
		case "age":
			s.ageSoon(t)
			check(t, p.WaitStdout("Deleted "+words[1], 3*soon))
		}
	}
	s.mark(t, p, "02:00:00:00:0f:02")
	lines := strings.Split(strings.TrimSuffix(p.Stdout(), "\n"), "\n")
	return slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "02:00:00:00:0f:") })
}

// startMonitor runs `bridge monitor`, or uvtep's, and returns when it listens.
func (s *site) startMonitor(t *testing.T, args ...string) *lab.Process {
	t.Helper()
	c := lab.Command{Path: "bridge", Args: append([]string{"monitor"}, args...)}
	if s.kind == uvtep {
		c = lab.Command{Path: exe, Args: append([]string{"--control", s.daemon.socket, "monitor"}, args...)}
	}
	p := must(s.Start(c))(t)
	t.Cleanup(func() { _ = p.Close() })
	s.mark(t, p, "02:00:00:00:0f:01")
	return p
}

// mark adds and deletes an entry until the monitor has printed it.
func (s *site) mark(t *testing.T, p *lab.Process, mac string) {
	t.Helper()
	eventually(t, func() error {
		for _, verb := range []string{"add", "del"} {
			s.fdb(t, verb, "vxlan0", mac, addr(s.outer.String()))
		}
		return p.WaitStdout("Deleted "+mac, 100*time.Millisecond)
	})
}

// waitLink waits until the VTEP knows that its link is up or down.
func (s *site) waitLink(t *testing.T, up bool) {
	t.Helper()
	if s.kind != uvtep {
		return
	}
	eventually(t, func() error {
		if shown := s.daemon.uvtep(t, "link", "show", "vxlan0"); strings.Contains(shown, ",UP") != up {
			return fmt.Errorf("link show: %s", shown)
		}
		return nil
	})
}

// ageSoon lets what was learned age after a second.
func (s *site) ageSoon(t *testing.T) {
	t.Helper()
	words := []string{"link", "set", "vxlan0", "type", "vxlan", "ageing", "1"}
	if s.kind == uvtep {
		s.daemon.uvtep(t, words...)
		return
	}
	if _, errs, err := s.Run(t.Context(), "ip", words...); err != nil {
		t.Fatalf("ip %s: %v, %s", strings.Join(words, " "), err, errs)
	}
}

// encapsulate sends one VXLAN packet from an address of the site, with a frame
// of that MAC address in it.
func (s *site) encapsulate(t *testing.T, mac string, from, to netip.Addr) {
	t.Helper()
	inner := frame(net.HardwareAddr{2, 0, 0, 0, 9, 9}, must(net.ParseMAC(mac))(t), nil, 100, "hear")
	header := encap.HeaderFor(42)
	check(t, s.Do(func() error {
		conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, encap.DefaultPort)))
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write(append(header[:], inner...))
		return err
	}))
}
