package interop_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/internal/lab"
)

// script is what is said to ip and bridge in one network namespace and to uvtep
// in another that is equal, line by line, from top to bottom. Links are told
// what uvtep's defaults differ in (README, "Differences from the kernel's
// VXLAN"): those lines would differ in nothing else.
const script = `
ip link add dev vx1 address 02:00:00:00:00:01 type vxlan id 42 local 192.0.2.1 remote 192.0.2.2 dstport 4789 dev eth0 SAME
ip link add name vx2 address 02:00:00:00:00:02 up type vxlan id 2000 dstport 4790 dev eth0 nolearning noudpcsum tos inherit ttl 100 SAME
ip link add vx3 address 02:00:00:00:00:03 type vxlan vni 16777215 group 239.1.1.1 dev eth0 dstport 4791 ageing 100 maxaddress 10 df set srcport 1000 2000 tos 10
ip link add vx4 mtu 1400 address 02:00:00:00:00:04 type vxlan id 0 local 2001:db8:1::1 remote 2001:db8:1::2 dstport 4792 dev eth0 udp6zerocsumtx udp6zerocsumrx ttl inherit df inherit maxaddress 0
ip link add vx5 address 02:00:00:00:00:05 type vxlan id 7 remote 192.0.2.2 dstport 4789 port 2000 3000 ageing 0x40 dev eth0 SAME
ip link add vx1 type vxlan id 43 dstport 4789
ip link add vx6 type vxlan id 16777216 dstport 4789
ip link add vx6 type vxlan dstport 4789
ip link add vx6 type vxlan id 6 remote 192.0.2.2 group 239.1.1.1 dev eth0 dstport 4789
ip link add vx6 type vxlan id 6 remote 192.0.2.2 local 2001:db8:1::1 dstport 4789
ip link add vx6 type vxlan id 6 remote 192.0.2.2 dstport 4789 dev eth7
ip link add vx6 type vxlan id 6 remote 192.0.2.2 dstport 4789 banana
ip link add vx6 type vxlan id 6 id 7 dstport 4789
ip link add vx6 type vxlan id 6 remote 192.0.2.300 dstport 4789
ip link add vx6 type vxlan id 6 ttl 256 dstport 4789
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 df banana
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 srcport 2000 1000
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 ageing 99999999999
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 maxaddress x
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 tos 0x1ff
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 group 192.0.2.1
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 remote 224.0.0.1
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 local 239.1.1.1
ip link add vx6 type vxlan id 42 dstport 4789 dev eth0 local 192.0.2.1
ip link add vx6 address 01:00:5e:00:00:01 type vxlan id 6 dstport 4795 dev eth0
ip link add vx6 mtu 70000 type vxlan id 6 dstport 4795 dev eth0
ip link add vx67890123456789 type vxlan id 6 dstport 4795 dev eth0
ip link add eth0 type vxlan id 6 dstport 4795
ip link add vx6 address 02:00:00:00:00:06 type vxlan id 010 dstport 0x12bf dev eth0 ttl auto tos EF SAME
ip -d link show dev vx6 group default type vxlan
ip link del dev vx6
ip link add
ip link show vx1
ip link show dev vx1
ip link show type vxlan
ip link show type bridge
ip link show up type vxlan
ip link ls vx2
ip li lst dev vx2
ip l sh vx3
ip -o link show vx1
ip -oneline link show vx3
ip -br link show vx2
ip -brief link show type vxlan
ip -0 link show vx1
ip -f inet link show vx1
ip -c=never link show vx1
ip -s -s link show vx5
ip -s link show vx5
ip -statistics -details link show vx5
ip -o -d -s link show vx5
ip -d link show vx1
ip -d link show vx2
ip -details link show dev vx3
ip -d link show vx4
ip -d link show vx5
ip link show nope
ip link show dev
ip link set dev vx1 up
ip link set up dev vx4
ip link show vx1
ip link set vx1 down
ip link show vx1
ip link set dev vx1 mtu 1300
ip link set vx1 address 02:00:00:00:00:11
ip link show vx1
ip link set vx1 mtu 1450 up
ip link set dev vx1 mtu 67
ip link set dev vx1 address banana
ip link set nope up
ip link set dev vx1 type vxlan remote 192.0.2.20
bridge fdb show dev vx1
ip link set vx1 type vxlan ageing 77 ttl 9
ip -d link show vx1
ip link set dev vx1 type vxlan id 16777216
ip link set dev vx1 type vxlan banana
bridge fdb sh dev vx2
bridge fdb ap dev vx2 00:00:00:00:00:00 dst 192.0.2.20 self permanent
bridge fdb append dev vx2 00:00:00:00:00:00 dst 192.0.2.30 self
bridge fdb show dev vx2
bridge fdb show dev vx2 state stat
bridge fdb append 00:00:00:00:00:00 dev vx2 dst 192.0.2.30 port 1111 vni 2001 via eth0
bridge fdb append 00:00:00:00:00:00 dev vx2 dst 192.0.2.30
ip link set dev vx2 type vxlan remote 192.0.2.30
bridge fdb show dev vx2
bridge fdb del dev vx2 00:00:00:00:00:00 dst 192.0.2.20 self
bridge fdb show dev vx2
bridge fdb add 02:00:00:00:01:01 dev vx2 dst 192.0.2.40
bridge fdb add 02:00:00:00:01:01 dev vx2 dst 192.0.2.40
bridge fdb add dst 192.0.2.40 port 1234 dev vx2 to 02:00:00:00:01:02 static self
bridge fdb add 02:00:00:00:01:03 dev vx2 self static permanent dst 192.0.2.40
bridge fdb a 02:00:00:00:01:04 dev vx2 dyn dst 192.0.2.40 vni 77
bridge fdb add 02:00:00:00:01:05 dev vx2 dst 192.0.2.40 extern_learn
bridge fdb add 02:00:00:00:01:06 dev vx2 dst 192.0.2.41 router dynamic extern_learn
bridge fdb add 02:00:00:00:01:07 vlan 1 dev vx2 self dst 192.0.2.41
bridge fdb add 02:00:00:00:01:08 dev vx2 dst 192.0.2.41 local use
bridge fdb add 02:00:00:00:01:09 dev vx2 dst 192.0.2.41 temp via eth0
bridge fdb add 02:00:00:00:01:0a dev vx2 dst 192.0.2.41 static dynamic
bridge fdb add 01:00:5e:00:00:05 dev vx2 dst 192.0.2.41
bridge fdb append 01:00:5e:00:00:05 dev vx2 dst 192.0.2.42
bridge fdb add 02:00:00:00:01:0b dev vx2
bridge fdb add 02:00:00:00:01:0b dev vx2 dst 2001:db8:1::40
bridge fdb add 02:00:00:00:01:0b dev vx2 dst 192.0.2.300
bridge fdb add 02:00:00:00:01:0b dev vx2 dst 192.0.2.40 port 70000
bridge fdb add 02:00:00:00:01:0b dev vx2 dst 192.0.2.40 vni 16777216
bridge fdb add 02:00:00:00:01:0b dev vx2 dst 192.0.2.40 via eth7
bridge fdb add 02:00:00:00:01:0b dev nope dst 192.0.2.40
bridge fdb add dev vx2 dst 192.0.2.40
bridge fdb add 02:00:00:00:01:0b dst 192.0.2.40
bridge fdb add 2:0:0:0:0:e dev vx2 dst 192.0.2.40 port 0
bridge fdb add 02:00:00:00:01:0E dev vx2 dst 192.0.2.40 vni 0 router router
bridge fdb add 02-00-00-00-01-0f dev vx2 dst 192.0.2.40
bridge fdb add ff:ff:ff:ff:ff:ff dev vx2 dst 192.0.2.40 src_vni 2000
bridge fdb add 02:00:00:00:01:0b dev vx2 dst 192.0.2.40 vlan 4095
bridge fdb add 02:00:00:00:01:0b dev vx2 dst 192.0.2.40 nhid 5
bridge fdb append 02:00:00:00:01:11 dev vx2 dst 224.0.0.7
bridge fdb add banana dev vx2 dst 192.0.2.40
bridge fdb add 02:00:00:00:01:0b 02:00:00:00:01:0c dev vx2 dst 192.0.2.40
bridge fdb add 02:00:00:00:01:0d dev vx4 dst 2001:db8:1::40
bridge fdb show dev vx2
bridge fdb show
bridge fdb
bridge fdb list dev vx4
bridge fdb lst brport vx2
bridge -s fdb show dev vx2
bridge -o fdb show dev vx4
bridge fdb show dev vx2 state permanent
bridge fdb show dev vx2 state stale
bridge fdb show dev vx2 state 0x40 dynamic
bridge fdb show dev vx2 dynamic
bridge fdb show dev vx2 vlan 7
bridge fdb show dev vx2 state banana
bridge fdb show br nope
bridge fdb show dev nope
bridge fdb get 02:00:00:00:01:02 dev vx2 self
bridge fdb get to 02:00:00:00:01:04 brport vx2 self dynamic
bridge fdb get 02:00:00:00:09:09 dev vx2 self
bridge fdb get 02:00:00:00:01:02 dev nope self
bridge fdb get dev vx2 self
bridge fdb replace 02:00:00:00:01:01 dev vx2 dst 192.0.2.50 port 4790
bridge fdb replace 02:00:00:00:01:0c dev vx2 dst 192.0.2.50 static
bridge fdb replace 00:00:00:00:00:00 dev vx2 dst 192.0.2.50
bridge fdb replace 01:00:5e:00:00:05 dev vx2 dst 192.0.2.50
bridge fdb repl 02:00:00:00:01:02 dev vx2 dst 192.0.2.50 dynamic
bridge fdb show dev vx2
bridge fdb del 01:00:5e:00:00:05 dev vx2 dst 192.0.2.41
bridge fdb del 02:00:00:00:01:03 dev vx2
bridge fdb delete 02:00:00:00:01:03 dev vx2
bridge fdb del 02:00:00:00:01:04 dev nope
bridge fdb show dev vx2
bridge fdb flush dev vx2 dynamic
bridge fdb show dev vx2
bridge fdb flush dev vx2 extern_learn
bridge fdb flush dev vx2 offloaded
bridge fdb flush dev vx2 self sticky
bridge fdb flush dev vx2 nodynamic nopermanent nosticky
bridge fdb flush dev vx2 vlan 3
bridge fdb flush dev vx2 brport vx2
bridge fdb flush dev nope
bridge fdb flush
bridge fdb show dev vx2
bridge fdb flush dev vx2 static
bridge fdb flush dev vx2 nopermanent
bridge fdb show dev vx2
bridge fdb flush dev vx2 permanent
bridge fdb show dev vx2
bridge fdb banana
ip link set dev vx5 name vx9
ip link show vx9
ip link show vx5
ip link set vx9 name vx1
ip link del vx9 type vxlan
ip link delete dev vx4
ip link del nope
ip link del
ip link show type vxlan
ip link set dev vx3 type vxlan remote 2001:db8:1::9
ip link set vx3 nosuch up
ip link set vx3 type vxlan nolearning ageing 0x100 tos 4 df inherit local 192.0.2.99
ip -d link show vx3
bridge fdb append 02:00:00:00:02:01 dev vx2 dst 192.0.2.60
bridge fdb append 00:00:00:00:00:00 dev vx2 dst 192.0.2.61
ip link add vx8 address 02:00:00:00:00:08 type vxlan id 8 remote 192.0.2.8 dstport 4793 dev eth0 ageing none SAME
bridge fdb add 02:00:00:00:02:04 dev vx8 dst 192.0.2.8
ip link add vx12 address 02:00:00:00:00:12 type vxlan id 12 local 2001:db8:1::1 dstport 4794 nolearning noudpcsum tos inherit ttl 100 SAME
ip -d link show vx12
ip link del vx12
`

