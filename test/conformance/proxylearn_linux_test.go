package conformance

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"

	"github.com/uvtep/uvtep/vtep/forward"
)

// says is an ARP packet to all in which the host with a MAC says that address is
// at another, or its own.
func says(src, at string, operation uint16, address netip.Addr) []byte {
	b := arpFrame(operation, address, address)
	copy(b[6:], mac(src))
	copy(b[22:], mac(at))
	return b
}

// advertisement says that the address is at the MAC that it comes from.
func advertisement(src string, address netip.Addr, flags uint8) []byte {
	ip := &layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6,
		SrcIP: address.AsSlice(), DstIP: addr("ff02::1").AsSlice()}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborAdvertisement, 0)}
	must0(icmp.SetNetworkLayerForChecksum(ip))
	eth := &layers.Ethernet{DstMAC: mac("33:33:00:00:00:01"), SrcMAC: mac(src), EthernetType: layers.EthernetTypeIPv6}
	return serialize(eth, ip, icmp, &layers.ICMPv6NeighborAdvertisement{Flags: flags, TargetAddress: address.AsSlice(),
		Options: layers.ICMPv6Options{{Type: layers.ICMPv6OptTargetAddress, Data: mac(src)}}})
}

// answersFor proves that a request for the address is answered with the MAC and
// not sent on.
func (r *rig) answersFor(address netip.Addr, want string) {
	r.Helper()
	if r.floods(arpFrame(layers.ARPRequest, addr("198.51.100.1"), address)) {
		r.Errorf("a request for %s was flooded", address)
		return
	}
	if a, ok := r.answer(want).Layer(layers.LayerTypeARP).(*layers.ARP); !ok || !bytes.Equal(a.SourceProtAddress, address.AsSlice()) {
		r.Errorf("the answer for %s is %+v", address, a)
	}
}

func TestL19ProxyLearn(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f, "proxy learn accept any")
		self, it, other := addr("198.51.100.1"), addr("198.51.100.2"), addr("198.51.100.3")
		request := arpFrame(layers.ARPRequest, self, it)
		floods := func(what string, frame []byte) {
			t.Helper()
			if !r.floods(frame) {
				t.Errorf("%s was not sent on", what)
			}
		}
		floods("a request for who was not heard of", request)
		r.delivers(says(farMAC, farMAC, layers.ARPReply, it))
		r.answersFor(it, farMAC)

		alive := bytes.Clone(request)
		copy(alive, mac(farMAC))
		floods("the question whether a host is still there", alive)
		floods("a probe", arpFrame(layers.ARPRequest, netip.IPv4Unspecified(), it))

		r.delivers(says(farMAC2, farMAC2, layers.ARPRequest, it), from(r.peers[1])) // gratuitous
		r.answersFor(it, farMAC2)
		r.delivers(says(farMAC, farMAC2, layers.ARPReply, other))
		floods("a request for what one MAC said of another", arpFrame(layers.ARPRequest, self, other))
		probe := says(farMAC, farMAC, layers.ARPRequest, netip.IPv4Unspecified())
		copy(probe[38:], other.AsSlice())
		r.delivers(probe)
		floods("a request for what was but probed for", arpFrame(layers.ARPRequest, self, other))

		check(t, r.dut.SetNeighbour("vxlan0", other, mac(farMAC)))
		r.until("answer from the neighbour table", func() bool { return !r.floods(arpFrame(layers.ARPRequest, self, other)) })
		r.answer(farMAC)
		r.delivers(says(farMAC2, farMAC2, layers.ARPReply, other), from(r.peers[1]))
		r.answersFor(other, farMAC)

		floods("an announcement of this side", says(hostMAC, hostMAC, layers.ARPRequest, it))
		floods("a request for who is on this side", arpFrame(layers.ARPRequest, self, it))
		r.delivers(says(farMAC2, farMAC2, layers.ARPReply, it), from(r.peers[1]))
		r.answersFor(it, farMAC2)
		if n := must(r.client.Link(r.Context(), "vxlan0"))(t).Learned; n != 1 {
			t.Errorf("%d addresses are learned, want 1", n)
		}
		if _, stderr, err := r.uvtepCLI("fdb", "del", farMAC2, "dev", "vxlan0"); err != nil {
			t.Fatalf("fdb del: %v: %s", err, stderr)
		}
		floods("a request for whose VTEP is not known", request)
	})
}

// TestL19ProxyLearnIPv6: advertisements are learned with what they say of
// routers; and what the words mean on a running link.
func TestL19ProxyLearnIPv6(t *testing.T) {
	r := startRig(t, ipv4Underlay(), "proxy learn")
	self, it := addr("2001:db8:2::1"), addr("2001:db8:2::2")
	question := solicitation(self, it)
	if !r.floods(question) {
		t.Error("without a neighbour a question was not sent on")
	}
	for _, flags := range []uint8{0x20, 0xa0} { // override, and router
		r.delivers(advertisement(farMAC, it, flags))
		if r.floods(question) {
			t.Fatal("the question was sent on")
		}
		na, ok := r.answer(farMAC).Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement)
		if !ok || na.Router() != (flags&0x80 != 0) || !na.TargetAddress.Equal(it.AsSlice()) ||
			len(na.Options) != 1 || !bytes.Equal(na.Options[0].Data, mac(farMAC)) {
			t.Fatalf("the answer is %+v", na)
		}
	}
	if !r.floods(solicitation(netip.IPv6Unspecified(), it)) {
		t.Error("address detection was not sent on")
	}
	for _, words := range []string{"proxy", "proxy learn", "noproxy", "proxy learn l3miss"} {
		args := append([]string{"link", "set", "vxlan0", "type", "vxlan"}, strings.Fields(words)...)
		if _, stderr, err := r.uvtepCLI(args...); err != nil {
			t.Fatalf("link set %s: %v: %s", words, err, stderr)
		}
		if words == "proxy learn l3miss" {
			r.keeps(forward.TxNoNeighbour, question)
		} else if !r.floods(question) { // nothing is kept from before
			t.Errorf("%s: the question was not sent on", words)
		}
	}
	r.delivers(advertisement(farMAC, it, 0x20))
	if r.floods(question) {
		t.Error("after learning the question was sent on")
	}
	r.answer(farMAC)
	stdout, stderr, err := r.uvtepCLI("-d", "link", "show", "vxlan0")
	if err != nil || !strings.Contains(stdout, " proxy learn") {
		t.Errorf("link show -d says %s%s, %v", stdout, stderr, err)
	}
}
