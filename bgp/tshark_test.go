package bgp

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// capture writes messages to a file as one side of a TCP connection from port 179.
func capture(t *testing.T, file string, messages [][]byte) {
	t.Helper()
	var out bytes.Buffer
	w := pcapgo.NewWriter(&out)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	sequence := uint32(1)
	for i, m := range messages {
		eth := layers.Ethernet{SrcMAC: mac1[:], DstMAC: []byte{2, 0, 0x5e, 0, 0x53, 2}, EthernetType: layers.EthernetTypeIPv4}
		ip := layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: addrA.AsSlice(), DstIP: addrB.AsSlice()}
		tcp := layers.TCP{SrcPort: 179, DstPort: 40000, Seq: sequence, Ack: 1, ACK: true, PSH: true, Window: 65535}
		if err := tcp.SetNetworkLayerForChecksum(&ip); err != nil {
			t.Fatal(err)
		}
		b := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, &eth, &ip, &tcp, gopacket.Payload(m)); err != nil {
			t.Fatal(err)
		}
		info := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(b.Bytes()), Length: len(b.Bytes())}
		if err := w.WritePacket(info, b.Bytes()); err != nil {
			t.Fatal(err)
		}
		sequence += uint32(len(m))
	}
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDecoder has tshark, which shares no code with this package, read one message of each
// kind and each type of route.
func TestDecoder(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		if os.Getenv("UVTEP_REQUIRE_LAB") != "" {
			t.Fatal(err)
		}
		t.Skip("tshark is not installed: apt-get install tshark")
	}
	full := plain
	full.PMSI = &PMSI{Tunnel: TunnelIngressReplication, Label: 42, ID: vtep1}
	full.ExtCommunities = append(full.ExtCommunities[:2:2], MACMobility(9, true))
	open := restarting()
	messages := [][]byte{AppendOpen(nil, &open), AppendKeepalive(nil)}
	want := []string{"1 ", "4 "}
	e := Encoder{AS: 4200000000, AS4: true}
	for i := range routes {
		messages = append(messages, e.AppendUpdate(nil, &Update{Announced: routes[i : i+1], Attributes: &full}))
		want = append(want, "2 "+string(rune('0'+routes[i].Type)))
	}
	messages = append(messages, e.AppendUpdate(nil, &Update{Withdrawn: routes[3:4]}), AppendEndOfRIB(nil),
		appendRefresh(nil, refreshBegin), AppendNotification(nil, &Notification{Code: codeCease, Subcode: subReset}))
	want = append(want, "2 2", "2 ", "5 ", "3 ")
	file := filepath.Join(t.TempDir(), "bgp.pcap")
	capture(t, file, messages)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	out, err := exec.CommandContext(ctx, "tshark", "-r", file, "-T", "fields", "-E", "separator=;",
		"-e", "bgp.type", "-e", "bgp.evpn.nlri.rt", "-e", "_ws.malformed",
		"-e", "bgp.evpn.nlri.mac_addr", "-e", "bgp.evpn.nlri.ip.addr", "-e", "bgp.evpn.nlri.ipv6.addr").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("tshark has %d messages of %d:\n%s", len(lines), len(want), out)
	}
	for i, line := range lines {
		f := strings.Split(line, ";")
		if got := f[0] + " " + f[1]; got != want[i] {
			t.Errorf("message %d: %q, want type and route type %q", i, line, want[i])
		}
		if f[2] != "" {
			t.Errorf("message %d is malformed: %q", i, line)
		}
		if r := i - 2; r >= 0 && r < len(routes) && routes[r].Type == MACIP {
			if f[3] != routes[r].MAC.String() || routes[r].IP.IsValid() && f[4] != routes[r].IP.String() && f[5] != routes[r].IP.String() {
				t.Errorf("%v is read as %q", routes[r], line)
			}
		}
	}
}
