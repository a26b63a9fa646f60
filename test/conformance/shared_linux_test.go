package conformance

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/vtep/forward"
)

// addLink gives the daemon the link vxlan1 with VNI 43, up, and returns a rig
// for it.
func (r *rig) addLink(edit func(*api.LinkSpec)) *rig {
	r.Helper()
	spec := api.LinkSpec{Name: "vxlan1", ID: new(uint32(43)), Remote: &r.peers[0]}
	if edit != nil {
		edit(&spec)
	}
	check(r.T, r.client.AddLink(r.Context(), api.LinkChange{LinkSpec: spec, Up: new(true)}))
	other := *r
	other.vni = *spec.ID
	other.inner = must(r.dut.OpenPacket("vxlan1"))(r.T)
	return &other
}

// TestS02WildcardBesideLocal: a link without `local` hears its packets on every
// address of the host, also on one that another link has bound; the link that
// has bound it hears no others.
func TestS02WildcardBesideLocal(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := newRig(t, f)
		second := f.local.Addr().Next().Next().Next().Next()
		check(t, r.dut.AddAddr(r.wire.A, netip.PrefixFrom(second, f.local.Bits())))
		r.start("id 42", f.words())
		wild := r.addLink(nil)
		toSecond := func(o *outer) { o.dst = second }
		for range 2 {
			wild.delivers(frameFrom(farMAC))
			wild.delivers(frameFrom(farMAC), toSecond)
			r.delivers(frameFrom(farMAC))
			r.refuses(forward.RxUnknownVNI, r.packet(frameFrom(farMAC), toSecond))
		}
		check(t, r.client.DeleteLink(t.Context(), "vxlan1"))
		r.delivers(frameFrom(farMAC))
	})
}

// TestL13LinksDiffer: the checksum policy is a socket's. Two links of one
// address and port that differ in it cannot be had together, as in the kernel;
// the refusal harms nobody.
func TestL13LinksDiffer(t *testing.T) {
	r := startRig(t, ipv6Underlay())
	err := r.client.AddLink(t.Context(), api.LinkChange{LinkSpec: api.LinkSpec{
		Name: "vxlan1", ID: new(uint32(43)), Remote: &r.peers[0], Local: new(r.local.Addr()), UDP6ZeroCsumRx: new(true),
	}})
	if err == nil || !strings.Contains(err.Error(), "udp6zerocsumrx") {
		t.Errorf("a second link that differs in udp6zerocsumrx: %v", err)
	}
	r.delivers(frameFrom(farMAC))
	before := snmp(t, r.dut, "Udp6", "InCsumErrors")
	r.send(r.packet(frameFrom(farMAC2), withSum(zeroSum)))
	r.until("refuse the zero checksum", func() bool { return snmp(t, r.dut, "Udp6", "InCsumErrors") == before+1 })
	r.nothingArrived()
}

// TestC10PortUnreachable: that a remote has no VTEP yet, as its ICMP says, costs
// none of the packets that come after.
func TestC10PortUnreachable(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		for range 20 {
			p := r.emit(frameTo(broadcast))
			r.send(r.portUnreachable(p))
		}
		if s := r.stats(); s.Tx.Errors+s.Tx.Dropped != 0 {
			t.Errorf("packets were lost: %+v", s)
		}
	})
}

// portUnreachable is what the remote's host says of p (RFC 792, RFC 4443
// section 3.1).
func (r *rig) portUnreachable(p *packet) []byte {
	b := r.tooBig(p, p.dst, 0)
	if !p.dst.Is6() {
		b[14+20+1] = layers.ICMPv4CodePort
		b[14+20+2], b[14+20+3] = 0, 0
		s := ^sum(0, b[14+20:14+20+8+28])
		b[14+20+2], b[14+20+3] = byte(s>>8), byte(s)
		return b
	}
	ip := &layers.IPv6{
		Version: 6, HopLimit: 63, NextHeader: layers.IPProtocolICMPv6,
		SrcIP: p.dst.AsSlice(), DstIP: p.src.AsSlice(),
	}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeDestinationUnreachable, layers.ICMPv6CodePortUnreachable)}
	must0(icmp.SetNetworkLayerForChecksum(ip))
	eth := &layers.Ethernet{DstMAC: r.to.dstMAC, SrcMAC: r.to.srcMAC, EthernetType: layers.EthernetTypeIPv6}
	return serialize(eth, ip, icmp, gopacket.Payload(append(make([]byte, 4), p.data[14:]...)))
}

