package conformance

import (
	"net"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/vtep/forward"
)

// TestC10TellsTheHost: the sender of a packet that does not fit the path of its
// remote learns the MTU that does, over ICMP for IPv4 with DF and over ICMPv6.
func TestC10TellsTheHost(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		const path = 1400
		r.routeMTU(r.peers[1], path)
		r.fdb("add", api.FDBEntry{MAC: farMAC, Dst: r.peers[1]})
		check(t, r.dut.Sysctl("net.ipv6.conf.vxlan0.disable_ipv6", "0"))
		far := must(net.ParseMAC(farMAC))(t)
		for _, inner := range []struct{ own, other string }{
			{"198.51.100.1/24", "198.51.100.2"},
			{"2001:db8:2::1/64", "2001:db8:2::2"},
		} {
			own, other := netip.MustParsePrefix(inner.own), netip.MustParseAddr(inner.other)
			check(t, r.dut.AddAddr("vxlan0", own), r.dut.SetNeighbour("vxlan0", other, far))
			before := r.stats().TooBigSent
			got := must(r.dut.Ping(lab.PingConfig{Dst: other, Size: 1380, Mode: lab.PingDontFrag}))(t)
			if want := path - f.overhead(); got.TooBig != 1 || got.NextHopMTU != want {
				t.Errorf("ping to %s: %d too-big errors with MTU %d, want 1 with %d", other, got.TooBig, got.NextHopMTU, want)
			}
			// The answer may be there before it is counted.
			r.until("one ICMP error is counted", func() bool { return r.stats().TooBigSent-before == 1 })
		}
		if r.drops(forward.TxTooBig) == 0 {
			t.Error("nothing was counted as too big")
		}
	})
}
