package interop_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// fault is something that goes wrong between two sites, and the command that names it.
type fault struct {
	name    string
	make    func(t *testing.T, a, b, c *site) // with a link between a and b
	mend    func(t *testing.T, a, b, c *site)
	anew    bool   // the links are made anew before: what went wrong before is still told
	pings   bool   // while the command runs, the sites talk
	at      byte   // site that asks
	command string // of uvtep
	want    string // in its last line
}

// sentence runs a command of uvtep or ip with the words of a line on a site.
func sentence(t *testing.T, s *site, line string) {
	t.Helper()
	w := strings.Fields(line)
	if w[0] == "ip" {
		_, errs, err := s.Run(t.Context(), w[0], w[1:]...)
		if err != nil {
			t.Fatalf("%s: %s: %v %s", s.Host, line, err, errs)
		}
		return
	}
	s.daemon.uvtep(t, w...)
}

func tenFaults() []fault {
	outer := func(s *site) string { return s.outer.String() }
	return []fault{
		{
			name: "MTU 50 short", at: 'a', command: "check", want: "mtu: vxlan0: mtu 1500 needs 1550 bytes of the underlay",
			make: func(t *testing.T, a, _, _ *site) { sentence(t, a, "link set vxlan0 mtu 1500") },
			mend: func(t *testing.T, a, _, _ *site) { sentence(t, a, "link set vxlan0 mtu 1450") },
		},
		{
			name: "a path that is 50 short", at: 'a', command: "ping 192.0.2.2 --mtu-probe", want: "1500 do not: uvtep link set vxlan0 mtu 140", /* a veth takes 4 bytes more than its MTU */
			make: func(t *testing.T, a, b, _ *site) { check(t, b.SetMTU(b.dev, 1450)) },
			mend: func(t *testing.T, a, b, _ *site) { check(t, b.SetMTU(b.dev, 1500)) },
		},
		{
			name: "firewall", at: 'a', command: "check", want: "firewall: vxlan0: UDP port 4789 of remote 192.0.2.2 is refused: ",
			make: func(t *testing.T, a, _, _ *site) {
				sentence(t, a, "ip rule add pref 1 ipproto udp dport 4789 prohibit")
			},
			mend: func(t *testing.T, a, _, _ *site) { sentence(t, a, "ip rule del pref 1") },
		},
		{
			name: "asymmetric route", at: 'a', command: "ping 192.0.2.2", want: "underlay fails: 192.0.2.2: no answer: see whether the host is up, has a route back to 192.0.2.1",
			make: func(t *testing.T, _, b, _ *site) { sentence(t, b, "ip route add blackhole 192.0.2.1/32") },
			mend: func(t *testing.T, _, b, _ *site) { sentence(t, b, "ip route del blackhole 192.0.2.1/32") },
		},
		{
			name: "duplicate VTEP address", at: 'a', command: "check", want: "has the local address 192.0.2.1, too",
			make: func(t *testing.T, a, _, c *site) { sentence(t, c, "ip addr add 192.0.2.1/24 dev "+c.dev) },
			mend: func(t *testing.T, a, _, c *site) { sentence(t, c, "ip addr del 192.0.2.1/24 dev "+c.dev) },
		},
		{
			name: "wrong port", anew: true, pings: true, at: 'a', command: "status", want: "remote 192.0.2.2 port 4789: port-unreachable: start the VTEP there, or give this link the port",
			make: func(t *testing.T, _, b, _ *site) { sentence(t, b, "link set vxlan0 dstport 8472") },
		},
		{
			name: "wrong VNI", anew: true, pings: true, at: 'b', command: "status", want: "drops rx-unknown-vni",
			make: func(t *testing.T, a, b, _ *site) {
				sentence(t, b, "link del vxlan0")
				sentence(t, b, "link add vxlan0 id 43 local "+outer(b)+" remote "+outer(a))
				sentence(t, b, "link set vxlan0 up")
			},
		},
		{
			name: "static entry to the wrong VTEP", anew: true, pings: true, at: 'a', command: "status", want: "drops rx-static-mac",
			make: func(t *testing.T, a, b, c *site) {
				c.addLink(t, link{remote: a.outer})
				sentence(t, a, fmt.Sprintf("fdb replace %s dev vxlan0 dst %s static", must(b.MAC("vxlan0"))(t), outer(c)))
			},
			mend: func(t *testing.T, _, _, c *site) { c.delLink(t, "vxlan0") },
		},
		{
			name: "a liar", anew: true, at: 'a', command: "ping 192.0.2.2 dev vxlan0 --overlay 198.51.100.2", want: "both say that they have 198.51.100.2: find the one that lies",
			make: func(t *testing.T, a, _, c *site) {
				sentence(t, a, "fdb append 00:00:00:00:00:00 dev vxlan0 dst "+outer(c))
				c.addLink(t, link{remote: a.outer})
				check(t, c.AddAddr("vxlan0", inner4(2)))
			},
			mend: func(t *testing.T, _, _, c *site) { c.delLink(t, "vxlan0") },
		},
		{
			name: "full FDB", anew: true, at: 'a', command: "status", want: "of 3 entries: raise maxaddress",
			make: func(t *testing.T, a, b, _ *site) {
				sentence(t, a, "link set vxlan0 maxaddress 3")
				for _, mac := range []string{"02:00:00:00:00:08", "02:00:00:00:00:09", "02:00:00:00:00:0a"} {
					_, _, _ = a.daemon.try(t.Context(), "fdb", "replace", mac, "dev", "vxlan0", "dst", outer(b)) // until it is full
				}
			},
		},
		{
			name: "peer down", anew: true, pings: true, at: 'a', command: "status", want: "remote 192.0.2.2 port 4789: port-unreachable: start the VTEP there",
			make: func(t *testing.T, _, b, _ *site) { check(t, b.daemon.proc.Stop(soon)) },
		},
	}
}

