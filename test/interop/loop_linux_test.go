package interop_test

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// loop is a host whose routes to its remotes lead through its own links.
type loop struct {
	name   string
	links  []string                        // sentences; each link gets an overlay address
	routes func(t *testing.T, h *lab.Host) // made when the links are up
	told   string                          // what the log says of the route; "": a route cannot tell
}

func loops(t *testing.T) []loop {
	t.Helper()
	far := must(net.ParseMAC("02:00:00:00:00:07"))(t)
	through := func(dst, dev string) func(t *testing.T, h *lab.Host) {
		return func(t *testing.T, h *lab.Host) {
			t.Helper()
			check(t, h.AddRoute(lab.Route{Dst: prefix("%s/32", dst), Dev: dev}), h.SetNeighbour(dev, addr(dst), far))
		}
	}
	const told = "the route to a remote leads through the tunnel"
	return []loop{
		{"itself", []string{"vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2 df unset"}, through("192.0.2.2", "vxlan0"), told},
		{"no local", []string{"vxlan0 id 42 remote 192.0.2.2 df unset"}, through("192.0.2.2", "vxlan0"), told},
		{"each other", []string{"vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2 df unset", "vxlan1 id 43 local 192.0.2.1 remote 192.0.2.3 df unset"},
			func(t *testing.T, h *lab.Host) {
				t.Helper()
				through("192.0.2.2", "vxlan1")(t, h)
				through("192.0.2.3", "vxlan0")(t, h)
			}, told},
		{"bridge", []string{"vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2 df unset"}, func(t *testing.T, h *lab.Host) {
			t.Helper()
			check(t, h.AddBridge("br0"), h.SetMaster("vxlan0", "br0"))
			through("192.0.2.2", "br0")(t, h)
		}, told},
		{"bridge with another port", []string{"vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2 df unset"}, func(t *testing.T, h *lab.Host) {
			t.Helper()
			check(t, h.AddBridge("br0"), h.SetMaster("vxlan0", "br0"), h.SetMaster("eth0", "br0"))
			through("192.0.2.2", "br0")(t, h)
		}, ""},
	}
}

// TestRouteThroughTheTunnel: a route to a remote that leads through a link of the
// same daemon neither lets frames go round for ever, nor makes the link's MTU ever
// smaller, and is told.
func TestRouteThroughTheTunnel(t *testing.T) {
	for _, l := range loops(t) {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			sites := newSites(t, families()[0], lab.WireOptions{}, uvtep, uvtep)
			h := sites[0].Host
			d := sites[0].daemon
			for i, sentence := range l.links {
				d.uvtep(t, append([]string{"link", "add"}, strings.Fields(sentence)...)...)
				name, _, _ := strings.Cut(sentence, " ")
				check(t, h.SetUp(name, true), h.AddAddr(name, inner4(1+100*i)))
			}
			check(t, h.SetNeighbour("vxlan0", inner4(2).Addr(), must(net.ParseMAC("02:00:00:00:00:02"))(t)))
			l.routes(t, h)
			if _, err := h.Ping(lab.PingConfig{Dst: inner4(2).Addr(), Size: 1000, Count: 1, Timeout: 50 * time.Millisecond}); err != nil {
				t.Log("ping:", err) // nobody answers
			}
			if l.told != "" {
				check(t, d.proc.WaitStderr(l.told, 15*time.Second))
			}
			eventually(t, func() error {
				if n := d.counters(t, "vxlan0").Own.Drops["tx-loop"]; n == 0 {
					return fmt.Errorf("nothing was dropped as tx-loop: %v", d.counters(t, "vxlan0").Own.Drops)
				}
				return nil
			})
			sent := d.counters(t, "vxlan0").Stats.TX.Packets
			if sent > 1000 {
				t.Errorf("%d packets were sent", sent)
			}
			busy := cpuTime(t, d.proc.Pid())
			time.Sleep(time.Second) // the load of a loop is measured, not waited for
			if busy = cpuTime(t, d.proc.Pid()) - busy; busy > 300*time.Millisecond {
				t.Errorf("the daemon was busy for %v of a second", busy)
			}
			t.Logf("%d packets were sent, the daemon was busy for %v of a second", sent, busy)
			if got := must(h.MTU("vxlan0"))(t); got != 1450 {
				t.Errorf("the link's MTU is %d, want 1450", got)
			}
			if l.told == "" {
				return
			}
			if text := d.uvtep(t, "-d", "link", "show", "vxlan0"); !strings.Contains(text, "trouble dst 192.0.2.2 loop") {
				t.Errorf("link show -d says nothing of it:\n%s", text)
			}
			// The daemon sees that the route is right again.
			check(t, h.DelRoute(lab.Route{Dst: prefix("192.0.2.2/32"), Dev: routedOver(l.name)}))
			check(t, d.proc.WaitStderr("the route to a remote leads no longer through the tunnel", 15*time.Second))
			check(t, h.SetNeighbour("eth0", addr("192.0.2.2"), must(sites[1].MAC(sites[1].dev))(t)))
			before := d.counters(t, "vxlan0").Stats.TX.Packets
			_, _ = h.Ping(lab.PingConfig{Dst: inner4(2).Addr(), Count: 1, Timeout: 50 * time.Millisecond})
			if after := d.counters(t, "vxlan0").Stats.TX.Packets; after == before {
				t.Error("nothing was sent by the route that is right again")
			}
		})
	}
}

// routedOver is the device of the route to 192.0.2.2 in a loop of that name.
func routedOver(name string) string {
	switch name {
	case "each other":
		return "vxlan1"
	case "bridge":
		return "br0"
	}
	return "vxlan0"
}

// cpuTime is the processor time that a process has used (proc_pid_stat(5), fields
// 14 and 15, in hundredths of a second).
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	text := string(must(os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)))(t))
	fields := strings.Fields(text[strings.LastIndex(text, ")")+1:])
	return time.Duration(must(strconv.Atoi(fields[11]))(t)+must(strconv.Atoi(fields[12]))(t)) * 10 * time.Millisecond
}
