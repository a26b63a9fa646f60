package conformance

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/vtep/forward"
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

// TestM3ClampMSSToPath: once a frame was too big for the path of a remote, a SYN
// to a host behind it, or from one, announces what fits; others do not change.
func TestM3ClampMSSToPath(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f, "mss clamp accept any")
		const path = 1300
		r.routeMTU(r.peers[1], path)
		r.fdb("add", api.FDBEntry{MAC: farMAC, Dst: r.peers[1]})
		r.fdb("add", api.FDBEntry{MAC: farMAC2, Dst: r.peers[0]})
		of := map[string]netip.Addr{farMAC: r.peers[1], farMAC2: r.peers[0]}
		crosses := func(far string, fits int) {
			t.Helper()
			out, in := syn(hostMAC, false, false, 9000), syn(far, false, true, 9000)
			copy(out, mac(far))
			r.inject(out)
			if got := mssOf(t, r.next().frame); got != fits-40 {
				t.Errorf("sent to %s: the MSS is %d, want %d", of[far], got, fits-40)
			}
			r.send(r.packet(in, from(of[far])))
			p, err := r.inner.WaitFor(func(p lab.Packet) bool { return !p.Outgoing && bytes.Equal(p.Data[:12], in[:12]) }, patience)
			if err != nil {
				t.Fatal(err)
			}
			if got := mssOf(t, p.Data); got != fits-40 {
				t.Errorf("received from %s: the MSS is %d, want %d", of[far], got, fits-40)
			}
		}
		link := 1500 - f.overhead()
		crosses(farMAC, link) // nothing was refused yet
		r.keeps(forward.TxTooBig, frameOfMTU(farMAC, link))
		crosses(farMAC, path-f.overhead())
		crosses(farMAC2, link)
	})
}
