package vtep

import (
	"math/rand/v2"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// TestTrunkJoinsNoTenants: of two tenants on one trunk port, whose frames have the same
// headers, each gets its own: a segment that one sends is no part of the other's
// superframe, although it is the next.
func TestTrunkJoinsNoTenants(t *testing.T) {
	tw := newTwins(t, SameHost{}, "trunk0")
	rnd := rand.New(rand.NewPCG(1, 2))
	f := tenantFlow{peer: peer1, src: victim, tcp: true, sport: 1000, size: 100}
	var all []message
	for n := range 60 {
		f.vni = encap.VNI(42 + n/(1+n%3)%2) // alone, and in pairs
		all = append(all, message{vxlan(f.peer, f.vni, 0, f.frame(rnd))})
	}
	tw.hear(all)
	joined := 0
	for _, p := range tw.fast.ports["trunk0"].frames {
		if p.Offload.Kind != encap.GSONone {
			joined++
		}
	}
	if joined == 0 {
		t.Error("nothing was joined: this compared nothing")
	}
	tw.compare()
}
