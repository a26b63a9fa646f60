package txring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/underlay"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

const port = 4789

var errAgain = errors.New("not yet")

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

// newWire makes two hosts on a wire. The first computes checksums before packets are on it.
func newWire(t testing.TB) (a, b *host) {
	t.Helper()
	l := lab.ForTest(t)
	a, b = newHost(t, l, 1), newHost(t, l, 2)
	must(l.Wire(a.Host, b.Host, lab.WireOptions{MTU: 1600, NameA: "eth0", NameB: "eth0"}))(t)
	check(t, a.SetOffload("eth0", map[string]bool{"tx": false}))
	meet(t, "eth0", a, b)
	return a, b
}

// never is a time between looks that no test lives for.
const never = time.Hour

// rings opens rings on h, which look at paths every so often, until the test ends.
func (h *host) rings(t testing.TB, mode Mode, every time.Duration) *Rings {
	t.Helper()
	var r *Rings
	check(t, h.Do(func() error { r = Open(mode); return nil }))
	r.every = every
	for _, b := range r.batches {
		b.seed = 0x9e3779b97f4a7c15 // by a random one, two flows of eight meet in the table once in 300 times
	}
	done := make(chan struct{})
	var follower sync.WaitGroup
	follower.Go(func() { _ = h.Do(func() error { r.Follow(done); return nil }) })
	t.Cleanup(func() {
		close(done)
		follower.Wait()
		check(t, r.Close())
	})
	return r
}

// transmitter opens a transmitter of r; nil: it has sockets alone.
func (h *host) transmitter(t testing.TB, r *Rings, c underlay.TransmitterConfig) Behind {
	t.Helper()
	c.Sockets, c.SrcPortMin, c.SrcPortMax = 2, 50000, 50001
	var tx *underlay.Transmitter
	check(t, lab.Eventually(patience, func() error { // a program of another test has an earlier one's sockets between fork and exec
		return h.Do(func() (err error) { tx, err = underlay.OpenTransmitter(c); return err })
	}))
	t.Cleanup(func() { _ = tx.Close() })
	if r == nil {
		return tx
	}
	return r.Transmitter(tx, tx.Ports(), &c)
}

// flows are n packets to dst that cannot be joined: each is of a VNI of its own, from 1 on.
func flows(dst netip.Addr, n, size int) []encap.Packet {
	all := make([]encap.Packet, n)
	for i := range all {
		all[i] = one(dst, i+1, strings.Repeat(string(rune('a'+i%26)), size+i%3))
	}
	return all
}

// one is a packet with a frame that ends with text.
func one(dst netip.Addr, vni int, text string) encap.Packet {
	p := encap.Packet{
		Frame: encap.Frame{Data: append([]byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x88\xb5"), text...)},
		Dst:   encap.AddrFrom(dst), Port: port, Hash: uint32(vni) << 28,
	}
	p.Header[0] = 0x08
	binary.BigEndian.PutUint32(p.Header[4:], uint32(vni)<<8)
	return p
}

// send sends p, fails unless all of it left, and returns how many packets left by a ring.
func send(t testing.TB, tx Behind, p ...encap.Packet) uint64 {
	t.Helper()
	before := tx.Offloads().Ringed
	check(t, tx.WriteBatch(p))
	for i := range p {
		if p[i].Result != encap.SendOK {
			t.Fatalf("packet %d: result %d", i, p[i].Result)
		}
	}
	return tx.Offloads().Ringed - before
}

// ringed sends packets to dst until all leave by a ring, or, where why is not "", none does for a reason that has why.
func ringed(t testing.TB, tx Behind, dst netip.Addr, why string) {
	t.Helper()
	check(t, lab.Eventually(patience, func() error {
		before := tx.Offloads().Ringed
		check(t, tx.WriteBatch(flows(dst, 8, 50)))
		o := tx.Offloads()
		switch n := o.Ringed - before; {
		case why == "" && n < 7: // or one, whose turn it is, by a socket
		case why != "" && (n > 0 || o.Ring || !strings.Contains(o.RingReason, why)):
		default:
			return nil
		}
		return fmt.Errorf("%w: want %q, %d of 8, %+v", errAgain, why, o.Ringed-before, o)
	}))
}

// datagrams waits for n packets to the VXLAN port and returns them as they were on the wire, by VNI.
func datagrams(t testing.TB, c *lab.Capture, n int) map[int][][]byte {
	t.Helper()
	var all map[int][][]byte
	got := 0
	check(t, lab.Eventually(patience, func() error {
		all, got = make(map[int][][]byte), 0
		for _, p := range c.Packets() {
			if vni, ok := vniOf(p.Data); ok {
				all[vni] = append(all[vni], p.Data)
				got++
			}
		}
		if got < n {
			return fmt.Errorf("%d datagrams of %d", got, n)
		}
		return nil
	}))
	must(c.Stop())(t)
	if got != n {
		t.Fatalf("%d datagrams, want %d", got, n)
	}
	return all
}

// vniOf is the VNI of an Ethernet frame with a VXLAN packet.
func vniOf(b []byte) (int, bool) {
	in := encap.ParseInner(b)
	at := int(in.L4)
	if in.Proto != encap.ProtoUDP || at == 0 || len(b) < at+udpLen+encap.HeaderLen || binary.BigEndian.Uint16(b[at+2:]) != port {
		return 0, false
	}
	return int(binary.BigEndian.Uint32(b[at+udpLen+4:]) >> 8), true
}

func eachFamily(t *testing.T, fn func(t *testing.T, v6 bool)) {
	t.Run("IPv4", func(t *testing.T) { t.Parallel(); fn(t, false) })
	t.Run("IPv6", func(t *testing.T) { t.Parallel(); fn(t, true) })
}
