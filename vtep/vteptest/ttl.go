package vteptest

import "github.com/uvtep/uvtep/vtep"

// hops: who asked is told the TTL, from the next read on.
func (w *wireTest) hops() {
	r, ok := w.Receiver.(vtep.TTLReceiver)
	if !ok {
		w.Fatal("the receiver cannot tell the TTL")
	}
	for n, asked := range []bool{false, true, true, false} {
		if n == 1 || n == 3 {
			if err := r.ReportTTL(asked); err != nil {
				w.Fatal(err)
			}
		}
		for _, ttl := range []uint8{7, 254} {
			p := w.packetTo(1, n, 100, uint32(n))
			p.TTL = ttl
			w.send(p)
			want := uint8(0)
			if asked {
				want = ttl
			}
			if a := w.receive(); a.TTL != want {
				w.Errorf("asked %v: TTL %d of a packet with TTL %d, want %d", asked, a.TTL, ttl, want)
			}
		}
	}
}
