package encap_test

import (
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/uvtep/uvtep/encap"
)

func TestMTU(t *testing.T) {
	if got := encap.Overhead(false); got != 50 {
		t.Errorf("overhead on IPv4: %d, want 50", got)
	}
	if got := encap.Overhead(true); got != 70 {
		t.Errorf("overhead on IPv6: %d, want 70", got)
	}
	for _, c := range []struct {
		path int
		ipv6 bool
		tags int
		want int
	}{
		{1500, false, 0, 1450}, {1500, true, 0, 1430}, {1550, false, 0, 1500}, {1570, true, 0, 1500},
		{1500, false, 1, 1446}, {1500, true, 2, 1422}, {9000, false, 0, 8950}, {40, false, 0, 0}, {0, true, 1, 0},
	} {
		got := encap.LinkMTU(c.path, c.ipv6, c.tags)
		if got != c.want {
			t.Errorf("LinkMTU(%d, %v, %d) = %d, want %d", c.path, c.ipv6, c.tags, got, c.want)
		}
		if got == 0 {
			continue
		}
		// A frame that fills the link's MTU fills the path's, to the byte.
		if n := encap.OuterLen(14+4*c.tags+got, c.ipv6); n != c.path {
			t.Errorf("a full frame takes %d bytes of a path of %d", n, c.path)
		}
	}
}

// gopacket encapsulates; the length is the one that OuterLen tells.
func TestOuterLen(t *testing.T) {
	frame := build(t, packet{proto: encap.ProtoTCP, payload: pattern(1000)})
	hdr := encap.HeaderFor(42)
	opts := gopacket.SerializeOptions{FixLengths: true}
	udp := &layers.UDP{SrcPort: 50000, DstPort: layers.UDPPort(encap.DefaultPort)}
	v4 := &layers.IPv4{Version: 4, IHL: 5, SrcIP: src4, DstIP: dst4, Protocol: layers.IPProtocolUDP}
	v6 := &layers.IPv6{Version: 6, SrcIP: src6, DstIP: dst6, NextHeader: layers.IPProtocolUDP}
	for _, c := range []struct {
		ip   gopacket.SerializableLayer
		ipv6 bool
	}{{v4, false}, {v6, true}} {
		buf := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(buf, opts, c.ip, udp, gopacket.Payload(hdr[:]), gopacket.Payload(frame)); err != nil {
			t.Fatal(err)
		}
		if got, want := encap.OuterLen(len(frame), c.ipv6), len(buf.Bytes()); got != want {
			t.Errorf("IPv6 %v: OuterLen = %d, want %d", c.ipv6, got, want)
		}
	}
}