// sameDefaults is SAME in the script: the kernel's defaults where uvtep's are
// others.
const sameDefaults = "df unset maxaddress 0"

// difference is a line of the script to which uvtep answers otherwise, on
// purpose.
type difference struct {
	line, why    string
	show         string // a line that shows the difference, where line does not
	kernel, ours int    // 0: done, 1: refused
}

// differencesPage has a row for each of the differences.
const differencesPage = "../../docs/conformance.md"

func took(status int) string {
	if status == 0 {
		return "done"
	}
	return "refused"
}

// differences are printed in docs/conformance.md, each with its reason; a test
// holds that page to them.
func differences() []difference {
	return []difference{
		{line: "bridge fdb append 02:00:00:00:02:01 dev vx2 dst 192.0.2.61", why: "a unicast MAC has one remote: Linux says nothing and does nothing, uvtep says to use replace", ours: 1},
		{line: "bridge fdb del 02:00:00:00:02:01 dev vx2 dst 192.0.2.99", why: "a remote that is not there: Linux says nothing and does nothing, uvtep says that there is none", ours: 1},
		{line: "bridge fdb del 02:00:00:00:02:01 dev vx2 port 99", why: "without dst, Linux deletes the whole entry whatever its port; uvtep looks for what is said", ours: 1},
		{line: "bridge fdb show dev vx2 banana", why: "bridge does not look at words it does not know, uvtep says so", ours: 1},
		{line: "bridge fdb get 00:00:00:00:00:00 dev vx2", why: "without self, bridge asks the bridge that the device is a port of; all of uvtep's entries are the link's own", kernel: 1},
		{line: "bridge fdb add 02:00:00:00:02:02 dev vx2 dst 0.0.0.0", why: "an entry that leads nowhere is refused", ours: 1},
		{line: "bridge fdb add 02:00:00:00:02:03 dev vx2 dst 192.0.2.60 sticky", why: "what is for bridges is refused, Linux keeps the mark and ignores it", ours: 1},
		{line: "bridge fdb flush dev vx2 noadded_by_user", why: "Linux takes it for all entries, those that users gave among them", ours: 1},
		{line: "bridge fdb append 00:00:00:00:00:00 dev vx8 dst 192.0.2.8 via eth0 static", show: "bridge fdb show dev vx8", why: "a remote that is there stays as it is; Linux gives the entry the new state"},
		{line: "bridge fdb replace 02:00:00:00:02:04 dev vx8 dst 192.0.2.9 extern_learn static", show: "bridge fdb get 02:00:00:00:02:04 dev vx8 self", why: "the entry gets what is said; Linux keeps the state and marks of what a user gave where extern_learn is said"},
		{line: "ip link set vx2", why: "nothing to change is refused", ours: 1},
		{line: "ip link set dev vx1 type vxlan dstport 4799", why: "the port of a running link can be changed", kernel: 1},
		{line: "ip link set dev vx1 type vxlan srcport 1000 2000", why: "so can its source ports", kernel: 1},
		{line: "ip link set dev vx1 type vxlan maxaddress 100", why: "how many addresses it learns", kernel: 1},
		{line: "ip link set dev vx1 type vxlan noudpcsum", why: "the checksum", kernel: 1},
		{line: "ip link set dev vx1 type vxlan id 43", why: "its VNI", kernel: 1},
		{line: "ip link set dev vx1 type vxlan ttl inherit", why: "and the outer header", kernel: 1},
		{line: "ip link add vx11 type vxlan id 11 group 239.1.1.1 dstport 4789", why: "ip wants dev with a group; without one, uvtep takes the route's", kernel: 1},
		{line: "ip link add vx7 type vxlan id 9 remote 192.0.2.2 dstport 0", why: "0 is 8472 to ip and 4789 elsewhere: uvtep wants it said", ours: 1},
		{line: "ip link add vx13 type vxlan id 13 dstport 4798 address 02:00:00:00:00:13", why: "the words of a sentence may stand in any order, also behind type vxlan", kernel: 1},
		{line: "ip -d link show vx8", why: "the kernel reads `ageing none` of a new link as 300 seconds, uvtep never ages it"},
		{line: "bridge fdb show dev vx3 state static", why: "bridge tests bits, and the kernel's default entry has not the static one; uvtep keeps one sort of permanent entry"},
	}
}

