package tunnelgso

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/underlay"
)

// patience bounds every wait for something that must happen.
const patience = 20 * time.Second

// host is a host of the lab with eth0, IPv4 192.0.2.N and IPv6 2001:db8::N.
type host struct {
	*lab.Host
	v4, v6 netip.Addr
}

func (h *host) addr(v6 bool) netip.Addr {
	if v6 {
		return h.v6
	}
	return h.v4
}

func check(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

func newHost(t testing.TB, l *lab.Lab, n byte) *host {
	t.Helper()
	h := must(l.Host(fmt.Sprint("host", n)))(t)
	return &host{h, netip.AddrFrom4([4]byte{192, 0, 2, n}), netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: n})}
}

// meet gives both hosts their addresses on dev, and each the other as a neighbour.
func meet(t testing.TB, dev string, a, b *host) {
	t.Helper()
	for _, h := range []*host{a, b} {
		check(t, h.AddAddr(dev, netip.PrefixFrom(h.v4, 24), netip.PrefixFrom(h.v6, 64)))
	}
	for _, h := range [][2]*host{{a, b}, {b, a}} {
		mac := must(h[1].MAC(dev))(t)
		check(t, h[0].SetNeighbour(dev, h[1].v4, mac), h[0].SetNeighbour(dev, h[1].v6, mac))
	}
}

// newWire makes two hosts on a switch whose port to the second cuts what passes, as a wire would carry it.
func newWire(t testing.TB) (a, b *host) {
	t.Helper()
	l := lab.ForTest(t)
	a, b = newHost(t, l, 1), newHost(t, l, 2)
	s := must(l.Switch(lab.WireOptions{MTU: 1600}, a.Host, b.Host))(t)
	check(t, s.Host.SetOffload(s.Ports[1], map[string]bool{"tx": false}))
	meet(t, "eth0", a, b)
	return a, b
}

// way opens a way on h and follows paths until the test ends.
func (h *host) way(t testing.TB, mode Mode) *Way {
	t.Helper()
	var w *Way
	check(t, h.Do(func() error { w = Open(mode); return nil }))
	w.every = 20 * time.Millisecond
	done := make(chan struct{})
	var follower sync.WaitGroup
	follower.Go(func() { _ = h.Do(func() error { w.Follow(done); return nil }) })
	t.Cleanup(func() {
		close(done)
		follower.Wait()
		check(t, w.Close())
	})
	return w
}

// transmitter opens a transmitter of which w is the way; nil: it has sockets alone.
func (h *host) transmitter(t testing.TB, w *Way, c underlay.TransmitterConfig) interface {
	WriteBatch([]encap.Packet) error
	Offloads() underlay.Offloads
	PathMTU(encap.Addr) (int, bool)
	TakeErrors() []underlay.ICMPError
	Close() error
} {
	t.Helper()
	c.Sockets, c.SrcPortMin, c.SrcPortMax = 2, 50000, 50001
	var tx *underlay.Transmitter
	check(t, h.Do(func() (err error) { tx, err = underlay.OpenTransmitter(c); return err }))
	t.Cleanup(func() { _ = tx.Close() })
	if w == nil {
		return tx
	}
	return w.Transmitter(tx, &c)
}

const port = 4789