// TestFaultsAreNamed: each of the faults that operators make is named, with what to do, in the
// last line of the command that they would try first; where nothing is wrong, nothing is.
func TestFaultsAreNamed(t *testing.T) {
	installed(t, "ip")
	sites := newSites(t, families()[0], lab.WireOptions{}, uvtep, uvtep, uvtep)
	a, b, c := sites[0], sites[1], sites[2]
	faults := append([]fault{
		{name: "none, by status", anew: true, pings: true, at: 'a', command: "status", want: "healthy: "},
		{name: "none, by check", at: 'a', command: "check", want: "ok: nothing was found on 1 links"},
		{name: "none, by ping", at: 'a', command: "ping 192.0.2.2 --mtu-probe --overlay 198.51.100.2", want: "ok: route, underlay, port, path and overlay"},
	}, tenFaults()...)
	if raceDetector {
		faults = faults[:5] // each takes seconds, and the commands are the same
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) { f.named(t, a, b, c) })
	}
}

// talk sends a frame from a site to another one, whatever came of the one before.
func talk(from, to *site) {
	if far, err := to.MAC("vxlan0"); err == nil {
		_ = from.SetNeighbour("vxlan0", inner4(to.n).Addr(), far)
	}
	_, _ = from.Ping(lab.PingConfig{Dst: inner4(to.n).Addr(), Timeout: 100 * time.Millisecond})
}

// linkUp gives a and b new links to each other.
func linkUp(t *testing.T, a, b *site) {
	t.Helper()
	for _, s := range []*site{a, b} {
		if s.HasLink("vxlan0") {
			s.delLink(t, "vxlan0")
		}
	}
	// Both are there before one is up, so that nobody's first frames are refused.
	sentence(t, a, fmt.Sprintf("link add vxlan0 id 42 local %s remote %s", a.outer, b.outer))
	sentence(t, b, fmt.Sprintf("link add vxlan0 id 42 local %s remote %s", b.outer, a.outer))
	for _, s := range []*site{a, b} {
		sentence(t, s, "link set vxlan0 up")
		check(t, s.AddAddr("vxlan0", inner4(s.n)))
	}
	check(t, a.MustReach(inner4(2).Addr(), 56, soon))
}

func (f *fault) named(t *testing.T, a, b, c *site) {
	if f.anew {
		linkUp(t, a, b)
	}
	if f.make != nil {
		f.make(t, a, b, c)
	}
	at := a
	if f.at == 'b' {
		at = b
	}
	ctx, cancel := context.WithCancel(t.Context())
	talked := make(chan struct{})
	go func() {
		defer close(talked)
		for f.pings && ctx.Err() == nil {
			talk(a, b)
			talk(b, a)
		}
	}()
	eventually(t, func() error {
		out, errs, err := at.daemon.try(ctx, strings.Fields(f.command)...)
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		last, status := lines[len(lines)-1], exitStatus(err)
		if wantStatus := map[bool]int{true: 0, false: 1}[f.make == nil]; !strings.Contains(last, f.want) || status != wantStatus || errs != "" {
			return fmt.Errorf("uvtep %s: status %d, %q, want %q in the last line of\n%s", f.command, status, errs, f.want, out)
		}
		return nil
	})
	cancel()
	<-talked
	if f.mend != nil {
		f.mend(t, a, b, c)
	}
}
