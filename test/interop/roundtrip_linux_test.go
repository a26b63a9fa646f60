package interop_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/test/lab"
)

// moved are links of the kernel with every option that it has and uvtep knows,
// and with every kind of entry.
const moved = `
ip link add name vx-plain type vxlan id 1 remote 192.0.2.2 local 192.0.2.1 dstport 4789 dev eth0
ip link add name vx-all4 mtu 1200 address 02:00:00:00:00:02 txqueuelen 77 numtxqueues 3 numrxqueues 3 type vxlan id 2 remote 192.0.2.2 local 192.0.2.1 dev eth0 dstport 4789 srcport 50000 51000 ttl 7 tos 0x1c df set ageing 55 maxaddress 99 nolearning proxy l2miss l3miss noudpcsum udp6zerocsumtx
ip link add name vx-gbp type vxlan id 3 remote 192.0.2.2 dev eth0 dstport 4791 gbp ttl inherit tos inherit df inherit ageing 0
ip link add name vx-flags type vxlan id 13 remote 192.0.2.2 dstport 4789 dev eth0
ip link add name vx-all6 mtu 1300 type vxlan id 16777215 remote 2001:db8:1::2 local 2001:db8:1::1 dev eth0 dstport 4789 flowlabel 0x12345 ttl 255 tos 1 udp6zerocsumtx udp6zerocsumrx ageing 4000000000
ip link add name vx-group4 type vxlan id 5 group 239.1.1.1 dev eth0 dstport 4793 ttl 5
ip link add name vx-group6 type vxlan id 5 group ff05::1 local 2001:db8:1::1 dev eth0 dstport 4793
ip link add name vx-nowhere type vxlan id 0 dstport 4794 dev eth0 nolearning
ip link add name vx-mtu mtu 1400 type vxlan id 7 remote 192.0.2.2 dstport 4789
ip link add name vx-nodev type vxlan id 8 remote 192.0.2.2 dstport 4789
ip link add name vx-8472 type vxlan id 9 remote 192.0.2.2 dstport 0 dev eth0
ip link add name vx-port type vxlan id 10 remote 192.0.2.2 dstport 4789 dev eth0
ip link add name vx'$(id);& type vxlan id 11 local 192.0.2.1 dstport 4789 dev eth0
ip link add name vx-gone type vxlan id 12 remote 192.0.2.2 dstport 4789 dev eth0
ip link set dev vx-all4 group 5
ip link set dev vx-all4 alias it's_$HOME
ip link set dev vx-all6 addrgenmode none
ip link set dev vx-group4 arp off
ip link set dev vx-flags multicast off allmulticast on promisc on
ip link set dev vx-port master br0
bridge fdb append 00:00:00:00:00:00 dev vx-plain dst 192.0.2.3
bridge fdb append 00:00:00:00:00:00 dev vx-plain dst 192.0.2.3 via eth0
bridge fdb append 00:00:00:00:00:00 dev vx-plain dst 192.0.2.3 port 8472
bridge fdb append 00:00:00:00:00:00 dev vx-plain dst 192.0.2.3 vni 77
bridge fdb append 00:00:00:00:00:00 dev vx-plain dst 192.0.2.4 port 8472 vni 16777215 via eth0
bridge fdb append 00:00:00:00:00:00 dev vx-plain dst 192.0.2.2 port 4790
bridge fdb append 01:00:5e:01:01:01 dev vx-plain dst 192.0.2.5 self permanent
bridge fdb append 01:00:5e:01:01:01 dev vx-plain dst 192.0.2.6 self permanent
bridge fdb append 33:33:00:00:00:05 dev vx-plain dst 192.0.2.6 self static
bridge fdb add 02:00:00:00:01:01 dev vx-plain dst 192.0.2.7 self permanent
bridge fdb add 02:00:00:00:01:02 dev vx-plain dst 192.0.2.7 self static
bridge fdb add 02:00:00:00:01:03 dev vx-plain dst 192.0.2.7 self dynamic
bridge fdb add 02:00:00:00:01:04 dev vx-plain dst 192.0.2.7 self dynamic extern_learn
bridge fdb add 02:00:00:00:01:05 dev vx-plain dst 192.0.2.7 self static extern_learn router
bridge fdb add 02:00:00:00:01:06 dev vx-plain dst 192.0.2.7 self permanent router
bridge fdb add 02:00:00:00:01:07 dev vx-plain dst 192.0.2.7 port 1 vni 0 via eth0 self permanent extern_learn
bridge fdb append 00:00:00:00:00:00 dev vx-all6 dst 2001:db8:1::3
bridge fdb append 00:00:00:00:00:00 dev vx-all6 dst 2001:db8:1::3 port 4790 vni 5 via eth0
bridge fdb add 02:00:00:00:01:01 dev vx-all6 dst 2001:db8:1::4 self static router
bridge fdb add 02:00:00:00:01:02 dev vx-group4 dst 192.0.2.4 self permanent
bridge fdb append 00:00:00:00:00:00 dev vx-nowhere dst 192.0.2.8
bridge fdb append 00:00:00:00:00:00 dev vx'$(id);& dst 192.0.2.9 via eth0
bridge fdb del 00:00:00:00:00:00 dev vx-gone dst 192.0.2.2 via eth0
ip link set dev vx-plain up
ip link set dev vx-all6 up
ip link set dev vx-group4 up
ip link set dev vx-port up
`

