package txring

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/underlay"
)

// TestBytes: what a packet is on the wire is, byte for byte, what it is by a socket.
func TestBytes(t *testing.T) {
	t.Parallel()
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		r := a.rings(t, Auto, never)
		for _, c := range []struct {
			name       string
			noChecksum bool
			tos, ttl   uint8
			label      uint32
		}{
			{name: "defaults", label: 7}, {name: "outer", tos: 0xe3, ttl: 9, label: encap.MaxFlowLabel},
			{name: "no checksum", noChecksum: true, ttl: 255, tos: 2, label: 1},
		} {
			cfg := underlay.TransmitterConfig{V6: v6, NoChecksum: c.noChecksum}
			const n = 20
			packets := func() []encap.Packet {
				p := flows(b.addr(v6), n, 100)
				p[n-1].Frame.Data = append(p[n-1].Frame.Data, bytes.Repeat([]byte{0xff}, 1300)...)
				for i := range p {
					if p[i].TOS, p[i].TTL = c.tos, c.ttl; v6 {
						p[i].FlowLabel = c.label
					}
				}
				return p
			}
			capture := func(ring bool) map[int][][]byte {
				var way *Rings
				if ring {
					way = r
				}
				tx := a.transmitter(t, way, cfg)
				if ring {
					ringed(t, tx, b.addr(v6), "")
					for send(t, tx, packets()...) != n { // of a DSCP of its own the first are not known
					}
				}
				wire := must(b.Capture("eth0", 0))(t)
				if got := send(t, tx, packets()...); (got == n) != ring {
					t.Fatalf("%s: %d packets left by a ring", c.name, got)
				}
				all := datagrams(t, wire, n)
				check(t, tx.Close())
				return all
			}
			socket, ring := capture(false), capture(true)
			for vni := range socket {
				if s, r := socket[vni], ring[vni]; len(s) != 1 || len(r) != 1 || !bytes.Equal(s[0], r[0]) {
					t.Errorf("%s: VNI %d differs:\n%x by a socket\n%x by a ring", c.name, vni, s, r)
				}
			}
		}
	})
}

// TestOrder: packets of a flow keep their order between both ways, and have one flow label.
func TestOrder(t *testing.T) {
	t.Parallel()
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		tx := a.transmitter(t, a.rings(t, Auto, never), underlay.TransmitterConfig{V6: v6})
		ringed(t, tx, b.addr(v6), "")
		wire := must(b.Capture("eth0", 0))(t)
		const batches = 40
		next, total, rung := make(map[int]int), 0, uint64(0)
		for i := range batches {
			var p []encap.Packet
			for vni := 1; vni <= 8; vni++ {
				for range 1 + (i+vni)%5/4 { // now one of a flow, now two
					p = append(p, one(b.addr(v6), vni, fmt.Sprintf("%04d", next[vni])))
					next[vni]++
				}
			}
			total += len(p)
			rung += send(t, tx, p...)
		}
		if rung == 0 || rung == uint64(total) {
			t.Fatalf("%d of %d left by a ring", rung, total)
		}
		labels := make(map[string]bool)
		for vni, all := range datagrams(t, wire, total) {
			for i, d := range all {
				if want := fmt.Sprintf("%04d", i); !bytes.HasSuffix(d, []byte(want)) {
					t.Fatalf("VNI %d: %q at the place of %s", vni, d[len(d)-4:], want)
				}
				if v6 {
					labels[fmt.Sprintf("%x %x", d[ethernetLen:ethernetLen+4], d[ethernetLen+ipv6Len:ethernetLen+ipv6Len+2])] = true
				}
			}
		}
		if v6 && len(labels) != 2 {
			t.Errorf("flow labels by source port: %v", labels)
		}
	})
}

// TestBurstsAreNotLookedAt: of calls whose packets are all joined one in eight is looked at, and packets that come alone afterwards
// leave by the ring again.
func TestBurstsAreNotLookedAt(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	tx := a.transmitter(t, a.rings(t, Auto, never), underlay.TransmitterConfig{})
	ringed(t, tx, b.addr(false), "")
	burst := slices.Repeat([]encap.Packet{one(b.addr(false), 1, strings.Repeat("x", 50))}, 32)
	singles := flows(b.addr(false), 8, 50)
	for range 3 {
		if n := send(t, tx, burst...); n != 0 {
			t.Errorf("%d packets of a flow left by a ring", n)
		}
		for call := range restingCalls + 1 {
			if n, rests := send(t, tx, singles...), call < restingCalls; rests != (n == 0) {
				t.Errorf("call %d after a burst: %d packets left by a ring", call, n)
			}
		}
	}
}

// TestSocketsTurn: each second the first datagram to a remote leaves by a socket, and no other.
func TestSocketsTurn(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	r := a.rings(t, Auto, never)
	tx := a.transmitter(t, r, underlay.TransmitterConfig{})
	ringed(t, tx, b.v4, "")
	for _, h := range *r.paths.at.Load() {
		h.state.Store(socketsTurn)
	}
	if n := send(t, tx, flows(b.v4, 8, 10)...); n != 7 {
		t.Errorf("%d of 8 left by a ring in a second's first batch", n)
	}
	if n := send(t, tx, flows(b.v4, 8, 10)...); n != 8 {
		t.Errorf("%d of 8 left by a ring in the next", n)
	}
}