// super is a packet with a superframe of n bytes of TCP payload, seg a segment.
func super(t testing.TB, dst netip.Addr, v6 bool, n, seg int) encap.Packet {
	t.Helper()
	body := make([]byte, n)
	for i := range body {
		body[i] = byte(i ^ i>>8 ^ seg)
	}
	eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
	o := encap.Offload{Kind: encap.GSOTCPv4, Csum: encap.CsumPartial, SegSize: uint16(seg), CsumStart: 34, CsumOffset: 16}
	ip4 := &layers.IPv4{Version: 4, TTL: 64, Id: 0xfffe, Protocol: layers.IPProtocolTCP, SrcIP: net.IP{198, 51, 100, 1}, DstIP: net.IP{198, 51, 100, 2}}
	var ip gopacket.SerializableLayer = ip4
	if v6 {
		eth.EthernetType, o.Kind, o.CsumStart = layers.EthernetTypeIPv6, encap.GSOTCPv6, 54
		ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: net.ParseIP("2001:db8:1::1"), DstIP: net.ParseIP("2001:db8:1::2")}
	}
	tcp := &layers.TCP{SrcPort: 1000, DstPort: 2000, Seq: 1<<32 - 5000, ACK: true, PSH: true, FIN: true, CWR: true, Window: 1000,
		Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindNop}, {OptionType: layers.TCPOptionKindNop},
			{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: make([]byte, 8)}}}
	o.ECN = true
	b := gopacket.NewSerializeBuffer()
	check(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: !v6}, eth, ip, unsummed{tcp}, gopacket.Payload(body)))
	data := b.Bytes()
	in := encap.ParseInner(data)
	binary.BigEndian.PutUint16(data[in.L4+16:], encap.PseudoSum(data, &in, len(data)-int(in.L4)))
	return vxlan(dst, encap.Frame{Data: data, Offload: o})
}

// unsummed is a TCP layer whose checksum is not made.
type unsummed struct{ *layers.TCP }

func (u unsummed) SerializeTo(b gopacket.SerializeBuffer, o gopacket.SerializeOptions) error {
	o.ComputeChecksums = false
	return u.TCP.SerializeTo(b, o)
}

// small is a packet with an ordinary frame that says text.
func small(dst netip.Addr, text string) encap.Packet {
	return vxlan(dst, encap.Frame{Data: append([]byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x88\xb5"), text...)})
}

func vxlan(dst netip.Addr, f encap.Frame) encap.Packet {
	return encap.Packet{Frame: f, Header: [encap.HeaderLen]byte{0x08, 6: 42}, Dst: encap.AddrFrom(dst), Port: port, Hash: 1 << 31}
}

// send sends p, and fails unless all of it left.
func send(t testing.TB, tx interface{ WriteBatch([]encap.Packet) error }, p ...encap.Packet) {
	t.Helper()
	check(t, tx.WriteBatch(p))
	for i := range p {
		if p[i].Result != encap.SendOK {
			t.Fatalf("packet %d: result %d", i, p[i].Result)
		}
	}
}

// opened sends superframes to dst until they leave whole, or, where why is not "", do not for a reason that has why.
func opened(t testing.TB, tx interface {
	WriteBatch([]encap.Packet) error
	Offloads() underlay.Offloads
}, dst netip.Addr, why string) {
	t.Helper()
	err := lab.Eventually(patience, func() error {
		check(t, tx.WriteBatch([]encap.Packet{super(t, dst, false, 3000, 1000)}))
		if o := tx.Offloads(); o.Tunnel == (why != "") || !contains(o.TunnelReason, why) {
			return fmt.Errorf("on %v, refused %v: %q, want %q", o.Tunnel, o.TunnelRefused, o.TunnelReason, why)
		}
		return nil
	})
	check(t, err)
}

func contains(s, part string) bool {
	if part == "" {
		return s == ""
	}
	for i := range len(s) - len(part) + 1 {
		if s[i:i+len(part)] == part {
			return true
		}
	}
	return false
}

// datagrams waits for n packets to the VXLAN port and returns them as they were on the wire.
func datagrams(t testing.TB, c *lab.Capture, n int) (all [][]byte) {
	t.Helper()
	err := lab.Eventually(patience, func() error {
		all = nil
		for _, p := range c.Packets() {
			if at, ok := udpPayload(p.Data); ok && binary.BigEndian.Uint16(p.Data[at-6:]) == port {
				all = append(all, p.Data)
			}
		}
		if len(all) < n {
			return fmt.Errorf("%d datagrams of %d", len(all), n)
		}
		return nil
	})
	check(t, err)
	must(c.Stop())(t)
	if len(all) != n {
		t.Fatalf("%d datagrams, want %d", len(all), n)
	}
	return all
}

// udpPayload is where the UDP payload of an Ethernet frame begins.
func udpPayload(b []byte) (int, bool) {
	in := encap.ParseInner(b)
	return int(in.L4) + udpLen, in.Proto == encap.ProtoUDP && in.L4 != 0
}

var errAgain = errors.New("not yet")
