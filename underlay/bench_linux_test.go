package underlay

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// BenchmarkWriteReadBatch sends over the loopback to a port that the receiver of
// the same batch reads, so that it measures system calls and the package, not
// drops.
func BenchmarkWriteReadBatch(b *testing.B) {
	local := netip.MustParseAddr("127.0.0.1")
	for _, flows := range []int{1, 64} {
		for _, size := range []int{64, 1400} {
			b.Run(fmt.Sprintf("%d-flows/%dB", flows, size), func(b *testing.B) {
				rx, err := Listen(ReceiverConfig{Local: local, NoGRO: true}) // a message is a datagram
				if err != nil {
					b.Fatal(err)
				}
				defer rx.Close()
				tx, err := OpenTransmitter(TransmitterConfig{Local: local})
				if err != nil {
					b.Fatal(err)
				}
				defer tx.Close()
				p := make([]encap.Packet, 64)
				for i := range p {
					p[i] = packet(local, rx.LocalPort(), string(make([]byte, size)))
					p[i].Hash = uint32(i%flows) << 26
				}
				d := make([]encap.Datagram, 64)
				b.SetBytes(int64(len(p) * size))
				b.ReportAllocs()
				for b.Loop() {
					if err := tx.WriteBatch(p); err != nil {
						b.Fatal(err)
					}
					for n := 0; n < len(p); {
						k, err := rx.ReadBatch(0, d)
						if err != nil {
							b.Fatal(err)
						}
						n += k
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(p)), "ns/packet")
			})
		}
	}
}

// addNeighbour lets h reach dst at the peer.
func addNeighbour(tb testing.TB, h *host, dst netip.Addr, peer *host) {
	tb.Helper()
	check(tb, h.SetNeighbour("eth0", dst, peer.mac))
}
