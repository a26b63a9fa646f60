package conformance

import (
	"testing"

	"github.com/uvtep/uvtep/api"
)

// TestN2PortUnreachable: what ICMP says of packets to a remote is counted and told,
// although nothing more is sent, and changes nothing.
func TestN2PortUnreachable(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		p := r.emit(frameTo(broadcast))
		r.send(r.portUnreachable(p))
		var got api.Trouble
		r.until("tell of the trouble", func() bool {
			l := must(r.client.Link(r.Context(), "vxlan0"))(t)
			if len(l.Trouble) == 1 {
				got = l.Trouble[0]
			}
			return len(l.Trouble) == 1
		})
		if want := (api.Trouble{Dst: f.peers[0], Port: 4789, What: "port-unreachable", Count: 1, Now: true}); got != want {
			t.Errorf("the trouble is %+v, want %+v", got, want)
		}
		for range 5 {
			r.emit(frameTo(broadcast))
		}
		if s := r.stats(); s.Tx.Errors+s.Tx.Dropped != 0 {
			t.Errorf("packets were lost: %+v", s)
		}
	})
}
