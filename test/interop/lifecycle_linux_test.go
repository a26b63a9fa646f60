package interop_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// TestMoved moves a link to another namespace, as `ip link set vxlan0 netns` does.
func TestMoved(t *testing.T) {
	t.Parallel()
	for _, f := range testedFamilies() {
		t.Run(f.name, func(t *testing.T) {
			sites := newSites(t, f, lab.WireOptions{}, uvtep, kernel)
			join(t, sites, netip.Addr{})
			a, b := sites[0], sites[1]
			inside := must(a.Lab().Host("inside"))(t)
			check(t, a.MoveLink("vxlan0", inside))
			if a.HasLink("vxlan0") {
				t.Error("the link is still here")
			}
			check(t, inside.AddAddr("vxlan0", inner4(a.n), inner6(a.n)))
			ping(t, b.Host, inner4(a.n).Addr(), 1400)
			ping(t, inside, inner6(b.n).Addr(), 56)
			tcp(t, inside, b.Host, inner4(b.n).Addr(), 4<<20)
			tcp(t, b.Host, inside, inner4(a.n).Addr(), 4<<20)
			a.wantEntry(t, "vxlan0", b.mac(t, "vxlan0")+" dst "+b.outer.String()+" self ")
			if shown := a.daemon.uvtep(t, "link", "show", "vxlan0"); !strings.Contains(shown, must(inside.MAC("vxlan0"))(t).String()) {
				t.Errorf("link show does not know the link that moved:\n%s", shown)
			}
			// Down and up are followed there as well.
			check(t, inside.SetUp("vxlan0", false))
			eventually(t, func() error {
				if all := a.showFDB(t, "vxlan0"); len(all) != 1 {
					return fmt.Errorf("the FDB of a link that is down: %q", all)
				}
				return nil
			})
			a.daemon.uvtep(t, "link", "set", "vxlan0", "up")
			check(t, inside.AddAddr("vxlan0", inner4(a.n), inner6(a.n)))
			ping(t, b.Host, inner6(a.n).Addr(), 56)
			check(t, a.daemon.proc.Stop(soon))
			if inside.HasLink("vxlan0") {
				t.Error("the link outlives the daemon in its new namespace")
			}
		})
	}
}

// TestDeleted deletes links behind the daemon's back, as `ip link del` does.
func TestDeleted(t *testing.T) {
	t.Parallel()
	lab.NeedKernelVXLAN(t)
	sites := newSites(t, families()[0], lab.WireOptions{}, uvtep, uvtep)
	a, b := sites[0], sites[1]
	group := families()[0].group
	a.addLink(t, link{remote: b.outer})
	a.addLink(t, link{name: "vxlan1", vni: 43, group: group})
	inside := must(a.Lab().Host("inside"))(t)
	check(t, a.MoveLink("vxlan1", inside), inside.SetUp("vxlan1", true))
	a.wantJoined(t, group, true)
	check(t, a.DelLink("vxlan0"), inside.DelLink("vxlan1"))
	eventually(t, func() error {
		if shown := a.daemon.uvtep(t, "link", "show"); shown != "" {
			return fmt.Errorf("still there: %s", shown)
		}
		return nil
	})
	a.wantJoined(t, group, false)
	if _, errs, err := a.daemon.try(t.Context(), "fdb", "show", "dev", "vxlan0"); exitStatus(err) != 2 || oneLine(errs) != nil {
		t.Errorf("fdb show of a link that is gone: %v, %q", err, errs)
	}
	// Its sockets are gone as well: the kernel can have the port.
	eventually(t, func() error {
		return a.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Remote: b.outer, Local: a.outer})
	})
	check(t, a.DelLink("vxlan0"))
	a.addLink(t, link{remote: b.outer})
	b.addLink(t, link{remote: a.outer})
	a.overlay(t, "vxlan0")
	b.overlay(t, "vxlan0")
	ping(t, a.Host, inner4(b.n).Addr(), 56)
}

