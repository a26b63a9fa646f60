package underlay

import (
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// single is a transmitter with one source port, so that all packets share the
// errors of one socket.
func single(v6 bool) TransmitterConfig {
	return TransmitterConfig{V6: v6, SrcPortMin: 50000, SrcPortMax: 50000}
}

// peerRoute gives h a route of its own to dst, with an MTU.
func (h *host) peerRoute(t *testing.T, dst netip.Addr, mtu int) {
	t.Helper()
	h.do(t, func() error {
		host := netip.PrefixFrom(dst, dst.BitLen())
		return netlink.RouteReplace(&netlink.Route{LinkIndex: h.index, Dst: ipNet(host), MTU: mtu, Scope: netlink.SCOPE_LINK})
	})
}

// fits are frames that make IP packets of mtu bytes, and of one more.
func fits(mtu int, v6 bool) (largest, larger string) {
	header := 20
	if v6 {
		header = 40
	}
	n := mtu - header - 8 - encap.HeaderLen
	return strings.Repeat("f", n), strings.Repeat("f", n+1)
}

func TestTooBigForTheRoute(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		rx := b.listen(t, ReceiverConfig{V6: v6, Port: port})
		tx := a.transmitter(t, single(v6))
		dst := b.addr(v6)
		largest, larger := fits(1600, v6)
		if _, ok := tx.PathMTU(encap.AddrFrom(dst)); ok {
			t.Error("a path MTU is known before the first packet")
		}
		send(t, tx, encap.SendOK, packet(dst, port, largest))
		send(t, tx, encap.SendTooBig, packet(dst, port, larger))
		wantPathMTU(t, a, tx, dst, 1600, 1600)
		receive(t, rx, 0, 1)

		a.peerRoute(t, dst, 1400)
		largest, larger = fits(1400, v6)
		p := []encap.Packet{packet(dst, port, "1"), packet(dst, port, larger), packet(dst, port, largest), packet(dst, port, "2")}
		if err := tx.WriteBatch(p); err != nil {
			t.Fatal(err)
		}
		for i, want := range []encap.SendResult{encap.SendOK, encap.SendTooBig, encap.SendOK, encap.SendOK} {
			if p[i].Result != want {
				t.Errorf("packet %d: result %d, want %d", i, p[i].Result, want)
			}
		}
		wantPathMTU(t, a, tx, dst, 1400, 1400)
		for i, g := range receive(t, rx, 0, 3) {
			if want := payloadOf([]string{"1", largest, "2"}[i]); g.payload != want {
				t.Errorf("datagram %d has %d bytes, want %d", i, len(g.payload), len(want))
			}
		}
	})
}

// wantPathMTU asks the transmitter for the path's MTU and the kernel for the
// route's, which ICMP does not change.
func wantPathMTU(t *testing.T, h *host, tx *Transmitter, dst netip.Addr, want, route int) {
	t.Helper()
	if mtu, ok := tx.PathMTU(encap.AddrFrom(dst)); !ok || mtu != want {
		t.Errorf("path MTU %d, %t; want %d", mtu, ok, want)
	}
	h.do(t, func() error {
		r, err := RouteTo(dst, "")
		if err == nil && (r.MTU != route || r.Interface != h.index || r.Source != h.addr(dst.Is6())) {
			t.Errorf("route %+v, want MTU %d, interface %d, source %s", r, route, h.index, h.addr(dst.Is6()))
		}
		return err
	})
}

func TestTooBigForTheDatagram(t *testing.T) {
	a, b := newWire(t)
	tx := a.transmitter(t, TransmitterConfig{})
	send(t, tx, encap.SendTooBig, packet(b.v4, port, strings.Repeat("x", 65600)))
	send(t, tx, encap.SendOK, packet(b.v4, port, "ok"))
}

func TestDFUnsetFragments(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		rx := b.listen(t, ReceiverConfig{V6: v6, Port: port})
		tx := a.transmitter(t, TransmitterConfig{V6: v6, DF: DFUnset})
		text := strings.Repeat("x", 4000)
		send(t, tx, encap.SendOK, packet(b.addr(v6), port, text))
		if g := receive(t, rx, 0, 1)[0]; g.payload != payloadOf(text) {
			t.Errorf("%d bytes arrived", len(g.payload))
		}
	})
}

// TestPathMTUFromICMP is a router that is not there saying too big.
func TestPathMTUFromICMP(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		tx := a.transmitter(t, single(v6))
		rx := b.listen(t, ReceiverConfig{V6: v6, Port: port})
		dst := b.addr(v6)
		wire := b.capture(t)
		_, larger := fits(1360, v6)
		send(t, tx, encap.SendOK, packet(dst, port, larger))
		receive(t, rx, 0, 1)
		original := wire.udp(t, payloadOf(larger)).Data()[encap.EthernetHeaderLen:]
		wire.injectTooBig(t, b, a, v6, original, 1360)
		awaitError(t, tx)
		// The refusal must be of this packet, whose error the kernel reports
		// at once, and not only of the pending ICMP error.
		send(t, tx, encap.SendTooBig, packet(dst, port, larger))
		send(t, tx, encap.SendTooBig, packet(dst, port, larger))
		wantPathMTU(t, a, tx, dst, 1360, 1600)
		send(t, tx, encap.SendOK, packet(dst, port, "small"))
		receive(t, rx, 0, 1)
	})
}

