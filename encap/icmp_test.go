package encap_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/uvtep/uvtep/encap"
)

var linkMAC = encap.MAC{0x02, 0, 0x5e, 0x20, 0, 9}

// answer is what AppendFragNeeded gives for b, nil where it refuses.
func answer(t *testing.T, b []byte, mtu int) []byte {
	t.Helper()
	in := parse(b)
	prefix := []byte("kept")
	out, ok := encap.AppendFragNeeded(prefix, b, &in, mtu, linkMAC)
	if !bytes.HasPrefix(out, prefix) || !ok && len(out) != len(prefix) {
		t.Fatalf("dst not kept: %x", out)
	}
	if !ok {
		return nil
	}
	return out[len(prefix):]
}

// decode has gopacket read b; layers that it cannot read fail the test.
func decode(t *testing.T, b []byte) gopacket.Packet {
	t.Helper()
	p := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
	eth, ok := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	if !ok || !bytes.Equal(eth.DstMAC, srcMAC[:]) || !bytes.Equal(eth.SrcMAC, dstMAC[:]) {
		t.Fatalf("Ethernet header is not the original's turned round: %v", p)
	}
	return p
}

// Section 5 of the conformance list: the right next-hop MTU, for IPv4.
func TestFragNeeded4(t *testing.T) {
	for name, p := range map[string]packet{
		"tcp":       {proto: encap.ProtoTCP},
		"udp":       {proto: encap.ProtoUDP},
		"echo":      {icmpType: 8},
		"vlan tags": {proto: encap.ProtoTCP, tags: []uint16{7, 9}},
	} {
		for _, n := range []int{100, 519, 520, 521, 1460, 9000} {
			p.payload = pattern(n)
			b := build(t, p)
			in := parse(b)
			mtu := min(1450, in.IPLen-1)
			out := answer(t, b, mtu)
			if out == nil {
				t.Fatalf("%s, %d bytes: no answer", name, n)
			}
			d := decode(t, out)
			ip := d.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
			icmp := d.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
			if !ip.SrcIP.Equal(dst4) || !ip.DstIP.Equal(src4) || ip.TTL != 64 || ip.Protocol != layers.IPProtocolICMPv4 {
				t.Errorf("%s: header %+v", name, ip)
			}
			if icmp.TypeCode != layers.CreateICMPv4TypeCode(3, 4) || icmp.Id != 0 || int(icmp.Seq) != mtu {
				t.Errorf("%s: %v, unused %d, MTU %d", name, icmp.TypeCode, icmp.Id, icmp.Seq)
			}
			l3 := int(in.L3)
			want := b[l3 : l3+min(in.IPLen, 548)]
			if !bytes.Equal(icmp.Payload, want) {
				t.Errorf("%s: quotes %d bytes, want the first %d", name, len(icmp.Payload), len(want))
			}
			if int(ip.Length) != len(out)-l3 || len(out)-l3 > 576 {
				t.Errorf("%s: length %d in a frame of %d", name, ip.Length, len(out))
			}
			if slowSum(out[l3:l3+20]) != 0xffff || slowSum(out[l3+20:]) != 0xffff {
				t.Errorf("%s: checksums do not verify", name)
			}
			if !bytes.Equal(out[12:l3], b[12:l3]) {
				t.Errorf("%s: tags %x, want %x", name, out[12:l3], b[12:l3])
			}
		}
	}
}

