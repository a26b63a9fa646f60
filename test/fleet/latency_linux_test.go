package fleet_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/bgp"
)

// arpsFlag is how many gratuitous ARPs TestGratuitousARP measures; its targets are for 1000.
var arpsFlag = flag.Int("arps", 5, "gratuitous ARPs of TestGratuitousARP on each path")

// TestGratuitousARP: how long it takes from a gratuitous ARP of a new host behind one VTEP until another
// one's table has it: between uvteps behind a reflector of GoBGP, between kernel VTEPs of FRR behind the
// same one, and between uvteps that are neighbours of each other.
func TestGratuitousARP(t *testing.T) {
	installed(t, zebra, bgpd, "vtysh", "gobgpd", "setpriv")
	sites := newFleet(t, "uvtep1", "uvtep2", "kernel1", "kernel2", "reflector")
	startGoBGP(t, sites[4].Host, reflectorOf(4, 5))
	full := *arpsFlag >= 1000
	for _, u := range sites[:2] {
		u.uvtep(t, agentFile(65001, u.n, neighbor(5, 65001))+fmt.Sprintf("listen: [\"%v:1179\"]\n", outer(u.n)))
	}
	reach(t, sites[:2]...)
	behind := measureARPs(t, "uvteps behind the reflector", sites[0], 0x10, entriesOf(t, sites[1]))
	if full {
		for _, k := range sites[2:4] {
			k.kernelVTEP(t, bgpConf(65001, k.n, []string{"neighbor 192.0.2.5 remote-as 65001", "neighbor 192.0.2.5 timers connect 1"}, []string{"neighbor 192.0.2.5 activate", "advertise-all-vni"}))
		}
		reach(t, sites[:4]...)
		measureARPs(t, "kernel VTEPs of FRR behind it", sites[2], 0x20, kernelEntriesOf(t, sites[3]))
	}
	// Now without it: what is left is the agents' own part.
	for i, line := range []string{
		"{address: 192.0.2.2, remote-as: 65001, passive: true}", "{address: 192.0.2.1, remote-as: 65001, port: 1179, connect-retry: 1}",
	} {
		u := sites[i]
		write(t, u.dir, "evpn.yaml", agentFile(65001, u.n, line)+fmt.Sprintf("listen: [\"%v:1179\"]\nsocket: %s\n", outer(u.n), filepath.Join(u.dir, "evpn")))
		check(t, u.agent.Signal(syscall.SIGHUP))
	}
	for _, u := range sites[:2] {
		eventually(t, func() error {
			if all := u.neighbors(t); len(all) != 1 || all[0].Address == outer(5) || all[0].State != string(bgp.Established) {
				return fmt.Errorf("%s has neighbors %+v", u, all)
			}
			return nil
		})
	}
	reach(t, sites[:2]...)
	own := measureARPs(t, "uvteps that are neighbours", sites[0], 0x30, entriesOf(t, sites[1]))
	if !full {
		return
	}
	measureStages(t, sites[0], sites[1], 0x40)
	if p := percentile(behind, 99); p > 100*time.Millisecond {
		t.Errorf("behind the reflector 99 %% are there within %v, more than 100 ms", p)
	}
	if p := percentile(own, 99); p > 5*time.Millisecond {
		t.Errorf("without it 99 %% are there within %v, more than 5 ms", p)
	}
}

// reflectorOf is a GoBGP reflector at site number at, of the sites 1 to n.
func reflectorOf(n, at int) string {
	text := fmt.Sprintf("[global.config]\n  as = 65001\n  router-id = \"%v\"\n", outer(at))
	for i := 1; i <= n; i++ {
		text += fmt.Sprintf(`[[neighbors]]
  [neighbors.config]
    neighbor-address = "%v"
    peer-as = 65001
  [neighbors.transport.config]
    passive-mode = true
  [neighbors.route-reflector.config]
    route-reflector-client = true
    route-reflector-cluster-id = "%v"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "l2vpn-evpn"
`, outer(i), outer(at))
	}
	return text
}

// arrival is a MAC address in a VTEP's table.
type arrival struct {
	mac string
	at  time.Time
}

// entriesOf tells the entries that come into a data plane's FDB.
func entriesOf(t *testing.T, u *site) <-chan arrival {
	t.Helper()
	m := must(u.client(t).Monitor(t.Context(), api.ObjectFDB))(t)
	t.Cleanup(func() { _ = m.Close() })
	all := make(chan arrival, 1000)
	go func() {
		for {
			e, err := m.Next()
			if err != nil {
				return
			}
			if e.FDB != nil && e.Event == api.EventNew {
				all <- arrival{e.FDB.MAC, time.Now()}
			}
		}
	}()
	return all
}

// kernelEntriesOf is the same of a kernel VTEP.
func kernelEntriesOf(t *testing.T, k *site) <-chan arrival {
	t.Helper()
	changes, done := make(chan netlink.NeighUpdate, 1000), make(chan struct{})
	check(t, k.Do(func() error { return netlink.NeighSubscribe(changes, done) }))
	t.Cleanup(func() { close(done) })
	index := must(k.Link("vxlan42"))(t).Attrs().Index
	all := make(chan arrival, 1000)
	go func() {
		for c := range changes {
			if c.Type == syscall.RTM_NEWNEIGH && c.LinkIndex == index && len(c.IP) > 0 {
				all <- arrival{c.HardwareAddr.String(), time.Now()}
			}
		}
	}()
	return all
}

// measureARPs sends gratuitous ARPs of new hosts behind a site, one after the other, and waits for each.
func measureARPs(t *testing.T, what string, from *site, kind byte, there <-chan arrival) []time.Duration {
	t.Helper()
	s := must(from.behind.OpenPacket("eth0"))(t)
	var all []time.Duration
	for i := range *arpsFlag {
		mac := net.HardwareAddr{2, 0, kind, 0, byte(i >> 8), byte(i)}
		began := time.Now()
		check(t, s.Send(gratuitousARP(mac, byte(100+i%100))))
		timeout := time.After(soon)
		for found := false; !found; {
			select {
			case a := <-there:
				if found = a.mac == mac.String(); found {
					all = append(all, a.at.Sub(began))
				}
			case <-timeout:
				t.Fatalf("%s: host %d does not arrive", what, i)
			}
		}
	}
	check(t, s.Close())
	t.Logf("%s: gratuitous ARP to entry, %d times: median %v, 99 %% within %v, at most %v", what, len(all), percentile(all, 50), percentile(all, 99), percentile(all, 100))
	return all
}

func percentile(all []time.Duration, p int) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[min(len(all)*p/100, len(all)-1)].Round(10 * time.Microsecond)
}

// gratuitousARP is what a host sends when it has come (RFC 5227 section 3).
func gratuitousARP(mac net.HardwareAddr, last byte) []byte {
	ip := []byte{198, 51, 100, last}
	frame := slices.Concat(net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mac)
	frame = binary.BigEndian.AppendUint16(frame, 0x0806)
	frame = append(frame, 0, 1, 8, 0, 6, 4, 0, 1) // Ethernet, IPv4, request
	frame = slices.Concat(frame, mac, ip, make([]byte, 6), ip)
	return append(frame, make([]byte, 60-len(frame))...)
}