// TestRoundTrip moves links from the kernel to uvtep and, on a third host, back
// to the kernel: what ip and bridge print of the first and of the last is equal.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"ip", "bridge", "sh"} {
		installed(t, program)
	}
	lab.NeedKernelVXLAN(t)
	l := lab.ForTest(t)
	hosts := make([]*lab.Host, 3)
	for i, name := range []string{"before", "between", "after"} {
		h := must(l.Host(name))(t)
		peer := must(l.Host(name + "-peer"))(t)
		must(l.Wire(h, peer, lab.WireOptions{NameA: "eth0", NameB: "eth0"}))(t)
		check(t, h.AddAddr("eth0", prefix("192.0.2.1/24"), prefix("2001:db8:1::1/64")), h.AddBridge("br0"))
		hosts[i] = h
	}
	before, between, after := hosts[0], hosts[1], hosts[2]
	for line := range strings.Lines(strings.TrimSpace(moved)) {
		words := strings.Fields(line)
		mustRun(t, before, words[0], words[1:]...)
	}

	file, told, err := before.Run(t.Context(), exe, "import", "iproute2")
	check(t, err)
	c := newConfigured(t, between, 1, "eth0", addr("192.0.2.1"), file)
	for line := range strings.Lines(told) {
		t.Logf("import: %s", line)
		_, command, found := strings.Cut(line, "on the device when uvtep runs: ")
		if found {
			mustRun(t, between, "sh", "-c", command)
		}
		if _, command, found = strings.Cut(line, "delete it again when uvtep runs: uvtep "); found {
			c.daemon.uvtep(t, strings.Fields(command)...)
		}
	}
	script := c.daemon.uvtep(t, "export", "--to", "iproute2")
	t.Logf("the script:\n%s", script)
	name := filepath.Join(t.TempDir(), "script")
	check(t, os.WriteFile(name, []byte(script), 0o600))
	mustRun(t, after, "sh", name)

	want, got := kernelShows(t, before), kernelShows(t, after)
	// A link without dev: the kernel gives it 1500, whatever the route takes.
	want.Links["vx-nodev"]["mtu"] = 1450.0
	// Learned entries are left out.
	want.FDB = slices.DeleteFunc(want.FDB, func(e string) bool { return strings.Contains(e, "02:00:00:00:01:03") })
	if d := gocmp.Diff(want, got); d != "" {
		t.Errorf("the kernel's links before (-) and after (+) they were uvtep's:\n%s", d)
	}
	// The file says the same as the daemon that runs it, but for what the file
	// cannot say.
	fromFile, _, err := between.Run(t.Context(), exe, "export", "--to", "iproute2", "--config", c.file, "vx-plain")
	check(t, err)
	if fromDaemon := c.daemon.uvtep(t, "export", "--to", "iproute2", "vx-plain"); sorted(fromFile) != strings.ReplaceAll(sorted(fromDaemon), " mtu 1450", "") {
		t.Errorf("of the file:\n%s\nof the daemon:\n%s", fromFile, fromDaemon)
	}
}

// TestImportHidden: a live import has what an old ip does not print.
func TestImportHidden(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"ip", "bridge"} {
		installed(t, program)
	}
	lab.NeedKernelVXLAN(t)
	h := must(lab.ForTest(t).Host("a"))(t)
	check(t, h.AddKernelVXLAN(lab.KernelVXLAN{Name: "vx0", VNI: 42, Remote: addr("192.0.2.2"), NoLocalBypass: true}))
	if file := mustRun(t, h, exe, "import", "iproute2"); !strings.Contains(file, "localbypass: false\n") && kernelHas(t, 6, 5) {
		t.Errorf("no localbypass: false\n%s", file)
	}
}

// kernelHas reports whether this kernel is as new as that.
func kernelHas(t *testing.T, major, minor int) bool {
	t.Helper()
	release := string(must(os.ReadFile("/proc/sys/kernel/osrelease"))(t))
	var a, b int
	if _, err := fmt.Sscanf(release, "%d.%d", &a, &b); err != nil {
		t.Fatalf("kernel %q: %v", release, err)
	}
	return a > major || a == major && b >= minor
}

func sorted(text string) string {
	return strings.Join(slices.Sorted(strings.Lines(text)), "")
}

func mustRun(t *testing.T, h *lab.Host, name string, args ...string) string {
	t.Helper()
	out, errs, err := h.Run(t.Context(), name, args...)
	if err != nil {
		t.Fatalf("%s: %s %q: %v: %s", h, name, args, err, errs)
	}
	return out
}

// shown is what ip and bridge print of vxlan links, but for what belongs to the
// host and the time.
type shown struct {
	Links map[string]map[string]any
	FDB   []string
}

func kernelShows(t *testing.T, h *lab.Host) shown {
	t.Helper()
	s := shown{Links: map[string]map[string]any{}}
	var links, entries []map[string]any
	check(t, json.Unmarshal([]byte(mustRun(t, h, "ip", "-d", "-j", "link", "show", "type", "vxlan")), &links),
		json.Unmarshal([]byte(mustRun(t, h, "bridge", "-j", "fdb", "show")), &entries))
	for _, l := range links {
		name, _ := l["ifname"].(string)
		if name == "" {
			continue // ip prints empty elements, too
		}
		delete(l, "ifindex")
		info := l["linkinfo"].(map[string]any)
		delete(info, "info_slave_data") // the bridge's identifiers and timers
		s.Links[name] = l
	}
	for _, e := range entries {
		if dev, _ := e["ifname"].(string); strings.HasPrefix(dev, "vx") {
			s.FDB = append(s.FDB, fmt.Sprint(e))
		}
	}
	slices.SortFunc(s.FDB, cmp.Compare)
	return s
}