func TestTooBig6(t *testing.T) {
	for name, p := range map[string]packet{
		"tcp":        {proto: encap.ProtoTCP},
		"udp":        {proto: encap.ProtoUDP},
		"echo":       {icmpType: 128},
		"vlan tag":   {proto: encap.ProtoTCP, tags: []uint16{7}},
		"hop-by-hop": {proto: encap.ProtoUDP, ext: []byte{17, 0, 1, 4, 0, 0, 0, 0}},
	} {
		p.v6 = true
		for _, n := range []int{1240, 1460, 9001} {
			p.payload = pattern(n)
			b := build(t, p)
			in := parse(b)
			mtu := min(1430, in.IPLen-1)
			out := answer(t, b, mtu)
			if out == nil {
				t.Fatalf("%s, %d bytes: no answer", name, n)
			}
			d := decode(t, out)
			ip := d.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
			icmp := d.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
			if !ip.SrcIP.Equal(dst6) || !ip.DstIP.Equal(src6) || ip.HopLimit != 64 {
				t.Errorf("%s: header %+v", name, ip)
			}
			if icmp.TypeCode != layers.CreateICMPv6TypeCode(2, 0) || int(binary.BigEndian.Uint32(icmp.Payload)) != mtu {
				t.Errorf("%s: %v, MTU %x", name, icmp.TypeCode, icmp.Payload[:4])
			}
			l3 := int(in.L3)
			want := b[l3 : l3+min(in.IPLen, 1232)]
			if !bytes.Equal(icmp.Payload[4:], want) {
				t.Errorf("%s: quotes %d bytes, want the first %d", name, len(icmp.Payload)-4, len(want))
			}
			if int(ip.Length) != len(out)-l3-40 || len(out)-l3 > 1280 {
				t.Errorf("%s: length %d in a frame of %d", name, ip.Length, len(out))
			}
			oi := parse(out)
			if slowSum(slowPseudo(out, &oi, int(ip.Length)), out[l3+40:]) != 0xffff {
				t.Errorf("%s: checksum does not verify", name)
			}
		}
	}
}

// headerSum corrects the checksum of the IPv4 header of b, which has no options.
func headerSum(b []byte) {
	b[24], b[25] = 0, 0
	binary.BigEndian.PutUint16(b[24:], ^slowSum(b[14:34]))
}

// RFC 1122 section 3.2.2, RFC 4443 section 2.4: what is never answered.
func TestFragNeededRefuses(t *testing.T) {
	edit := func(p packet, fn func(b []byte)) []byte {
		p.payload = pattern(2000)
		b := build(t, p)
		fn(b)
		if !p.v6 {
			headerSum(b)
		}
		return b
	}
	same := func([]byte) {}
	udp4, udp6 := packet{proto: encap.ProtoUDP}, packet{proto: encap.ProtoUDP, v6: true}
	to := func(p packet, dst net.IP) []byte { p.dst = dst; return edit(p, same) }
	from := func(p packet, src net.IP) []byte {
		at := 26
		if p.v6 {
			at = 22
		}
		return edit(p, func(b []byte) { copy(b[at:], src) })
	}
	cases := map[string][]byte{
		"no DF":                  edit(packet{proto: encap.ProtoUDP, noDF: true}, same),
		"later fragment":         edit(udp4, func(b []byte) { b[20], b[21] = 0x40, 0x10 }),
		"later IPv6 fragment":    edit(packet{v6: true, proto: encap.ProtoUDP, extFirst: 44, ext: []byte{17, 0, 1, 0, 0, 0, 0, 9}}, same),
		"broadcast MAC":          edit(udp4, func(b []byte) { copy(b, "\xff\xff\xff\xff\xff\xff") }),
		"multicast MAC":          edit(udp6, func(b []byte) { copy(b, "\x33\x33\x00\x00\x00\x01") }),
		"source MAC multicast":   edit(udp4, func(b []byte) { b[6] |= 1 }),
		"source MAC zero":        edit(udp4, func(b []byte) { copy(b[6:], make([]byte, 6)) }),
		"to multicast":           to(udp4, net.IPv4(239, 1, 1, 1).To4()),
		"to broadcast":           to(udp4, net.IPv4bcast.To4()),
		"to IPv6 multicast":      to(udp6, net.ParseIP("ff02::1")),
		"from unspecified":       from(udp4, net.IPv4zero.To4()),
		"from loopback":          from(udp4, net.IPv4(127, 0, 0, 1).To4()),
		"from multicast":         from(udp4, net.IPv4(224, 0, 0, 1).To4()),
		"from broadcast":         from(udp4, net.IPv4bcast.To4()),
		"from IPv6 unspecified":  from(udp6, net.IPv6zero),
		"from IPv6 loopback":     from(udp6, net.IPv6loopback),
		"from IPv6 multicast":    from(udp6, net.ParseIP("ff02::1")),
		"ICMP cut before type":   edit(packet{icmpType: 8}, same)[:34],
		"ICMPv6 cut before type": edit(packet{v6: true, icmpType: 128}, same)[:54],
		"not IP":                 append(append(append([]byte(nil), dstMAC[:]...), srcMAC[:]...), make([]byte, 1500)...),
		"shorter than a header":  {1, 2, 3},
	}
	for _, typ := range []uint8{3, 4, 5, 11, 12} {
		cases[fmt.Sprintf("ICMP type %d", typ)] = edit(packet{icmpType: typ}, same)
	}
	for _, typ := range []uint8{1, 2, 3, 4, 127, 137} {
		cases[fmt.Sprintf("ICMPv6 type %d", typ)] = edit(packet{v6: true, icmpType: typ}, same)
	}
	for name, b := range cases {
		if out := answer(t, b, 1400); out != nil {
			t.Errorf("%s: answered with %x", name, out)
		}
	}
	for mtu, b := range map[int][]byte{
		67: edit(udp4, same), 1279: edit(udp6, same), -1: edit(udp4, same), 0: edit(udp6, same), 70000: edit(udp4, same),
	} {
		if out := answer(t, b, mtu); out != nil {
			t.Errorf("MTU %d: answered", mtu)
		}
	}
	for mtu, b := range map[int][]byte{68: edit(udp4, same), 1280: edit(udp6, same), 2027: edit(udp4, same)} {
		if answer(t, b, mtu) == nil {
			t.Errorf("MTU %d: no answer", mtu)
		}
	}
}

