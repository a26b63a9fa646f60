package conformance

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/vtep/forward"
)

// arpFrame is an ARP packet of the host with hostMAC.
func arpFrame(operation uint16, from, to netip.Addr) []byte {
	return serialize(
		&layers.Ethernet{DstMAC: mac(broadcast), SrcMAC: mac(hostMAC), EthernetType: layers.EthernetTypeARP},
		&layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
			Operation: operation, SourceHwAddress: mac(hostMAC), SourceProtAddress: from.AsSlice(),
			DstHwAddress: mac(allZeros), DstProtAddress: to.AsSlice(),
		})
}

// solicitation asks for the MAC of to, as the host with hostMAC.
func solicitation(from, to netip.Addr) []byte {
	ip := &layers.IPv6{Version: 6, TrafficClass: 0xc0, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6,
		SrcIP: from.AsSlice(), DstIP: net.ParseIP("ff02::1:ff00:2")}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborSolicitation, 0)}
	must0(icmp.SetNetworkLayerForChecksum(ip))
	ns := &layers.ICMPv6NeighborSolicitation{TargetAddress: to.AsSlice()}
	if !from.IsUnspecified() {
		ns.Options = layers.ICMPv6Options{{Type: layers.ICMPv6OptSourceAddress, Data: mac(hostMAC)}}
	}
	eth := &layers.Ethernet{DstMAC: mac("33:33:ff:00:00:02"), SrcMAC: mac(hostMAC), EthernetType: layers.EthernetTypeIPv6}
	return serialize(eth, ip, icmp, ns)
}

// floods injects a frame and reports whether it left.
func (r *rig) floods(frame []byte) (left bool) {
	r.Helper()
	marker := frameTo(markerOut)
	r.inject(frame)
	r.inject(marker)
	for {
		p := r.next()
		if bytes.Equal(p.frame, marker) {
			return left
		}
		left = left || bytes.Equal(p.frame, frame)
	}
}

// answer is the next frame that the host is handed from a MAC.
func (r *rig) answer(from string) gopacket.Packet {
	r.Helper()
	p, err := r.inner.WaitFor(func(p lab.Packet) bool {
		return !p.Outgoing && bytes.Equal(p.Data[6:12], mac(from))
	}, patience)
	if err != nil {
		r.Fatalf("nobody answers in the name of %s: %v", from, err)
	}
	if !bytes.Equal(p.Data[:6], mac(hostMAC)) {
		r.Errorf("the answer goes to %x", p.Data[:6])
	}
	return gopacket.NewPacket(p.Data, layers.LayerTypeEthernet, gopacket.Default)
}

func (r *rig) answersARP(from, to netip.Addr) {
	r.Helper()
	request := arpFrame(layers.ARPRequest, from, to)
	r.until("answer for "+to.String(), func() bool { return !r.floods(request) })
	a, ok := r.answer(farMAC).Layer(layers.LayerTypeARP).(*layers.ARP)
	if !ok || a.Operation != layers.ARPReply || !bytes.Equal(a.SourceHwAddress, mac(farMAC)) || !bytes.Equal(a.SourceProtAddress, to.AsSlice()) ||
		!bytes.Equal(a.DstHwAddress, mac(hostMAC)) || !bytes.Equal(a.DstProtAddress, from.AsSlice()) {
		r.Errorf("the answer is %+v", a)
	}
}