// TestSignals ends a daemon with traffic under way: exit status 0, and nothing
// is left.
func TestSignals(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(fmt.Sprint(sig), func(t *testing.T) {
			f := families()[0]
			sites := newSites(t, f, lab.WireOptions{}, uvtep, kernel)
			a, b := sites[0], sites[1]
			before := devices(t, a.Host)
			join(t, sites, netip.Addr{})
			a.addLink(t, link{name: "vxlan1", vni: 43, group: f.group})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			defer func() { cancel(); <-ended }()
			flowing := a.daemon.counters(t, "vxlan0").Stats.RX.Packets + 1000
			go func() {
				defer close(ended)
				_, err := lab.UDP(ctx, lab.UDPConfig{
					From: b.Host, To: a.Host, Dst: inner4(a.n).Addr(), Size: 500, Count: 1_000_000, Timeout: time.Minute,
				})
				if ctx.Err() == nil {
					t.Errorf("the traffic ended by itself: %v", err)
				}
			}()
			eventually(t, func() error {
				if got := a.daemon.counters(t, "vxlan0").Stats.RX.Packets; got < flowing {
					return fmt.Errorf("%d packets of %d", got, flowing)
				}
				return nil
			})
			p := a.daemon.proc
			check(t, p.Signal(sig))
			if err := p.Wait(soon); err != nil || p.ExitCode() != 0 {
				t.Errorf("after %v: %v, exit status %d", sig, err, p.ExitCode())
			}
			for line := range strings.Lines(p.Stderr()) {
				// The second is so as long as b's device is not made yet.
				if line != "uvtep: ready\n" && !strings.Contains(line, "nobody listens on the port of a remote") {
					t.Errorf("stderr: %q", line)
				}
			}
			if after := devices(t, a.Host); fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("devices before: %q, after: %q", before, after)
			}
			if _, err := os.Stat(a.daemon.socket); !os.IsNotExist(err) {
				t.Errorf("the socket file is left: %v", err)
			}
			if a.joined(t, f.group) {
				t.Error("the group is still joined")
			}
		})
	}
}

// TestLocalLater: a link whose local address is not there yet carries traffic
// from when it appears, and again after it went away and came back.
func TestLocalLater(t *testing.T) {
	t.Parallel()
	for _, f := range testedFamilies() {
		t.Run(f.name, func(t *testing.T) {
			sites := newSites(t, f, lab.WireOptions{}, uvtep, kernel)
			a, b := sites[0], sites[1]
			mine := prefix(f.outer, a.n)
			check(t, a.DelAddr(a.dev, mine))
			a.addLink(t, link{remote: b.outer, noDev: true})
			b.addLink(t, link{remote: a.outer})
			a.overlay(t, "vxlan0")
			b.overlay(t, "vxlan0")
			if r := must(a.Ping(lab.PingConfig{Dst: inner4(b.n).Addr(), Count: 1, Timeout: 300 * time.Millisecond}))(t); r.Received > 0 {
				t.Error("traffic without the local address")
			}
			for range 2 {
				check(t, a.AddAddr(a.dev, mine))
				ping(t, a.Host, inner4(b.n).Addr(), 56)
				ping(t, b.Host, inner4(a.n).Addr(), 1400)
				check(t, a.DelAddr(a.dev, mine))
			}
		})
	}
}

// TestMTUSetsSuperframeSize: gso_max_size fits the MTU that `link set` gives, as
// that of a link made with it.
func TestMTUSetsSuperframeSize(t *testing.T) {
	t.Parallel()
	h := must(lab.ForTest(t).Host("a"))(t)
	d := startDaemon(t, h, "vx0", "id", "42", "local", "192.0.2.1", "remote", "192.0.2.2", "mtu", "1450")
	d.uvtep(t, "link", "add", "vx1", "type", "vxlan", "id", "43", "local", "192.0.2.1", "remote", "192.0.2.2", "mtu", "9000")
	d.uvtep(t, "link", "set", "vx0", "mtu", "9000")
	changed, made := must(h.Link("vx0"))(t).Attrs(), must(h.Link("vx1"))(t).Attrs()
	if changed.MTU != 9000 || changed.GSOMaxSize != made.GSOMaxSize {
		t.Errorf("MTU %d with gso_max_size %d; made with mtu 9000 it has %d", changed.MTU, changed.GSOMaxSize, made.GSOMaxSize)
	}
}
