package conformance

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/vtep/forward"
)

// overhead is conformance.md's section 5: outer IP, UDP, VXLAN, inner Ethernet.
func (f family) overhead() int {
	if f.group.Is6() {
		return 70
	}
	return 50
}

// frameOfMTU is a frame to dst whose IP packet has n bytes.
func frameOfMTU(dst string, n int) []byte {
	return frameTo(dst, func(f *inner) { f.size = n - 28; f.df = true })
}

func TestM1Overhead(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		for _, n := range []int{100, 1000, 1500 - f.overhead()} {
			if p := r.emit(frameOfMTU(broadcast, n)); p.ipLen != n+f.overhead() {
				t.Errorf("an inner packet of %d bytes made an outer one of %d, want %d more", n, p.ipLen, f.overhead())
			}
		}
		tag := frameTo(broadcast, tagged(layers.EthernetTypeDot1Q), func(f *inner) { f.size = 72 })
		if p := r.emit(tag); p.ipLen != 100+f.overhead()+4 {
			t.Errorf("a tagged inner packet of 100 bytes made an outer one of %d, want %d", p.ipLen, 100+f.overhead()+4)
		}
	})
}

// routeMTU gives the route to a peer an MTU of its own.
func (r *rig) routeMTU(peer netip.Addr, mtu int) {
	r.Helper()
	check(r.T, r.dut.AddRoute(lab.Route{Dst: netip.PrefixFrom(peer, peer.BitLen()), Dev: r.wire.A, MTU: mtu}))
}

func TestM2DerivedMTU(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		for _, c := range []struct {
			name, words string // "DEV" stands for the underlay device
			wire, route int    // MTUs; 0: as it is
			want        int    // 0: overhead less than the wire
		}{
			{"route of the device", f.words(), 0, 0, 0},
			{"large device", f.words(), 9000, 0, 0},
			{"small device", f.words(), 1400, 0, 0},
			{"route's own", f.words(), 0, 1380, 1380 - f.overhead()},
			{"dev", f.words() + " dev DEV", 3000, 0, 0},
			{"group", "group " + f.group.String() + " dev DEV", 3000, 0, 0},
			{"mtu", f.words() + " mtu 1234", 0, 0, 1234},
			{"mtu above the route's", f.words() + " mtu 1500", 0, 0, 1500},
			{"no remote", "local " + f.local.Addr().String(), 3000, 0, 1500},
		} {
			t.Run(c.name, func(t *testing.T) {
				r := newRig(t, f)
				wire := 1500
				if c.wire != 0 {
					wire = c.wire
					check(t, r.dut.SetMTU(r.wire.A, wire), r.probe.SetMTU(r.wire.B, wire))
				}
				if c.route != 0 {
					r.routeMTU(r.peers[0], c.route)
				}
				want := c.want
				if want == 0 {
					want = wire - f.overhead()
				}
				r.start("id 42", string(bytes.ReplaceAll([]byte(c.words), []byte("DEV"), []byte(r.wire.A))))
				if got := must(r.dut.MTU("vxlan0"))(t); got != want {
					t.Fatalf("the link's MTU is %d, want %d", got, want)
				}
				if c.name != "no remote" && c.want != 1500 { // what the host may send fits
					r.emit(frameOfMTU(broadcast, want))
				}
			})
		}
	})
}

// TestM4MTUFollowsRoute: a link's derived MTU changes with its route.
func TestM4MTUFollowsRoute(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := newRig(t, f)
		r.start("id 42", f.words())
		const mtu = 1400
		r.routeMTU(r.peers[0], mtu)
		// It is looked at every ten seconds.
		check(t, r.daemon.WaitStderr("the MTU follows the underlay", 15*time.Second))
		if got := must(r.dut.MTU("vxlan0"))(t); got != mtu-f.overhead() {
			t.Fatalf("the link's MTU is %d, want %d", got, mtu-f.overhead())
		}
		r.emit(frameOfMTU(broadcast, mtu-f.overhead()))
	})
}

// TestC10RouteMTU: what does not fit the path of its remote is neither sent nor
// fragmented, but counted.
func TestC10RouteMTU(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		const path = 1300
		r.routeMTU(r.peers[1], path)
		r.fdb("add", api.FDBEntry{MAC: farMAC, Dst: r.peers[1]})
		r.fdb("add", api.FDBEntry{MAC: farMAC2, Dst: r.peers[0]})
		for range 2 {
			if p := r.emit(frameOfMTU(farMAC, path-f.overhead())); p.ipLen != path {
				t.Errorf("a frame that just fits made a packet of %d bytes, want %d", p.ipLen, path)
			}
			r.keeps(forward.TxTooBig, frameOfMTU(farMAC, path-f.overhead()+1))
			r.keeps(forward.TxTooBig, frameOfMTU(farMAC, 1500-f.overhead()))
			// Other remotes are not concerned.
			r.emit(frameOfMTU(farMAC2, 1500-f.overhead()))
		}
		// Of a flood, the copies that fit are sent.
		r.floodTo(1)
		before := r.drops(forward.TxTooBig)
		if p := r.emit(frameOfMTU(broadcast, 1400)); p.dst != r.peers[0] {
			t.Errorf("the copy went to %s, want %s", p.dst, r.peers[0])
		}
		if n := r.drops(forward.TxTooBig) - before; n != 1 {
			t.Errorf("%d copies were counted as too big, want 1", n)
		}
	})
}

