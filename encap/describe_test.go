package encap_test

import (
	"strings"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// TestDescribe: a line says what the frame is, and none of its bytes is in it.
func TestDescribe(t *testing.T) {
	macs := "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01"
	arp := "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\x01\xc6\x33\x64\x01\x00\x00\x00\x00\x00\x00\xc6\x33\x64\x02"
	for frame, want := range map[string]string{
		"\x01\x02":                "2 bytes, too short for an Ethernet header",
		macs + "\x88\xcc" + "abc": "02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 0x88cc, 17 bytes",
		macs + "\x00\x03" + "abc": "02:00:00:00:00:01 > 02:00:00:00:00:02, LLC, 17 bytes",
		macs + arp:                "02:00:00:00:00:01 > 02:00:00:00:00:02, ARP who has 198.51.100.2, tell 198.51.100.1, 42 bytes",
		macs + arp[:20]:           "02:00:00:00:00:01 > 02:00:00:00:00:02, ARP, cut, 32 bytes",
		macs + strings.Replace(arp, "\x04\x00\x01", "\x04\x00\x02", 1): "02:00:00:00:00:01 > 02:00:00:00:00:02, ARP 198.51.100.1 is at 02:00:00:00:00:01, 42 bytes",
	} {
		if got := encap.Describe([]byte(frame)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for name, p := range map[string]struct {
		packet
		want string
	}{
		"tcp":  {packet{proto: encap.ProtoTCP}, "IPv4 "},
		"udp6": {packet{proto: encap.ProtoUDP, v6: true, tags: []uint16{7}}, ", VLAN 7, IPv6 "},
		"icmp": {packet{}, ", ICMP type "},
	} {
		if got := encap.Describe(build(t, p.packet)); !strings.Contains(got, p.want) {
			t.Errorf("%s: %q, want %q in it", name, got, p.want)
		}
	}
}

// FuzzDescribe: whatever the bytes, a line comes, of printable characters.
func FuzzDescribe(f *testing.F) {
	f.Add(build(f, packet{proto: encap.ProtoTCP}))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, r := range encap.Describe(b) {
			if r < ' ' || r > '~' {
				t.Fatalf("%q", encap.Describe(b))
			}
		}
	})
}