// TestT1UDPSegmentation: datagrams that an application behind the kernel's VTEP
// sends as one large one (UDP_SEGMENT) arrive each by itself.
func TestT1UDPSegmentation(t *testing.T) {
	const segment, count = 500, 12
	eachUnderlay(t, func(t *testing.T, f family) {
		k := newKernelPair(t, f, lab.WireOptions{}, "", nil)
		for _, v6 := range []bool{false, true} {
			for _, way := range []struct {
				from, to *lab.Host
				dst      netip.Addr
			}{{k.b, k.a, overlay(v6)[0].Addr()}, {k.a, k.b, overlay(v6)[1].Addr()}} {
				dst := net.UDPAddrFromAddrPort(netip.AddrPortFrom(way.dst, 7000))
				var receiver, sender *net.UDPConn
				check(t, way.to.Do(func() (err error) { receiver, err = net.ListenUDP("udp", dst); return err }),
					way.from.Do(func() (err error) { sender, err = net.DialUDP("udp", nil, dst); return err }))
				raw := must(sender.SyscallConn())(t)
				var err error
				check(t, raw.Control(func(fd uintptr) {
					err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, segment)
				}), err)
				payload := make([]byte, segment*count-100)
				for i := range payload {
					payload[i] = byte(i / segment)
				}
				buf := make([]byte, 65536)
				if way.to == k.a {
					untilDecided(t, sender, receiver, payload, count)
				}
				must(sender.Write(payload))(t)
				check(t, receiver.SetReadDeadline(time.Now().Add(patience)))
				for i := range count {
					want := min(segment, len(payload)-i*segment)
					n, err := receiver.Read(buf)
					if err != nil {
						t.Fatalf("to %s, datagram %d: %v", way.dst, i, err)
					}
					if n != want || buf[0] != byte(i) || buf[n-1] != byte(i) {
						t.Fatalf("to %s, datagram %d: %d bytes, %d ... %d, want %d bytes of %d", way.dst, i, n, buf[0], buf[n-1], want, i)
					}
				}
				check(t, receiver.Close(), sender.Close())
			}
		}
	})
}

// untilDecided sends payload until it arrives, as count datagrams: with UDP_GRO the
// daemon cannot tell it from joined packets of several VNIs. It drops the first and
// then does without.
func untilDecided(t *testing.T, sender, receiver *net.UDPConn, payload []byte, count int) {
	t.Helper()
	buf := make([]byte, 65536)
	for start := time.Now(); time.Since(start) < patience; {
		must(sender.Write(payload))(t)
		check(t, receiver.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
		got := 0
		for ; got < count; got++ {
			if _, err := receiver.Read(buf); err != nil {
				break
			}
		}
		if got == count {
			return
		}
		if got != 0 {
			t.Fatalf("%d of %d datagrams of a message arrived", got, count)
		}
	}
	t.Fatalf("no superframe arrived within %s", patience)
}

// TestT1Bridged: a superframe that the host forwards, to a container here, has
// to say how it is to be cut: longer than the MTU it would go nowhere.
func TestT1Bridged(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		k := newKernelPair(t, f, lab.WireOptions{}, "", nil)
		c := must(k.a.Container("c", 1500-f.overhead()))(t)
		inside := addr("198.51.100.9")
		check(t, c.AddAddr("eth0", netip.PrefixFrom(inside, 24)), k.a.SetMaster("vxlan0", lab.ContainerBridge),
			k.b.MustReach(inside, 1000, patience))
		for _, way := range []struct {
			from, to *lab.Host
			dst      netip.Addr
		}{{k.b, c, inside}, {c, k.b, overlay(false)[1].Addr()}} {
			r, err := lab.TCPTransfer(way.from, way.to, way.dst, 20_000_000)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s to %s: %v", way.from, way.to, r)
			if way.from == k.b && r.Elapsed > 5*time.Second {
				t.Errorf("the stream to the container took %v: superframes are lost", r.Elapsed)
			}
		}
	})
}
