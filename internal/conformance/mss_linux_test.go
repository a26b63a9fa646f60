package conformance

import (
	"bytes"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/uvtep/uvtep/internal/lab"
)

// syn is a TCP SYN, or SYN and ACK, with an MSS option at an even or odd offset.
func syn(src string, v6, odd bool, mss uint16) []byte {
	eth := &layers.Ethernet{SrcMAC: mac(src), DstMAC: mac(broadcast), EthernetType: layers.EthernetTypeIPv4}
	var ip gopacket.SerializableLayer
	tcp := &layers.TCP{SrcPort: 1000, DstPort: 80, Seq: 7, SYN: true, ACK: odd, Window: 512}
	if v6 {
		eth.EthernetType = layers.EthernetTypeIPv6
		l := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP,
			SrcIP: addr("2001:db8:2::1").AsSlice(), DstIP: addr("2001:db8:2::2").AsSlice()}
		must0(tcp.SetNetworkLayerForChecksum(l))
		ip = l
	} else {
		l := &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: layers.IPProtocolTCP,
			SrcIP: addr("198.51.100.1").AsSlice(), DstIP: addr("198.51.100.2").AsSlice()}
		must0(tcp.SetNetworkLayerForChecksum(l))
		ip = l
	}
	nop := layers.TCPOption{OptionType: layers.TCPOptionKindNop}
	if odd {
		tcp.Options = append(tcp.Options, nop)
	}
	tcp.Options = append(tcp.Options, layers.TCPOption{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{byte(mss >> 8), byte(mss)}}, nop)
	return serialize(eth, ip, tcp)
}

// mssOf is the MSS that a frame announces; its checksums must be right.
func mssOf(t *testing.T, frame []byte) int {
	t.Helper()
	if err := verifyFrame(frame); err != nil {
		t.Error(err)
	}
	tcp, ok := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default).TransportLayer().(*layers.TCP)
	if !ok {
		t.Fatalf("no TCP in %s", describe(frame))
	}
	for _, o := range tcp.Options {
		if o.OptionType == layers.TCPOptionKindMSS {
			return int(o.OptionData[0])<<8 | int(o.OptionData[1])
		}
	}
	return 0
}

func TestM3ClampMSS(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f, "mss clamp mtu 1400")
		for _, c := range []struct {
			v6        bool
			mss, want int
		}{{false, 1460, 1360}, {false, 65535, 1360}, {false, 1360, 1360}, {false, 536, 536}, {true, 1440, 1340}, {true, 1220, 1220}} {
			for _, odd := range []bool{false, true} {
				r.inject(syn(hostMAC, c.v6, odd, uint16(c.mss)))
				if got := mssOf(t, r.next().frame); got != c.want {
					t.Errorf("sent: IPv6 %v, odd offset %v: MSS %d became %d, want %d", c.v6, odd, c.mss, got, c.want)
				}
				r.send(r.packet(syn(farMAC, c.v6, odd, uint16(c.mss))))
				p, err := r.inner.WaitFor(func(p lab.Packet) bool { return !p.Outgoing && bytes.Equal(p.Data[6:12], mac(farMAC)) }, patience)
				if err != nil {
					t.Fatal(err)
				}
				if got := mssOf(t, p.Data); got != c.want {
					t.Errorf("received: IPv6 %v, odd offset %v: MSS %d became %d, want %d", c.v6, odd, c.mss, got, c.want)
				}
			}
		}
		if _, stderr, err := r.uvtepCLI("link", "set", "vxlan0", "type", "vxlan", "mss", "none"); err != nil {
			t.Fatalf("link set mss none: %v: %s", err, stderr)
		}
		r.emit(syn(hostMAC, false, false, 1460))
		r.delivers(syn(farMAC, false, false, 1460))
	})
}
