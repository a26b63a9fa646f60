package interop_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

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
		{line: "ip link set dev vx1 type vxlan proxy", why: "and what it answers", kernel: 1},
		{line: "ip link set dev vx1 type vxlan l2miss l3miss", why: "what it tells of", kernel: 1},
		{line: "ip link set dev vx1 type vxlan gbp", why: "the group policy extension", kernel: 1},
		{line: "ip link set dev vx1 type vxlan udp6zerocsumtx udp6zerocsumrx", why: "and the checksum on IPv6", kernel: 1},
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