// injectTooBig sends ICMP fragmentation needed (RFC 1191 section 4) or packet
// too big (RFC 4443 section 3.2) about original.
func (c capture) injectTooBig(t *testing.T, from, to *host, v6 bool, original []byte, mtu uint16) {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: from.mac, DstMAC: to.mac, EthernetType: layers.EthernetTypeIPv4}
	if !v6 {
		c.inject(t, eth,
			&layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: from.v4.AsSlice(), DstIP: to.v4.AsSlice()},
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 4), Seq: mtu}, payload(original[:28]))
		return
	}
	eth.EthernetType = layers.EthernetTypeIPv6
	ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolICMPv6, SrcIP: from.v6.AsSlice(), DstIP: to.v6.AsSlice()}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(2, 0)}
	if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	c.inject(t, eth, ip, icmp, payload(append([]byte{0, 0, byte(mtu >> 8), byte(mtu)}, original[:48]...)))
}

// awaitError waits until an ICMP error is pending at the one socket of tx.
func awaitError(t *testing.T, tx *Transmitter) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(tx.sockets[0].file.Fd())}}
	for {
		n, err := unix.Poll(fds, int(patience.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 || fds[0].Revents&unix.POLLERR == 0 {
			t.Fatalf("no ICMP error came: poll gives %d, %v", n, err)
		}
		return
	}
}

func TestPendingErrorLosesNoPacket(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		tx := a.transmitter(t, single(v6))
		rx := b.listen(t, ReceiverConfig{V6: v6, Port: port})
		for i := range 4 { // within the peer's burst of ICMP errors
			send(t, tx, encap.SendOK, packet(b.addr(v6), 4000, "nobody listens"))
			awaitError(t, tx)
			text := fmt.Sprint("after error ", i)
			send(t, tx, encap.SendOK, packet(b.addr(v6), port, text), packet(b.addr(v6), port, "next"))
			g := receive(t, rx, 0, 2)
			if g[0].payload != payloadOf(text) || g[1].payload != payloadOf("next") {
				t.Fatalf("received %+v", g)
			}
		}
	})
}

func TestUnreachableAndRecovery(t *testing.T) {
	for _, c := range []struct {
		v6  bool
		dst string
	}{{false, "198.51.100.9"}, {true, "2001:db8:9::9"}} {
		a, b := newWire(t)
		dst := netip.MustParseAddr(c.dst)
		check(t, b.AddAddr("lo", netip.PrefixFrom(dst, dst.BitLen())))
		rx := b.listen(t, ReceiverConfig{V6: c.v6, Port: port})
		tx := a.transmitter(t, TransmitterConfig{V6: c.v6})
		send(t, tx, encap.SendUnreachable, packet(dst, port, "1"), packet(dst, port, "2"))
		send(t, tx, encap.SendOK, packet(b.addr(c.v6), port, "reachable"))
		a.do(t, func() error {
			if _, err := RouteTo(dst, ""); err == nil {
				t.Errorf("route to %s", dst)
			}
			return nil
		})
		check(t, a.AddRoute(lab.Route{Dst: netip.PrefixFrom(dst, dst.BitLen()), Via: b.addr(c.v6)}))
		send(t, tx, encap.SendOK, packet(dst, port, "3"))
		if g := receive(t, rx, 0, 2); g[0].payload != payloadOf("reachable") || g[1].payload != payloadOf("3") {
			t.Errorf("received %+v", g)
		}
		check(t, a.SetUp("eth0", false))
		send(t, tx, encap.SendUnreachable, packet(dst, port, "4"))
	}
}

func TestFirewallRefuses(t *testing.T) {
	a, _ := newWire(t)
	dst := netip.MustParseAddr("198.51.100.9")
	a.do(t, func() error {
		return netlink.RouteAdd(&netlink.Route{Dst: ipNet(netip.PrefixFrom(dst, 32)), Type: unix.RTN_PROHIBIT})
	})
	tx := a.transmitter(t, TransmitterConfig{})
	send(t, tx, encap.SendRefused, packet(dst, port, "prohibited"))
}

