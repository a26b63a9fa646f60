package ping

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// TestQuestions: another decoder reads the questions, and what it makes of an answer is
// understood.
func TestQuestions(t *testing.T) {
	p := gopacket.NewPacket(arpQuestion(mac, here, there), layers.LayerTypeEthernet, gopacket.Default)
	a, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP)
	if !ok || a.Operation != layers.ARPRequest || net.IP(a.DstProtAddress).String() != there.String() || net.IP(a.SourceProtAddress).String() != here.String() {
		t.Fatalf("%v", p)
	}
	reply := gopacket.NewSerializeBuffer()
	answer := *a
	answer.Operation, answer.SourceProtAddress, answer.SourceHwAddress = layers.ARPReply, a.DstProtAddress, far
	eth := &layers.Ethernet{SrcMAC: far, DstMAC: mac, EthernetType: layers.EthernetTypeARP}
	if err := gopacket.SerializeLayers(reply, gopacket.SerializeOptions{}, eth, &answer); err != nil {
		t.Fatal(err)
	}
	if got := arpAnswer(reply.Bytes(), there); got.String() != far.String() {
		t.Errorf("ARP: %v", got)
	}
	for n := range 14 + 28 { // the rest is padding
		if arpAnswer(reply.Bytes()[:n], there) != nil {
			t.Errorf("%d bytes are an answer", n)
		}
	}
	if arpAnswer(reply.Bytes(), here) != nil || arpAnswer(arpQuestion(mac, here, there), there) != nil {
		t.Error("what is no answer was taken for one")
	}

	src, target := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::1:2:3")
	q := solicitation(mac, src, target)
	p = gopacket.NewPacket(q, layers.LayerTypeEthernet, gopacket.Default)
	ns, ok := p.Layer(layers.LayerTypeICMPv6NeighborSolicitation).(*layers.ICMPv6NeighborSolicitation)
	if !ok || ns.TargetAddress.String() != target.String() || p.ErrorLayer() != nil {
		t.Fatalf("%v", p)
	}
	ip := p.NetworkLayer().(*layers.IPv6)
	if ip.DstIP.String() != "ff02::1:ff02:3" || ip.HopLimit != 255 || ip.SrcIP.String() != src.String() {
		t.Errorf("%v", ip)
	}
	icmp := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
	sum := icmp.Checksum
	if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	again := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(again, gopacket.SerializeOptions{ComputeChecksums: true}, icmp, gopacket.Payload(icmp.Payload)); err != nil || icmp.Checksum != sum {
		t.Errorf("checksum %x, want %x: %v", sum, icmp.Checksum, err)
	}
	na := &layers.ICMPv6NeighborAdvertisement{TargetAddress: net.IP(target.AsSlice())}
	head := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborAdvertisement, 0)}
	out := &layers.IPv6{Version: 6, NextHeader: layers.IPProtocolICMPv6, HopLimit: 255, SrcIP: net.IP(target.AsSlice()), DstIP: net.IP(src.AsSlice())}
	if err := head.SetNetworkLayerForChecksum(out); err != nil {
		t.Fatal(err)
	}
	eth.EthernetType = layers.EthernetTypeIPv6
	if err := gopacket.SerializeLayers(reply, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, out, head, na); err != nil {
		t.Fatal(err)
	}
	if got := advertisement(reply.Bytes(), target); got.String() != far.String() {
		t.Errorf("advertisement: %v", got)
	}
	if advertisement(reply.Bytes(), src) != nil || advertisement(q, target) != nil {
		t.Error("what is no advertisement was taken for one")
	}
	for n := range reply.Bytes() {
		if advertisement(reply.Bytes()[:n], target) != nil {
			t.Errorf("%d bytes are an advertisement", n)
		}
	}
}

// TestLateLiar: who answers by proxy ARP does so up to 0.8 s after the host whose address it is (proxy_delay, arp(7)), and
// is seen all the same.
func TestLateLiar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		liar := net.HardwareAddr{2, 0, 0, 0, 0, 0x66}
		began, next := time.Now(), 0
		answers := []struct {
			at  time.Duration
			mac net.HardwareAddr
		}{{time.Millisecond, far}, {2 * time.Millisecond, far}, {801 * time.Millisecond, liar}}
		macs, err := collect(patience, func(b []byte) net.HardwareAddr { return b }, func(wait time.Duration) ([]byte, error) {
			if next == len(answers) || time.Since(began)+wait < answers[next].at {
				time.Sleep(wait)
				return nil, nil
			}
			time.Sleep(answers[next].at - time.Since(began))
			next++
			return answers[next-1].mac, nil
		})
		if err != nil || len(macs) != 2 || macs[1].String() != liar.String() {
			t.Errorf("%v, %v: want %v and %v", macs, err, far, liar)
		}
	})
}

// FuzzAnswers: no frame makes the decoders fail.
func FuzzAnswers(f *testing.F) {
	f.Add(arpQuestion(mac, here, there))
	f.Fuzz(func(_ *testing.T, b []byte) {
		arpAnswer(b, there)
		advertisement(b, netip.MustParseAddr("2001:db8::1"))
	})
}