// normalisations make equal what belongs to the netdev and not to the link: a
// TAP is another one than a vxlan device.
func normalisations() []struct{ pattern, by, why string } {
	return []struct{ pattern, by, why string }{
		{`(?m)^\d+: `, "N: ", "the index: the daemon's host has the same devices in another order"},
		{`state (UP|UNKNOWN) |(?m)^(vx\d+ +)(UP|UNKNOWN) +`, "${2}UP ", "a TAP whose carrier is on is UP, a vxlan device's state is never told"},
		{`qdisc \S+ `, "", "a TAP has a queue and with it a discipline (fq_codel or what is the default), a vxlan device has none"},
		{`qlen \d+`, "qlen N", "the length of that queue"},
		{`minmtu \d+ maxmtu \d+`, "minmtu N maxmtu N", "a TAP's limits"},
		{`promiscuity \d+  allmulti \d+`, "promiscuity N  allmulti N", "who listens on the host"},
		{` ?addrgenmode.*(gro_max_size \d+ ?)`, "", "the queues and offloads of the device"},
		{`(?m)^    uvtep .*\n|\\    uvtep [^\\\n]*`, "", "lines of uvtep's own"},
		{`used \d+/\d+`, "used N/N", "ages: the clock goes on"},
		{`(?m)^( +)[\d ]+$`, "${1}COUNTERS", "counters: traffic of the host's own, such as MLD reports"},
		{`\\ +[\d ]+([\\\n])`, "\\COUNTERS$1", "the same with -o"},
		{`((RX|TX)[^\n\\]*?:) +`, "$1 ", "the columns widen with the counters"},
	}
}