// tooBig is the ICMP error (RFC 792, RFC 4443 section 3.2) of a router with the
// address src that could not forward p whole.
func (r *rig) tooBig(p *packet, src netip.Addr, mtu int) []byte {
	eth := &layers.Ethernet{DstMAC: r.to.dstMAC, SrcMAC: r.to.srcMAC}
	quote := bytes.Clone(p.data[14:])
	if src.Is6() {
		eth.EthernetType = layers.EthernetTypeIPv6
		ip := &layers.IPv6{
			Version: 6, HopLimit: 63, NextHeader: layers.IPProtocolICMPv6,
			SrcIP: src.AsSlice(), DstIP: r.local.Addr().AsSlice(),
		}
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypePacketTooBig, 0)}
		must0(icmp.SetNetworkLayerForChecksum(ip))
		body := binary.BigEndian.AppendUint32(nil, uint32(mtu))
		return serialize(eth, ip, icmp, gopacket.Payload(append(body, quote[:min(len(quote), 1200)]...)))
	}
	eth.EthernetType = layers.EthernetTypeIPv4
	ip := &layers.IPv4{
		Version: 4, IHL: 5, TTL: 63, Protocol: layers.IPProtocolICMPv4,
		SrcIP: src.AsSlice(), DstIP: r.local.Addr().AsSlice(),
	}
	icmp := &layers.ICMPv4{
		TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodeFragmentationNeeded),
		Seq:      uint16(mtu), // RFC 1191 section 4
	}
	return serialize(eth, ip, icmp, gopacket.Payload(quote[:28]))
}

// TestC10PathMTUDiscovery: a router on the way says that the path is narrower
// than the first link.
func TestC10PathMTUDiscovery(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		const path = 1290
		r := startRig(t, f)
		r.fdb("add", api.FDBEntry{MAC: farMAC, Dst: r.peers[0]})
		r.fdb("add", api.FDBEntry{MAC: farMAC2, Dst: r.peers[1]})
		large := func() []byte { return frameOfMTU(farMAC, 1500-f.overhead()) }
		p := r.emit(large())
		r.send(r.tooBig(p, r.peers[3], path))
		r.until("take notice of the ICMP message", func() bool {
			r.inject(large())
			return r.drops(forward.TxTooBig) > 0
		})
		marker := frameTo(markerOut)
		r.inject(marker)
		for !bytes.Equal(r.next().frame, marker) { // what had left before
		}
		before := r.drops(forward.TxTooBig)
		for port := range 20 { // of every source port, not of the one whose packet it was
			r.inject(frameTo(farMAC, flow(port), func(in *inner) { in.size = path - f.overhead() - 28 + 1 }))
		}
		r.until("refuse all flows", func() bool { return r.drops(forward.TxTooBig) == before+20 })
		r.nothingSent()
		if p := r.emit(frameOfMTU(farMAC, path-f.overhead())); p.ipLen != path {
			t.Errorf("a frame that just fits made a packet of %d bytes, want %d", p.ipLen, path)
		}
		r.emit(frameOfMTU(farMAC2, 1500-f.overhead())) // another remote
	})
}

// TestC10ForgedICMP: an ICMP message about a packet that we did not send
// changes nothing.
func TestC10ForgedICMP(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		p := r.emit(frameOfMTU(broadcast, 1400))
		foreign := *p
		foreign.data = bytes.Clone(p.data)
		at := len(p.data) - len(p.frame) - 16 // the quoted source port
		binary.BigEndian.PutUint16(foreign.data[at:], 1)
		r.send(r.tooBig(&foreign, r.peers[3], 1290))
		r.nothingArrived()
		for range 3 {
			r.emit(frameOfMTU(broadcast, 1400))
		}
		if n := r.drops(forward.TxTooBig); n != 0 {
			t.Errorf("%d frames were refused for a forged message", n)
		}
	})
}

// TestC10DFUnset: where the operator allows it, the host fragments, and the
// fragments make the packet again.
func TestC10DFUnset(t *testing.T) {
	r := startRig(t, ipv4Underlay(), "df unset")
	r.routeMTU(r.peers[0], 1300)
	frame := frameOfMTU(broadcast, 1450)
	r.inject(frame)
	var got []byte
	for part := range 2 {
		p, err := r.under.WaitFor(func(p lab.Packet) bool { return !p.Outgoing && sentBy(r.local.Addr(), p.Data) }, patience)
		if err != nil {
			t.Fatal(err)
		}
		ip := gopacket.NewPacket(p.Data, layers.LayerTypeEthernet, gopacket.Default).NetworkLayer().(*layers.IPv4)
		if more := ip.Flags&layers.IPv4MoreFragments != 0; more != (part == 0) || int(ip.FragOffset)*8 != len(got) {
			t.Fatalf("part %d has offset %d, more fragments: %v", part, ip.FragOffset*8, more)
		}
		got = append(got, ip.Payload...)
	}
	if len(got) < 16 || !bytes.Equal(got[16:], frame) {
		t.Errorf("the fragments hold %s", describe(got))
	}
}
