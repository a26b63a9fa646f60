package underlay

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
)

// patience bounds every wait for something that must happen.
const patience = 5 * time.Second

// host is a host of the lab with eth0, one end of a wire. It has IPv4 192.0.2.N and
// IPv6 2001:db8::N and fe80::N, N being 1 or 2.
type host struct {
	*lab.Host
	v4    netip.Addr
	v6    netip.Addr
	link6 netip.Addr // link-local
	index int        // of eth0
	mac   net.HardwareAddr
}

// addr is the host's address of one IP version.
func (h *host) addr(v6 bool) netip.Addr {
	if v6 {
		return h.v6
	}
	return h.v4
}

// newWire makes two hosts joined by a wire without checksum offload, so that what is
// captured is what a wire would carry.
func newWire(t testing.TB) (a, b *host) {
	t.Helper()
	return plug(t, map[string]bool{"tx": false})
}

// newFastWire is newWire with veth's offloads: joined datagrams cross it whole.
func newFastWire(t testing.TB) (a, b *host) {
	t.Helper()
	return plug(t, nil)
}

func plug(t testing.TB, offload map[string]bool) (a, b *host) {
	t.Helper()
	l := lab.ForTest(t)
	a, b = newHost(t, l, 1), newHost(t, l, 2)
	_, err := l.Wire(a.Host, b.Host, lab.WireOptions{MTU: 1600, NameA: "eth0", NameB: "eth0", Offload: offload})
	check(t, err)
	for _, h := range []*host{a, b} {
		eth0, err := h.Link("eth0")
		check(t, err)
		h.index, h.mac = eth0.Attrs().Index, eth0.Attrs().HardwareAddr
		check(t, h.AddAddr("eth0", netip.PrefixFrom(h.v4, 24), netip.PrefixFrom(h.v6, 64), netip.PrefixFrom(h.link6, 64)))
	}
	a.meet(t, b)
	b.meet(t, a)
	return a, b
}

func newHost(t testing.TB, l *lab.Lab, n byte) *host {
	t.Helper()
	h, err := l.Host(fmt.Sprint("host", n))
	check(t, err)
	return &host{
		Host:  h,
		v4:    netip.AddrFrom4([4]byte{192, 0, 2, n}),
		v6:    netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: n}),
		link6: netip.AddrFrom16([16]byte{0xfe, 0x80, 15: n}),
	}
}

// meet makes traffic to the peer flow from the first packet on: a known neighbour
// needs no queue.
func (h *host) meet(t testing.TB, peer *host) {
	t.Helper()
	for _, ip := range []netip.Addr{peer.v4, peer.v6, peer.link6} {
		check(t, h.SetNeighbour("eth0", ip, peer.mac))
	}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// do runs fn on the host.
func (h *host) do(t testing.TB, fn func() error) {
	t.Helper()
	check(t, h.Do(fn))
}

func (h *host) tryListen(cfg ReceiverConfig) (r *Receiver, err error) {
	err = h.Do(func() error { r, err = Listen(cfg); return err })
	return r, err
}

func (h *host) listen(t testing.TB, cfg ReceiverConfig) *Receiver {
	t.Helper()
	r, err := h.tryListen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (h *host) transmitter(t testing.TB, cfg TransmitterConfig) *Transmitter {
	t.Helper()
	var tx *Transmitter
	h.do(t, func() (err error) { tx, err = OpenTransmitter(cfg); return err })
	t.Cleanup(func() {
		if err := tx.Close(); err != nil {
			t.Error(err)
		}
	})
	return tx
}

// got is a copy of a datagram.
type got struct {
	payload string
	src     netip.AddrPort
	tos     uint8
}

// receive reads n datagrams of worker w.
func receive(t *testing.T, r *Receiver, w, n int) []got {
	t.Helper()
	watchdog := time.AfterFunc(patience, func() { _ = r.Close() })
	defer watchdog.Stop()
	var all []got
	d := make([]encap.Datagram, 50)
	for len(all) < n {
		k, err := r.ReadBatch(w, d)
		if err != nil {
			t.Fatalf("after %d of %d datagrams: %v", len(all), n, err)
		}
		for _, d := range d[:k] {
			if cap(d.Payload) != len(d.Payload) {
				t.Errorf("payload of %d bytes has capacity %d", len(d.Payload), cap(d.Payload))
			}
			size := cmp.Or(int(d.SegSize), len(d.Payload), 1)
			for part := range slices.Chunk(d.Payload, size) {
				all = append(all, got{string(part), netip.AddrPortFrom(d.Src.Netip(), d.SrcPort), d.TOS})
			}
		}
	}
	return all
}

// packet is a packet to port of dst whose frame is text.
func packet(dst netip.Addr, port uint16, text string) encap.Packet {
	return encap.Packet{
		Frame:  encap.Frame{Data: []byte(text)},
		Header: encap.HeaderFor(42),
		Dst:    encap.AddrFrom(dst),
		Port:   port,
	}
}

// payloadOf is the UDP payload that packet(_, _, text) becomes.
func payloadOf(text string) string {
	h := encap.HeaderFor(42)
	return string(h[:]) + text
}

// send sends p, each of which must give want.
func send(t *testing.T, tx *Transmitter, want encap.SendResult, p ...encap.Packet) {
	t.Helper()
	for i := range p {
		p[i].Result = 99
	}
	if err := tx.WriteBatch(p); err != nil {
		t.Fatal(err)
	}
	for i := range p {
		if p[i].Result != want {
			t.Fatalf("packet %d: result %d, want %d", i, p[i].Result, want)
		}
	}
}

// capture sends and receives raw frames on a host's eth0.
type capture struct{ *lab.PacketSocket }

func (h *host) capture(t *testing.T) capture {
	t.Helper()
	s, err := h.OpenPacket("eth0")
	check(t, err)
	return capture{s}
}

// udp gives the next UDP packet with the payload that arrives.
func (c capture) udp(t *testing.T, payload string) (found gopacket.Packet) {
	t.Helper()
	_, err := c.WaitFor(func(p lab.Packet) bool {
		found = gopacket.NewPacket(p.Data, layers.LayerTypeEthernet, gopacket.Default)
		udp, ok := found.Layer(layers.LayerTypeUDP).(*layers.UDP)
		return ok && !p.Outgoing && string(udp.Payload) == payload
	}, patience)
	if err != nil {
		t.Fatalf("no packet with payload %q: %v", payload, err)
	}
	return found
}

// inject sends a frame made of layers.
func (c capture) inject(t *testing.T, ls ...gopacket.SerializableLayer) {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	check(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...))
	check(t, c.Send(b.Bytes()))
}

// eachFamily runs a test on IPv4 and on IPv6.
func eachFamily(t *testing.T, test func(t *testing.T, v6 bool)) {
	t.Helper()
	t.Run("IPv4", func(t *testing.T) { test(t, false) })
	t.Run("IPv6", func(t *testing.T) { test(t, true) })
}

// wantError checks the sentinel and words of an error, and that it is a line.
func wantError(t *testing.T, err, is error, words ...string) {
	t.Helper()
	if err == nil || (is != nil && !errors.Is(err, is)) {
		t.Fatalf("error %v, want %v", err, is)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	if strings.Count(err.Error(), "underlay:") > 1 || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q is not one line with its package once", err)
	}
}