// What fits is not answered, whatever padding follows it (RFC 1191 section 4,
// RFC 4443 section 3.2), nor is a packet whose header a router would discard
// (RFC 1812 section 5.2.2).
func TestFragNeededForWhatIsTooLarge(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		b := build(t, packet{proto: encap.ProtoUDP, v6: v6, payload: pattern(1400)})
		in := parse(b)
		padded := append(bytes.Clone(b), make([]byte, 200)...)
		if answer(t, padded, in.IPLen) != nil {
			t.Errorf("IPv6 %v: a packet that fits, in a padded frame, was answered", v6)
		}
		if answer(t, padded, in.IPLen-1) == nil {
			t.Errorf("IPv6 %v: no answer to one that is a byte too long", v6)
		}
	}
	b := build(t, packet{proto: encap.ProtoUDP, payload: pattern(1400)})
	for at := 14; at < 34; at++ {
		wrong := bytes.Clone(b)
		wrong[at] ^= 1
		in := parse(b) // the fields of the right one: a wrong checksum alone counts
		if _, ok := encap.AppendFragNeeded(nil, wrong, &in, 1000, linkMAC); ok {
			t.Errorf("a header with byte %d wrong was answered", at-14)
		}
	}
}

// The first fragment is answered: it has the ports by which the sender knows
// the flow.
func TestFragNeededFirstFragment(t *testing.T) {
	b := build(t, packet{proto: encap.ProtoUDP, payload: pattern(2000)})
	b[20] |= 0x20
	headerSum(b)
	if answer(t, b, 1400) == nil {
		t.Error("IPv4: no answer")
	}
	b = build(t, packet{v6: true, proto: encap.ProtoUDP, extFirst: 44, ext: []byte{17, 0, 0, 1, 0, 0, 0, 9}, payload: pattern(2000)})
	if answer(t, b, 1400) == nil {
		t.Error("IPv6: no answer")
	}
}

func TestFragNeededZeroDestination(t *testing.T) {
	b := build(t, packet{proto: encap.ProtoUDP, payload: pattern(2000)})
	copy(b, make([]byte, 6))
	out := answer(t, b, 1400)
	if out == nil || encap.EthSrc(out) != linkMAC || encap.EthDst(out) != srcMAC {
		t.Errorf("answer %x", out)
	}
}

func TestFragNeededAllocs(t *testing.T) {
	buf := make([]byte, 0, encap.MaxFragNeededLen)
	for name, b := range flows(t, 3000) {
		in := parse(b)
		wantNoAllocs(t, name, func() {
			if _, ok := encap.AppendFragNeeded(buf, b, &in, 1400, linkMAC); !ok {
				t.Error("no answer")
			}
		})
	}
}
