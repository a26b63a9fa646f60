package interop_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestAddressSetByOthers: udev and systemd-networkd give a new device another MAC address shortly after it appears. A
// link of uvtep is then announced, shown and learned as a device of the kernel is to which the same happens.
func TestAddressSetByOthers(t *testing.T) {
	t.Parallel()
	installed(t, "ip")
	sites := newSites(t, families()[0], lab.WireOptions{}, uvtep, kernel)
	for i, s := range sites {
		s.addLink(t, link{remote: sites[1-i].outer, mac: fmt.Sprintf("02:00:00:00:01:%02x", s.n)})
		check(t, s.AddAddr("vxlan0", inner4(s.n)))
	}
	ping(t, sites[0].Host, inner4(2).Addr(), 56)
	for i, s := range sites {
		far, program, before := sites[1-i], "ip", []string(nil)
		if s.daemon != nil {
			program, before = exe, []string{"--control", s.daemon.socket}
		}
		p := must(s.Start(lab.Command{Path: program, Args: append(before, "monitor", "link")}))(t)
		mac := fmt.Sprintf("02:00:00:00:02:%02x", s.n)
		set := func(mac string) error { return s.SetMAC("vxlan0", must(net.ParseMAC(mac))(t)) }
		tries := 0
		eventually(t, func() error { // until it listens
			tries++
			other := fmt.Sprintf("02:00:00:00:03:%02x", tries)
			return errors.Join(set(other), p.WaitStdout("link/ether "+other+" ", soon/4))
		})
		check(t, set(mac), p.WaitStdout("link/ether "+mac+" ", soon))
		check(t, p.Close())
		if text := mustRun(t, s.Host, program, append(before, "link", "show", "vxlan0")...); !strings.Contains(text, "link/ether "+mac+" ") {
			t.Errorf("%s: after another MAC address was set: %s", s, text)
		}
		ping(t, s.Host, inner4(far.n).Addr(), 56)
		far.wantEntry(t, "vxlan0", mac+" dst "+s.outer.String()+" self ")
	}
	// The daemon's configuration has it, too.
	if text := sites[0].daemon.uvtep(t, "export", "--to", "iproute2"); !strings.Contains(text, " address 02:00:00:00:02:01 ") {
		t.Errorf("the export has not the address that was set:\n%s", text)
	}
}