func TestPortInUse(t *testing.T) {
	holders := map[string]func(t *testing.T, h *host, v6 bool){
		"kernel vxlan": func(t *testing.T, h *host, v6 bool) {
			h.do(t, func() error {
				remote := net.ParseIP("192.0.2.9")
				if v6 {
					remote = net.ParseIP("2001:db8::9")
				}
				vxlan := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "vxlan0"}, VxlanId: 1, Port: int(port), Group: remote}
				if err := netlink.LinkAdd(vxlan); err != nil {
					return err
				}
				return netlink.LinkSetUp(vxlan)
			})
		},
		"process": func(t *testing.T, h *host, v6 bool) {
			h.do(t, func() error {
				c, err := net.ListenUDP("udp", &net.UDPAddr{IP: h.addr(v6).AsSlice(), Port: int(port)})
				if err == nil {
					t.Cleanup(func() { c.Close() })
				}
				return err
			})
		},
		"receiver": func(t *testing.T, h *host, v6 bool) {
			h.listen(t, ReceiverConfig{Local: h.addr(v6), V6: v6, Port: port, Workers: 2})
		},
	}
	for name, hold := range holders {
		t.Run(name, func(t *testing.T) {
			eachFamily(t, func(t *testing.T, v6 bool) {
				a, _ := newWire(t)
				hold(t, a, v6)
				for _, cfg := range []ReceiverConfig{{}, {Local: a.addr(v6)}, {Workers: 2}} {
					cfg.V6, cfg.Port = v6, port
					_, err := a.tryListen(cfg)
					wantError(t, err, ErrPortInUse, "4789", "kernel vxlan", "ip -d link show type vxlan")
				}
				a.listen(t, ReceiverConfig{V6: v6, Port: 4790})
			})
		})
	}
}

func TestBadConfigurations(t *testing.T) {
	a, _ := newWire(t)
	for _, c := range []struct {
		cfg   ReceiverConfig
		words string
	}{
		{ReceiverConfig{Device: "nonesuch"}, `no interface "nonesuch"`},
		{ReceiverConfig{Local: a.v6}, "other IP version"},
		{ReceiverConfig{Local: a.v4, V6: true}, "other IP version"},
		{ReceiverConfig{Group: a.v4}, "not a multicast address"},
		{ReceiverConfig{Group: netip.MustParseAddr("ff05::1")}, "other IP version"},
		{ReceiverConfig{Local: netip.MustParseAddr("224.1.1.1")}, "multicast"},
		{ReceiverConfig{Group: netip.MustParseAddr("224.1.1.1"), Interface: 999}, "interface 999"},
		{ReceiverConfig{Workers: -1}, "-1 workers"},
		{ReceiverConfig{V6: true, Local: netip.MustParseAddr("fe80::1%nonesuch")}, "nonesuch"},
	} {
		_, err := a.tryListen(c.cfg)
		wantError(t, err, nil, "underlay: listen on", c.words)
	}
	for _, c := range []struct {
		cfg   TransmitterConfig
		words string
	}{
		{TransmitterConfig{Device: "nonesuch"}, `no interface "nonesuch"`},
		{TransmitterConfig{Local: a.v6}, "other IP version"},
		{TransmitterConfig{SrcPortMin: 9, SrcPortMax: 8}, "no range"},
		{TransmitterConfig{SrcPortMax: 8}, "no range"},
		{TransmitterConfig{Sockets: -1}, "-1 sockets"},
		{TransmitterConfig{MulticastInterface: 999}, "interface 999"},
	} {
		err := a.Do(func() error { _, err := OpenTransmitter(c.cfg); return err })
		wantError(t, err, nil, "underlay: transmitter", c.words)
	}
	a.do(t, func() error {
		eth0, err := InterfaceByName("eth0")
		if err == nil && !reflect.DeepEqual(eth0, Interface{Index: a.index, MTU: 1600, Over: []Lower{{Index: a.index, MTU: 1600}}}) {
			t.Errorf("eth0 is %+v", eth0)
		}
		_, missing := InterfaceByName("nonesuch")
		wantError(t, missing, nil, `no interface "nonesuch"`)
		return err
	})
}

// payload is a gopacket layer of plain bytes.
func payload(b []byte) gopacket.Payload { return gopacket.Payload(b) }

// TestNoDestination: a packet to nobody is refused, and not sent to this host, which is
// what the kernel takes the unspecified address for.
func TestNoDestination(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, _ := newWire(t)
		p := packet(a.addr(v6), port, "x")
		p.Dst = encap.Addr{}
		send(t, a.transmitter(t, single(v6)), encap.SendRefused, p)
	})
}

// TestUndisturbed: a message that reports of ICMP errors kept from leaving is offered where there are no such reports,
// once more where one was pending still, and leaves once.
func TestUndisturbed(t *testing.T) {
	for name, pending := range map[string]int{"no report is left": staleTries, "one is pending": staleTries + 1, "some are": staleTries + 3} {
		t.Run(name, func(t *testing.T) {
			a, b := newWire(t)
			rx := b.listen(t, ReceiverConfig{Port: port})
			tx := a.transmitter(t, single(false))
			c, n := record(tx), 0
			c.refuse = func(*unix.Msghdr) unix.Errno {
				if n++; n <= pending {
					return unix.ECONNREFUSED
				}
				return 0
			}
			send(t, tx, encap.SendOK, packet(b.v4, port, "kept"))
			if c.calls != pending+1 {
				t.Errorf("%d calls, want %d", c.calls, pending+1)
			}
			c.refuse = nil
			send(t, tx, encap.SendOK, packet(b.v4, port, "the next"))
			if got := receive(t, rx, 0, 2); got[0].payload != payloadOf("kept") || got[1].payload != payloadOf("the next") {
				t.Errorf("received %+v", got)
			}
		})
	}
}