// TestBySockets: what is unusual leaves by a socket.
func TestBySockets(t *testing.T) {
	t.Parallel()
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		tx := a.transmitter(t, a.rings(t, Auto, never), underlay.TransmitterConfig{V6: v6})
		ringed(t, tx, b.addr(v6), "")
		outer := ipv4Len + udpLen + encap.HeaderLen
		if v6 {
			outer = ipv6Len + udpLen + encap.HeaderLen
		}
		for name, c := range map[string]struct {
			change func(p []encap.Packet)
			n      uint64 // of five that leave by a ring
		}{
			"nothing":                    {func([]encap.Packet) {}, 5},
			"three that are alone":       {func(p []encap.Packet) { p[3].Header, p[3].Hash = p[4].Header, p[4].Hash }, 0},
			"as long as the path takes":  {func(p []encap.Packet) { p[0].Frame.Data = make([]byte, 1600-outer) }, 5},
			"longer than the path takes": {func(p []encap.Packet) { p[0].Frame.Data = make([]byte, 1601-outer) }, 4},
			"in pieces":                  {func(p []encap.Packet) { p[0].Frame.More = [][]byte{{1}} }, 4},
			"without a port":             {func(p []encap.Packet) { p[0].Port = 0 }, 4},
			"a superframe":               {func(p []encap.Packet) { p[0].Frame.Offload.Kind = encap.GSOUDP }, 4},
			"of the other family":        {func(p []encap.Packet) { p[0].Dst = encap.AddrFrom(b.addr(!v6)) }, 4},
		} {
			p := flows(b.addr(v6), 5, 10)
			c.change(p)
			before := tx.Offloads().Ringed
			check(t, tx.WriteBatch(p))
			if got := tx.Offloads().Ringed - before; got != c.n {
				t.Errorf("%s: %d of 5 left by a ring, want %d", name, got, c.n)
			}
		}
	})
}

// TestPriority: IPv4 packets whose TOS gives a socket's packets another priority in a device's queue leave by sockets.
func TestPriority(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	tx := a.transmitter(t, a.rings(t, Auto, never), underlay.TransmitterConfig{})
	ringed(t, tx, b.v4, "")
	for _, tos := range []int{0, 1, 2, 3, 4, 8, 0x10, 0x20, 0x28, 0xb8, 0xe0, 0xe3, 0xfc} {
		p := flows(b.v4, 5, 10)
		for i := range p {
			p[i].TOS = uint8(tos)
		}
		by := func() bool {
			var n uint64
			check(t, lab.Eventually(patience, func() error {
				if n = send(t, tx, p...); n != 5 && tos&tosPriority == 0 {
					return errAgain
				}
				return nil
			}))
			return n > 0
		}()
		if by != (tos&0x1c == 0) {
			t.Errorf("TOS %#x: by a ring %v", tos, by)
		}
	}
}

// TestTransmittersBySockets: without DF, and of a VRF, nothing leaves by a ring.
func TestTransmittersBySockets(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	r := a.rings(t, Auto, never)
	for why, c := range map[string]underlay.TransmitterConfig{"without DF": {DF: underlay.DFUnset}, "of a VRF": {Device: "eth0"}} {
		tx := a.transmitter(t, r, c)
		if n := send(t, tx, flows(b.v4, 8, 10)...); n != 0 || !strings.Contains(tx.Offloads().RingReason, why) {
			t.Errorf("%d left by a ring: %q", n, tx.Offloads().RingReason)
		}
		check(t, tx.Close())
	}
}

// TestAllocations: neither way costs an allocation.
func TestAllocations(t *testing.T) {
	a, b := newWire(t)
	tx := a.transmitter(t, a.rings(t, Auto, never), underlay.TransmitterConfig{})
	ringed(t, tx, b.v4, "")
	p := append(flows(b.v4, 8, 10), one(b.v4, 100, "x"), one(b.v4, 100, "y"))
	before := tx.Offloads().Ringed
	if n := testing.AllocsPerRun(200, func() { _ = tx.WriteBatch(p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if tx.Offloads().Ringed < before+200*8 {
		t.Error("they did not leave by a ring")
	}
}

// TestClosed: a closed transmitter sends nothing.
func TestClosed(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	tx := a.transmitter(t, a.rings(t, Auto, never), underlay.TransmitterConfig{})
	ringed(t, tx, b.v4, "")
	check(t, tx.Close())
	p := flows(b.v4, most+8, 10)
	if err := tx.WriteBatch(p); err == nil || p[0].Result != encap.SendRefused || p[most+7].Result != encap.SendRefused {
		t.Errorf("%v: results %d and %d", err, p[0].Result, p[most+7].Result)
	}
}

// TestManyPackets: more packets than a ring has slots leave by it.
func TestManyPackets(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	tx := a.transmitter(t, a.rings(t, Auto, never), underlay.TransmitterConfig{})
	ringed(t, tx, b.v4, "")
	wire := must(b.Capture("eth0", 128))(t)
	const n = 2*most + 100
	if got := send(t, tx, flows(b.v4, n, 10)...); got < n*3/4 { // some meet in the table of flows
		t.Errorf("%d of %d left by a ring", got, n)
	}
	if got := len(datagrams(t, wire, n)); got != n {
		t.Errorf("%d flows of %d", got, n)
	}
}