func normal(text string) string {
	for _, n := range normalisations() {
		text = regexp.MustCompile(n.pattern).ReplaceAllString(text, n.by)
	}
	return text
}

// speaker is one of the two namespaces.
type speaker struct {
	*lab.Host
	daemon *daemon // nil: the kernel's VTEPs
}

// say runs a line of the script and returns what it printed and whether it was
// refused.
func (s *speaker) say(t *testing.T, line string) (out string, status int) {
	t.Helper()
	words := strings.Fields(line)
	var err error
	if s.daemon != nil {
		out, _, err = s.daemon.try(t.Context(), words[1:]...)
	} else {
		out, _, err = s.Run(t.Context(), words[0], words[1:]...)
	}
	if exitStatus(err) < 0 {
		t.Fatal(err)
	}
	if err != nil {
		status, out = 1, "" // what was printed on stdout before is of no use
	}
	out = normal(out)
	if words[0] == "bridge" { // prints in the order of a hash, and entries of other devices
		lines := slices.Sorted(strings.Lines(out))
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "dev eth") || strings.Contains(l, "dev lo") })
		out = strings.Join(lines, "")
	}
	return out, status
}

// speakers are two equal namespaces, one with a daemon.
func speakers(t *testing.T) (theirs, ours *speaker) {
	t.Helper()
	installed(t, "ip")
	installed(t, "bridge")
	lab.NeedKernelVXLAN(t)
	l := lab.ForTest(t)
	a, b := must(l.Host("a"))(t), must(l.Host("b"))(t)
	must(l.Wire(a, b, lab.WireOptions{NameA: "eth0", NameB: "eth0"}))(t)
	for _, h := range []*lab.Host{a, b} {
		check(t, h.AddAddr("eth0", prefix("192.0.2.1/24"), prefix("2001:db8:1::1/64")))
	}
	return &speaker{Host: a}, &speaker{b, startDaemon(t, b)}
}

