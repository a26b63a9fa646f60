package conformance

import (
	"bytes"
	"testing"

	"github.com/uvtep/uvtep/vtep/forward"
)

// TestN1OwnPackets: a packet of the daemon's own that comes out of the link again,
// as it does where a route to a remote leads through the tunnel, is dropped, and
// what resembles one passes.
func TestN1OwnPackets(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		for _, words := range []string{f.words(), "remote " + f.peers[0].String()} { // the source given, and the route's
			t.Run(words, func(t *testing.T) {
				r := newRig(t, f)
				r.start("id 42", words)
				p := r.emit(frameTo(broadcast))
				own := append(bytes.Clone(frameTo(farMAC)[:12]), p.data[12:]...)
				r.keeps(forward.TxLoop, own)
				if tagged := append(bytes.Clone(own[:12]), append([]byte{0x81, 0, 0, 7}, own[12:]...)...); len(tagged) > 0 {
					r.keeps(forward.TxLoop, tagged)
				}
				to := outer{dstMAC: mac(farMAC), srcMAC: mac(hostMAC), src: f.local.Addr(), dst: f.peers[0], sport: p.sport, dport: 4789}
				to.payload = append(vxlanHeader(42), frameTo(broadcast)...)
				for what, edit := range map[string]func(o *outer){
					"of another host":   func(o *outer) { o.src = f.peers[2]; o.dst = f.peers[3] },
					"from another port": func(o *outer) { o.sport = 1234 },
					"that is no VXLAN":  func(o *outer) { o.payload = make([]byte, 50) },
				} {
					other := to
					edit(&other)
					b := other.bytes()
					r.inject(b)
					if p := r.next(); !bytes.Equal(p.frame, b) {
						t.Errorf("a packet %s: sent %s", what, describe(p.frame))
					}
				}
			})
		}
	})
}
