package interop_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// begin starts a uvtep command against the daemon, which ends by itself.
func (d *daemon) begin(t *testing.T, args ...string) *lab.Process {
	t.Helper()
	return must(d.host.Start(lab.Command{Path: exe, Args: append([]string{"--control", d.socket}, args...)}))(t)
}

// until waits for a condition, and makes something happen meanwhile.
func until(t *testing.T, what string, make func(), is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); make() {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// talk sends a frame from a site to another one, whatever came of the one before.
func talk(from, to *site) {
	if far, err := to.MAC("vxlan0"); err == nil {
		_ = from.SetNeighbour("vxlan0", inner4(to.n).Addr(), far)
	}
	_, _ = from.Ping(lab.PingConfig{Dst: inner4(to.n).Addr(), Timeout: 100 * time.Millisecond})
}

// done reports whether a process has ended.
func done(p *lab.Process) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

// TestSeeing: what explain, capture, decode and monitor -v show of frames between two daemons,
// and what tshark and tcpdump make of the files.
func TestSeeing(t *testing.T) {
	t.Parallel()
	installed(t, "tshark")
	installed(t, "tcpdump")
	sites := newSites(t, families()[0], lab.WireOptions{}, uvtep, uvtep)
	a, b := sites[0], sites[1]
	a.addLink(t, link{remote: b.outer})
	b.addLink(t, link{remote: a.outer})
	check(t, a.AddAddr("vxlan0", inner4(1)))
	check(t, b.AddAddr("vxlan0", inner4(2)))
	far := must(b.MAC("vxlan0"))(t)

	// Why does this frame not arrive?
	if out := a.daemon.uvtep(t, "explain", "dev", "vxlan0", "dst", far.String()); !strings.Contains(out, "sent to "+b.outer.String()) {
		t.Errorf("explain: %s", out)
	}
	if out, _, err := b.daemon.try(t.Context(), "explain", "from", "remote", "203.0.113.9", "dev", "vxlan0"); err == nil || !strings.Contains(out, "dropped: rx-not-peer: outer source not covered by `accept`: add the sender as a remote") {
		t.Errorf("explain: %v: %s", err, out)
	}

	// A capture in tshark and tcpdump.
	file := filepath.Join(t.TempDir(), "outer.pcapng")
	p := a.daemon.begin(t, "capture", "dev", "vxlan0", "mac", far.String(), "--outer", "-c", "4", "-w", file)
	until(t, "the capture", func() { talk(a, b) }, func() bool { return done(p) })
	if p.ExitCode() != 0 || !strings.Contains(p.Stderr(), "4 packets captured, 0 left out") {
		t.Fatalf("capture: status %d: %s", p.ExitCode(), p.Stderr())
	}
	out := must(exec.CommandContext(t.Context(), "tshark", "-n", "-r", file, "-T", "fields", "-e", "vxlan.vni", "-e", "frame.packet_flags_direction", "-e", "frame.comment", "-e", "frame.interface_name", "-e", "udp.checksum.status", "-o", "udp.check_checksum:TRUE").Output())(t)
	if got := string(out); !strings.Contains(got, "42\t0x00000002\tto "+b.outer.String()+"\tvxlan0\t1") || !strings.Contains(got, "42\t0x00000001\tfrom "+b.outer.String()+"\tvxlan0\t1") || strings.Count(got, "\n") != 4 {
		t.Errorf("tshark shows %q", got)
	}
	if out, err := exec.CommandContext(t.Context(), "tcpdump", "-nr", file).CombinedOutput(); err != nil || strings.Count(string(out), "VXLAN, flags [I] (0x08), vni 42") != 4 {
		t.Errorf("tcpdump: %v: %s", err, out)
	}
	ports := map[string]bool{}
	for line := range strings.Lines(a.daemon.uvtep(t, "decode", file)) {
		if !strings.Contains(line, "VXLAN vni 42: ") || !strings.Contains(line, "IPv4 "+inner4(1).Addr().String()) && !strings.Contains(line, "IPv4 "+inner4(2).Addr().String()) && !strings.Contains(line, "ARP") {
			t.Errorf("decode shows %q", line)
		}
		ports[strings.Fields(line)[3]] = true
	}
	if len(ports) == 0 {
		t.Error("decode shows nothing")
	}

	// What somebody else needs to look at.
	report := filepath.Join(t.TempDir(), "report.tar.gz")
	if out := a.daemon.uvtep(t, "bugreport", "-w", report); out != report+"\n" {
		t.Errorf("bugreport: %q", out)
	}
	parts := must(exec.CommandContext(t.Context(), "tar", "-xzOf", report).Output())(t)
	for _, want := range []string{"uvtep: ready", `"name": "vxlan0"`, `"dst": "` + b.outer.String() + `"`, " fdb ", "rmem_max", "### /proc/net/route"} {
		if !strings.Contains(string(parts), want) {
			t.Errorf("the report does not have %q", want)
		}
	}

	// The packets of a stranger, which the kernel drops for the daemon otherwise.
	b.daemon.uvtep(t, "link", "set", "vxlan0", "remote", "192.0.2.77")
	m := b.daemon.begin(t, "monitor", "drop", "-v")
	p = b.daemon.begin(t, "capture", "--drops", "-c", "2")
	until(t, "the drops", func() { talk(a, b) }, func() bool {
		return done(p) && strings.Contains(m.Stdout(), "reason rx-not-peer count ") && strings.Contains(m.Stdout(), "\n    "+a.outer.String()+": ")
	})
	if got := p.Stdout(); strings.Count(got, "[from "+a.outer.String()+", drop: rx-not-peer]") != 2 {
		t.Errorf("capture --drops shows %q", got)
	}
	check(t, m.Stop(soon))
}
