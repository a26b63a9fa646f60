package interop_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/uvtep/uvtep/test/lab"
)

// sendMode is a way in which uvtep sends, and the row of docs/conformance.md that says what tools show of it.
type sendMode struct {
	row, dev, sentence string
	port               int
}

func sendModes() []sendMode {
	const v4 = " local 192.0.2.1 remote 192.0.2.2"
	return []sendMode{
		{"over IPv4", "vx1", "id 4001" + v4, 4789},
		{"over IPv6", "vx2", "id 4002 local 2001:db8:1::1 remote 2001:db8:1::2", 4789},
		{"`gbp gbpid 7`", "vx3", "id 4003 gbp gbpid 7" + v4, 4789},
		{"a VLAN of a trunk port", "trunk0", "id 4004 trunk trunk0 vlan 10" + v4, 4789},
		{"`dstport 8472`", "vx5", "id 4005 dstport 8472" + v4, 8472},
		{"`dstport 4799`", "vx6", "id 4006 dstport 4799" + v4, 4799},
	}
}

// TestTools has the tools that people look at a wire with decode what uvtep sends in every mode, and holds the table of
// docs/conformance.md to what they show.
func TestTools(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"tshark", "tcpdump", "/usr/bin/scapy"} {
		installed(t, tool)
	}
	file := filepath.Join(t.TempDir(), "modes.pcap")
	sent := sendEachMode(t)
	writePcap(t, file, sent)
	got := [][]string{{""}}
	for _, m := range sendModes() {
		got = append(got, []string{m.row})
	}
	got = append(got, []string{"and the tool is told"})
	for _, tool := range []struct {
		name string
		show func(t *testing.T, file string) []string
	}{{"tshark", byTshark}, {"tcpdump", byTcpdump}, {"scapy", byScapy}, {"gopacket", func(*testing.T, string) []string { return byGopacket(sent) }}} {
		shown := tool.show(t, file)
		if len(shown) != len(got)-1 {
			t.Fatalf("%s shows %d packets, want %d: %q", tool.name, len(shown), len(got)-1, shown)
		}
		got[0] = append(got[0], tool.name)
		for i, s := range shown {
			got[i+1] = append(got[i+1], s)
		}
	}
	if diff := cmp.Diff(toolsTable(t), got); diff != "" {
		t.Errorf("docs/conformance.md (-) and what the tools show (+):\n%s", diff)
	}
}

// sendEachMode returns a packet of each mode as it is on the wire, with the same ARP request in it.
func sendEachMode(t *testing.T) (sent [][]byte) {
	t.Helper()
	l := lab.ForTest(t)
	a, b := must(l.Host("a"))(t), must(l.Host("b"))(t)
	w := must(l.Wire(a, b, lab.WireOptions{Offload: map[string]bool{"tx": false}}))(t)
	check(t, a.AddAddr(w.A, prefix("192.0.2.1/24"), prefix("2001:db8:1::1/64")), b.AddAddr(w.B, prefix("192.0.2.2/24"), prefix("2001:db8:1::2/64")))
	d := startDaemon(t, a)
	d.uvtep(t, "port", "add", "trunk0", "type", "trunk")
	d.uvtep(t, "port", "set", "trunk0", "up")
	request := []byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 198, 51, 100, 9, 0, 0, 0, 0, 0, 0, 198, 51, 100, 10} // RFC 826
	for i, m := range sendModes() {
		name := fmt.Sprint("vx", i+1)
		d.uvtep(t, append([]string{"link", "add", name, "type", "vxlan"}, strings.Fields(m.sentence)...)...)
		d.uvtep(t, "link", "set", name, "up")
		var tag []byte
		if m.dev == "trunk0" {
			tag = []byte{0x81, 0, 0, 10}
		}
		frame := bytes.Join([][]byte{net.HardwareAddr{255, 255, 255, 255, 255, 255}, {2, 0, 0, 0, 0, 9}, tag, {8, 6}, request}, nil)
		out, wire := must(a.OpenPacket(m.dev))(t), must(b.Capture(w.B, 0))(t)
		check(t, out.Send(frame))
		p := must(wire.WaitFor(func(p lab.Packet) bool { return bytes.HasSuffix(p.Data, request) && len(p.Data) > len(frame) }, soon))(t)
		sent = append(sent, p.Data)
		check(t, out.Close(), wire.Close())
	}
	return sent
}

func writePcap(t *testing.T, file string, packets [][]byte) {
	t.Helper()
	f := must(os.Create(file))(t)
	w := pcapgo.NewWriter(f)
	check(t, w.WriteFileHeader(65535, layers.LinkTypeEthernet))
	for _, p := range packets {
		check(t, w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(1700000000, 0), CaptureLength: len(p), Length: len(p)}, p))
	}
	check(t, f.Close())
}

