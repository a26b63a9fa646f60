package underlay

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
)

// compare runs two ways to do the same n units of work in turn and reports the
// median cost of each and how many times faster the second is. A comparison
// within one process survives a busy machine, which absolute figures do not.
func compare(b *testing.B, n int, slow, fast func()) {
	b.Helper()
	ways := [2]func(){slow, fast}
	var took [2][]time.Duration
	slow()
	fast()
	b.ReportAllocs()
	for b.Loop() {
		for i, way := range ways {
			start := time.Now()
			way()
			took[i] = append(took[i], time.Since(start))
		}
	}
	var median [2]float64
	for i, t := range took {
		slices.Sort(t)
		median[i] = float64(t[len(t)/2]) / float64(n)
	}
	b.ReportMetric(median[0], "ns-single")
	b.ReportMetric(median[1], "ns-joined")
	b.ReportMetric(median[0]/median[1], "times-faster")
}

// lanes are a transmitter without UDP_SEGMENT and one with, each to a receiver
// of its own without and with UDP_GRO.
type lanes struct {
	tx [2]*Transmitter
	rx [2]*Receiver
}

func newLanes(b *testing.B, a, to *host, cfg TransmitterConfig) *lanes {
	b.Helper()
	l := &lanes{}
	for i := range l.tx {
		cfg.NoSegment = i == 0
		if cfg.Sockets == 1 {
			cfg.SrcPortMin, cfg.SrcPortMax = 50000+uint16(i), 50000+uint16(i)
		}
		l.tx[i] = a.transmitter(b, cfg)
		l.rx[i] = to.listen(b, ReceiverConfig{NoGRO: i == 0, Port: port + uint16(i)})
	}
	return l
}

// through sends p by lane i and reads the datagrams that it makes.
func (l *lanes) through(b *testing.B, i int, p []encap.Packet, datagrams int) func() {
	d := make([]encap.Datagram, 64)
	p = slices.Clone(p)
	for k := range p {
		p[k].Port = port + uint16(i)
	}
	return func() {
		if err := l.tx[i].WriteBatch(p); err != nil {
			b.Fatal(err)
		}
		for n := 0; n < datagrams; {
			k, err := l.rx[i].ReadBatch(0, d)
			if err != nil {
				b.Fatal(err)
			}
			for _, d := range d[:k] {
				if d.SegSize == 0 {
					n++
				} else {
					n += (len(d.Payload) + int(d.SegSize) - 1) / int(d.SegSize)
				}
			}
		}
	}
}

type wire struct {
	name string
	plug func(testing.TB) (*host, *host)
}

// wires carry joined datagrams whole, or have the kernel cut them first.
func wires() []wire { return []wire{{"veth", newFastWire}, {"veth-tx-off", newWire}} }

// BenchmarkOffloads compares joined messages with single ones, sent over a
// veth pair and read at its other end. Units are datagrams.
func BenchmarkOffloads(b *testing.B) {
	for _, wire := range wires() {
		b.Run(wire.name, func(b *testing.B) {
			a, to := wire.plug(b)
			for _, c := range []struct{ flows, sockets int }{{1, 64}, {64, 64}, {64, 16}, {64, 8}} {
				b.Run(fmt.Sprintf("64B-%d-flows-%d-sockets", c.flows, c.sockets), func(b *testing.B) {
					l := newLanes(b, a, to, TransmitterConfig{Sockets: c.sockets})
					p, _ := texts(to.v4, repeat(64, 64)...)
					for i := range p {
						p[i].Hash = uint32(i%c.flows) << 26
					}
					compare(b, len(p), l.through(b, 0, p, len(p)), l.through(b, 1, p, len(p)))
				})
			}
			for _, k := range []struct {
				name   string
				n, seg int
			}{{"superframe-64KB", 43 * 1448, 1448}, {"superframe-32x18B", 32 * 18, 18}} {
				b.Run(k.name, func(b *testing.B) {
					l := newLanes(b, a, to, TransmitterConfig{})
					p := []encap.Packet{framePacket(to.v4, port, inner{udp: true}.superframe(b, k.n, k.seg))}
					compare(b, k.n/k.seg, l.through(b, 0, p, k.n/k.seg), l.through(b, 1, p, k.n/k.seg))
				})
			}
		})
	}
}

// BenchmarkFlood floods frames to 100 remotes, sending alone: the far end has
// no socket for them and drops them early.
func BenchmarkFlood(b *testing.B) {
	const remotes = 100
	remote := func(r int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + r)}) }
	var small, large []encap.Frame
	for i := range 64 {
		small = append(small, encap.Frame{Data: fmt.Appendf(nil, "%064d", i)})
	}
	for range 4 {
		large = append(large, inner{}.superframe(b, 11*1448, 1448))
	}
	for _, wire := range wires() {
		for _, c := range []struct {
			name    string
			frames  []encap.Frame
			inOrder bool // remote by remote
		}{{"1x64B", small[:1], false}, {"64x64B", small, false}, {"64x64B-by-remote", small, true}, {"4x16KB", large, false}} {
			b.Run(wire.name+"/"+c.name, func(b *testing.B) {
				a, to := wire.plug(b)
				for r := range remotes {
					addNeighbour(b, a, remote(r), to)
				}
				l := newLanes(b, a, to, TransmitterConfig{Sockets: 1})
				var p []encap.Packet
				n := len(c.frames)
				for i := range n * remotes {
					f, r := i/remotes, i%remotes
					if c.inOrder {
						r, f = i/n, i%n
					}
					p = append(p, framePacket(remote(r), 9, c.frames[f]))
				}
				compare(b, len(p), l.through(b, 0, p, 0), l.through(b, 1, p, 0))
			})
		}
	}
}

// BenchmarkReadLimit compares recvmmsg of as many 64 KiB messages as there are
// with as few as the caches hold, where every byte is read again.
func BenchmarkReadLimit(b *testing.B) {
	for _, limit := range []int{4, 8, 16, 32} {
		b.Run(fmt.Sprintf("64-against-%d", limit), func(b *testing.B) {
			a, to := newFastWire(b)
			rx := to.listen(b, ReceiverConfig{Port: port})
			tx := a.transmitter(b, TransmitterConfig{})
			p := make([]encap.Packet, 40)
			for i := range p {
				p[i] = framePacket(to.v4, port, inner{udp: true}.superframe(b, 43*1448, 1448))
			}
			d := make([]encap.Datagram, 64)
			var sink uint16
			read := func(limit int) func() {
				return func() {
					if err := tx.WriteBatch(p); err != nil {
						b.Fatal(err)
					}
					for n := 0; n < len(p); {
						rx.readers[0].step = limit
						k, err := rx.ReadBatch(0, d)
						if err != nil {
							b.Fatal(err)
						}
						for _, d := range d[:k] {
							sink += encap.Sum(d.Payload)
						}
						n += k
					}
				}
			}
			compare(b, len(p), read(64), read(limit))
		})
	}
}