// TestScript says the same to both, and wants the same lines and the same
// success.
func TestScript(t *testing.T) {
	t.Parallel()
	theirs, ours := speakers(t)
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(script, "SAME", sameDefaults)), "\n")
	if len(lines) < 60 {
		t.Errorf("%d lines", len(lines))
	}
	refused := 0
	for _, line := range lines {
		want, wantStatus := theirs.say(t, line)
		got, status := ours.say(t, line)
		if got != want || status != wantStatus {
			t.Errorf("%s\nkernel: status %d\n%s\nuvtep: status %d\n%s", line, wantStatus, want, status, got)
		}
		refused += wantStatus
	}
	page := string(must(os.ReadFile(differencesPage))(t))
	t.Logf("%d lines, %d of them refused", len(lines), refused)
	for _, d := range differences() {
		want, kernelStatus := theirs.say(t, d.line)
		got, status := ours.say(t, d.line)
		if d.show != "" {
			want, _ = theirs.say(t, d.show)
			got, _ = ours.say(t, d.show)
		}
		if kernelStatus != d.kernel || status != d.ours || d.kernel == d.ours && want == got {
			t.Errorf("%s: %s\nkernel: status %d, want %d\n%s\nuvtep: status %d, want %d\n%s", d.line, d.why, kernelStatus, d.kernel, want, status, d.ours, got)
		}
		if row := fmt.Sprintf("| `%s` | %s | %s | %s |", d.line, took(d.kernel), took(d.ours), d.why); !strings.Contains(page, row) {
			t.Errorf("%s has no row\n%s", differencesPage, row)
		}
	}
}
