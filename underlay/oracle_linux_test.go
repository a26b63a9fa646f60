package underlay

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// flow is what keeps its order: a source port and a remote.
type flow struct{ src, dst uint16 }

// TestRandomBatches compares random batches, sorted, joined, cut and, where
// the kernel refuses, split again, with the plain rule: each packet is its
// datagrams, one after the other.
func TestRandomBatches(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newFastWire(t)
		ports := []uint16{4001, 4002, 4003}
		rx := map[uint16]*Receiver{}
		for _, p := range ports {
			rx[p] = b.listen(t, ReceiverConfig{V6: v6, Port: p, NoGRO: p == 4002})
		}
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 0))
		for _, kernel := range []string{"as it is", "at most 64", "refuses", "refuses at times", "not asked"} {
			tx := a.transmitter(t, TransmitterConfig{V6: v6, Sockets: 5, NoSegment: kernel == "not asked"})
			seen := record(tx)
			switch kernel {
			case "at most 64":
				tx.segments.limit.Store(sureSegments)
			case "refuses", "refuses at times":
				seen.refuse = func(m *unix.Msghdr) unix.Errno {
					if joined(m) && (kernel == "refuses" || rnd.IntN(3) == 0) {
						return unix.EMSGSIZE // is not remembered, so it comes again
					}
					return 0
				}
			}
			// "not asked" is the transmitter with its offload switched off, as port 4002
			// is a receiver without: both sides of the comparison meet both.
			for range 12 {
				p, want := randomBatch(t, rnd, b.addr(v6), ports, tx.Ports())
				send(t, tx, encap.SendOK, p...)
				for port, r := range rx {
					n := 0
					for f, d := range want {
						if f.dst == port {
							n += len(d)
						}
					}
					have := map[flow][]string{}
					for _, g := range receive(t, r, 0, n) {
						f := flow{g.src.Port(), port}
						have[f] = append(have[f], g.payload)
					}
					for f, d := range have {
						if !slices.Equal(d, want[f]) {
							t.Fatalf("%s: flow %v: %d datagrams differ from %d", kernel, f, len(d), len(want[f]))
						}
					}
				}
			}
		}
	})
}

// randomBatch makes packets and what each flow must get.
func randomBatch(t *testing.T, rnd *rand.Rand, dst netip.Addr, ports, srcs []uint16) (p []encap.Packet, want map[flow][]string) {
	t.Helper()
	want = map[flow][]string{}
	var shared []encap.Frame
	for range 3 {
		seg := 1 + rnd.IntN(1400)
		shared = append(shared, inners()[rnd.IntN(4)].superframe(t, 1+rnd.IntN(min(30000, encap.MaxSegments*seg)), seg))
	}
	for i := range 1 + rnd.IntN(200) {
		q := packet(dst, ports[rnd.IntN(len(ports))], fmt.Sprintf("%06d", i)+strings.Repeat("x", rnd.IntN(3)*rnd.IntN(2)))
		if rnd.IntN(20) == 0 {
			q.Frame = shared[rnd.IntN(len(shared))]
		}
		q.Hash, q.TOS, q.TTL = rnd.Uint32N(3)<<30, uint8(rnd.IntN(8)/7), uint8(rnd.IntN(8)/7*9)
		f := flow{srcs[pick(q.Hash, len(srcs))], q.Port}
		if q.Frame.Offload.Kind == encap.GSONone {
			want[f] = append(want[f], payloadOf(string(q.Frame.Data)))
		} else {
			want[f] = append(want[f], datagrams(t, q.Frame)...)
		}
		p = append(p, q)
	}
	return p, want
}

// TestKernelVTEPTellsTheInnerSize is the trap that ReadBatch names: a kernel
// VTEP on the same host sends an inner UDP superframe as one datagram, and
// UDP_GRO tells the size of its inner payloads.
func TestKernelVTEPTellsTheInnerSize(t *testing.T) {
	a, b := newFastWire(t)
	rx := b.listen(t, ReceiverConfig{Port: port})
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	far := netip.MustParseAddr("198.51.100.2")
	a.do(t, func() error {
		vxlan := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "vxlan0", MTU: 1500}, VxlanId: 42, Port: int(port),
			Group: b.v4.AsSlice(), SrcAddr: a.v4.AsSlice(), UDPCSum: true}
		if err := netlink.LinkAdd(vxlan); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(vxlan); err != nil {
			return err
		}
		if err := a.AddAddr("vxlan0", netip.MustParsePrefix("198.51.100.1/24")); err != nil {
			return err
		}
		return netlink.NeighSet(&netlink.Neigh{LinkIndex: vxlan.Index, State: netlink.NUD_PERMANENT, IP: far.AsSlice(), HardwareAddr: mac})
	})
	body := strings.Repeat("0123456789", 1000)
	a.do(t, func() error {
		c, err := net.Dial("udp", netip.AddrPortFrom(far, 9).String())
		if err != nil {
			return err
		}
		defer c.Close()
		raw, err := c.(*net.UDPConn).SyscallConn()
		if err != nil {
			return err
		}
		if cerr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, 700) }); cerr != nil {
			return cerr
		}
		if err == nil {
			_, err = c.Write([]byte(body))
		}
		return err
	})
	watchdog := time.AfterFunc(patience, func() { _ = rx.Close() })
	defer watchdog.Stop()
	d := make([]encap.Datagram, 8)
	for {
		n, err := rx.ReadBatch(0, d)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range d[:n] {
			frame := d.Payload[encap.HeaderLen:]
			in := encap.ParseInner(frame)
			if in.Proto != encap.ProtoUDP || !strings.HasSuffix(string(frame), body) {
				continue // router solicitations and the like
			}
			if int(in.L3)+in.IPLen != len(frame) {
				t.Errorf("the inner packet has %d bytes of %d: not one frame", in.IPLen, len(frame))
			}
			if d.SegSize != 700 {
				t.Errorf("segment size %d, want that of the inner payloads, 700", d.SegSize)
			}
			return
		}
	}
}

func TestSuperframesDoNotAllocate(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newFastWire(t)
		rx := b.listen(t, ReceiverConfig{V6: v6, Port: port})
		for name, refuse := range map[string]func(m *unix.Msghdr) unix.Errno{
			"joined": nil,
			"split": func(m *unix.Msghdr) unix.Errno {
				if joined(m) {
					return unix.EMSGSIZE
				}
				return 0
			},
		} {
			tx := a.transmitter(t, TransmitterConfig{V6: v6})
			record(tx).refuse = refuse
			f := inner{}.superframe(t, 60000, 1448)
			p, want := texts(b.addr(v6), repeat(64, 40)...)
			p = append(p, framePacket(b.addr(v6), port, f), framePacket(b.addr(v6), port, f))
			total := 0
			for _, w := range append(want, append(datagrams(t, f), datagrams(t, f)...)...) {
				total += len(w)
			}
			d := make([]encap.Datagram, 64)
			watchdog := time.AfterFunc(patience, func() { _ = rx.Close() })
			if n := testing.AllocsPerRun(50, func() {
				if err := tx.WriteBatch(p); err != nil {
					t.Fatal(err)
				}
				for got := 0; got < total; {
					n, err := rx.ReadBatch(0, d)
					if err != nil {
						t.Fatal(err)
					}
					for _, d := range d[:n] {
						got += len(d.Payload)
					}
				}
			}); n != 0 {
				t.Errorf("%s: %v allocations a batch", name, n)
			}
			watchdog.Stop()
		}
	})
}