// toolsTable is the table of docs/conformance.md, its head first.
func toolsTable(t *testing.T) (rows [][]string) {
	t.Helper()
	text := string(must(os.ReadFile("../../docs/conformance.md"))(t))
	_, text, _ = strings.Cut(text, "\n## What tools show\n")
	text, _, _ = strings.Cut(text, "\n## ")
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		cells := strings.Split(strings.Trim(s.Text(), "|"), "|")
		if !strings.HasPrefix(s.Text(), "|") || strings.HasPrefix(s.Text(), "|---") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

// shows puts into words what a tool shows of a packet of mode i.
func shows(i int, vni, policy, frame bool) string {
	switch {
	case vni && frame && (policy || i != 2):
		return "all"
	case vni && frame:
		return "all but the policy id"
	case vni:
		return "the VNI"
	}
	return "UDP"
}

func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", program, err, stderr.String())
	}
	return string(out)
}

func byTshark(t *testing.T, file string) (all []string) {
	fields := []string{"-n", "-r", file, "-T", "fields", "-e", "vxlan.vni", "-e", "vxlan.gbp", "-e", "arp.dst.proto_ipv4"}
	for i, line := range strings.Split(strings.TrimSuffix(output(t, "tshark", fields...), "\n"), "\n") {
		f := strings.Split(line, "\t")
		all = append(all, shows(i, f[0] == fmt.Sprint(4001+i), f[1] == "7", f[2] == "198.51.100.10"))
	}
	told := output(t, "tshark", append([]string{"-d", "udp.port==4799,vxlan", "-Y", "udp.port==4799"}, fields...)...)
	return append(all, shows(len(all)-1, strings.HasPrefix(told, "4006\t"), false, strings.Contains(told, "198.51.100.10")))
}

func byTcpdump(t *testing.T, file string) (all []string) {
	text := output(t, "tcpdump", "-n", "-#", "-t", "-r", file)
	for i, p := range regexp.MustCompile(`(?m)^ *\d+  `).Split(text, -1)[1:] {
		all = append(all, shows(i, regexp.MustCompile(fmt.Sprintf(`(vni|instance) %d\b`, 4001+i)).MatchString(p), strings.Contains(p, "policy 7"), strings.Contains(p, "who-has 198.51.100.10")))
		if strings.Contains(p, "OTV") {
			all[i] += ", as OTV"
		}
	}
	told := output(t, "tcpdump", "-n", "-t", "-T", "vxlan", "-r", file, "udp port 4799")
	return append(all, shows(len(all)-1, strings.Contains(told, "vni 4006"), false, strings.Contains(told, "who-has 198.51.100.10")))
}

// scapyScript prints the VNI, the policy id and the address that the inner packet asks for, of each packet.
const scapyScript = `
import sys
from scapy.all import ARP, UDP, VXLAN, bind_layers, rdpcap
def show(p):
    print(p[VXLAN].vni if VXLAN in p else "-", p[VXLAN].gpid if VXLAN in p else "-", p[ARP].pdst if ARP in p else "-")
for p in rdpcap(sys.argv[1]):
    show(p)
bind_layers(UDP, VXLAN, dport=4799)
show(rdpcap(sys.argv[1])[-1])
`

func byScapy(t *testing.T, file string) (all []string) {
	for i, line := range strings.Split(strings.TrimSpace(output(t, "/usr/bin/python3", "-c", scapyScript, file)), "\n") {
		f := strings.Fields(line)
		all = append(all, shows(i, f[0] == fmt.Sprint(4001+min(i, 5)), f[1] == "7", f[2] == "198.51.100.10"))
	}
	return all
}

func byGopacket(packets [][]byte) (all []string) {
	show := func(i int, p gopacket.Packet) string {
		v, _ := p.Layer(layers.LayerTypeVXLAN).(*layers.VXLAN)
		arp, _ := p.Layer(layers.LayerTypeARP).(*layers.ARP)
		return shows(i, v != nil && v.VNI == uint32(4001+min(i, 5)), v != nil && v.GBPExtension && v.GBPGroupPolicyID == 7,
			arp != nil && net.IP(arp.DstProtAddress).String() == "198.51.100.10")
	}
	for i, b := range packets {
		all = append(all, show(i, gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)))
	}
	last := packets[len(packets)-1]
	udp := gopacket.NewPacket(last, layers.LayerTypeEthernet, gopacket.Default).Layer(layers.LayerTypeUDP)
	return append(all, show(len(all), gopacket.NewPacket(udp.LayerPayload(), layers.LayerTypeVXLAN, gopacket.Default)))
}