func TestL19Proxy(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f, "proxy")
		from4, to4, nobody4 := addr("198.51.100.1"), addr("198.51.100.2"), addr("198.51.100.3")
		from6, to6, nobody6 := addr("2001:db8:2::1"), addr("2001:db8:2::2"), addr("2001:db8:2::3")
		if !r.floods(arpFrame(layers.ARPRequest, from4, to4)) {
			t.Error("without a neighbour a request was not flooded")
		}
		// IPv6 without an address: the device sends little by itself.
		check(t, r.dut.Sysctl("net.ipv6.conf.vxlan0.addr_gen_mode", "1"), r.dut.Sysctl("net.ipv6.conf.vxlan0.disable_ipv6", "0"))
		check(t, r.dut.SetNeighbour("vxlan0", to4, mac(farMAC)), r.dut.SetNeighbour("vxlan0", to6, mac(farMAC)))
		r.answersARP(from4, to4)

		question := solicitation(from6, to6)
		r.until("answer for "+to6.String(), func() bool { return !r.floods(question) })
		p := r.answer(farMAC)
		ip, _ := p.NetworkLayer().(*layers.IPv6)
		na, ok := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement)
		if !ok || !na.Solicited() || !na.Override() || na.Router() || !na.TargetAddress.Equal(to6.AsSlice()) ||
			len(na.Options) != 1 || na.Options[0].Type != layers.ICMPv6OptTargetAddress || !bytes.Equal(na.Options[0].Data, mac(farMAC)) {
			t.Fatalf("the answer is %+v", na)
		}
		if ip.HopLimit != 255 || !ip.SrcIP.Equal(to6.AsSlice()) || !ip.DstIP.Equal(from6.AsSlice()) ||
			!verifies(to6, from6, 58, ip.Payload) {
			t.Errorf("the answer's IPv6 header is %+v, or its checksum wrong", ip)
		}
		if n := r.stats().Answered; n != 2 {
			t.Errorf("%d answers are counted, want 2", n)
		}

		for what, frame := range map[string][]byte{
			"a reply": arpFrame(layers.ARPReply, from4, to4), "a gratuitous request": arpFrame(layers.ARPRequest, to4, to4),
			"a probe":                     arpFrame(layers.ARPRequest, netip.IPv4Unspecified(), to4),
			"an unknown neighbour":        arpFrame(layers.ARPRequest, from4, nobody4),
			"address detection":           solicitation(netip.IPv6Unspecified(), to6),
			"an unknown IPv6 neighbour":   solicitation(from6, nobody6),
			"an advertisement of another": frameTo(broadcast, ipv6Inner),
		} {
			if !r.floods(frame) {
				t.Errorf("%s was not sent on", what)
			}
		}
		if _, stderr, err := r.uvtepCLI("link", "set", "vxlan0", "type", "vxlan", "l3miss"); err != nil {
			t.Fatalf("link set l3miss: %v: %s", err, stderr)
		}
		r.keeps(forward.TxNoNeighbour, arpFrame(layers.ARPRequest, from4, nobody4))
		r.keeps(forward.TxNoNeighbour, solicitation(from6, nobody6))
		if _, stderr, err := r.uvtepCLI("link", "set", "vxlan0", "type", "vxlan", "noproxy"); err != nil {
			t.Fatalf("link set noproxy: %v: %s", err, stderr)
		}
		if !r.floods(arpFrame(layers.ARPRequest, from4, to4)) {
			t.Error("with noproxy a request was not flooded")
		}
	})
}

// TestL19ProxyElsewhere: the neighbours are those of the namespace that the
// device moved to, and are forgotten with it.
func TestL19ProxyElsewhere(t *testing.T) {
	r := startRig(t, ipv4Underlay(), "proxy")
	from, to, gone := addr("198.51.100.1"), addr("198.51.100.2"), addr("198.51.100.3")
	check(t, r.dut.SetNeighbour("vxlan0", gone, mac(farMAC)))
	r.answersARP(from, gone)
	inside := must(r.dut.Lab().Host("inside"))(t)
	check(t, r.dut.MoveLink("vxlan0", inside), inside.SetUp("vxlan0", true))
	r.inner = must(inside.OpenPacket("vxlan0"))(t)
	request := arpFrame(layers.ARPRequest, from, gone)
	r.until("forget the neighbours left behind", func() bool { return r.floods(request) })
	r.inner = must(inside.OpenPacket("vxlan0"))(t) // late answers from before stay behind
	check(t, inside.SetNeighbour("vxlan0", to, mac(farMAC)))
	r.answersARP(from, to)
}
