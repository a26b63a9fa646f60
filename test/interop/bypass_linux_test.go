package interop_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestLocalBypassTraffic: two links of one daemon, each in a namespace of its
// own, exchange streams and datagrams without the network, superframes whole.
func TestLocalBypassTraffic(t *testing.T) {
	t.Parallel()
	l := lab.ForTest(t)
	h := must(l.Host("host"))(t)
	own := netip.MustParseAddr("192.0.2.1")
	check(t, h.AddAddr("lo", netip.PrefixFrom(own, 32)))
	d := startDaemon(t, h)
	d.uvtep(t, strings.Fields("link add vx1 mtu 1450 type vxlan id 42 remote 192.0.2.1")...)
	d.uvtep(t, strings.Fields("link add vx2 mtu 1450 type vxlan id 43 dstport 4790 remote 192.0.2.1")...)
	for _, words := range []string{
		"fdb append 00:00:00:00:00:00 dev vx1 dst 192.0.2.1 port 4790 vni 43",
		"fdb append 00:00:00:00:00:00 dev vx2 dst 192.0.2.1 port 4789 vni 42",
		"fdb del 00:00:00:00:00:00 dev vx1 dst 192.0.2.1",
		"fdb del 00:00:00:00:00:00 dev vx2 dst 192.0.2.1",
	} {
		d.uvtep(t, strings.Fields(words)...)
	}
	var inside [2]*lab.Host
	for i, name := range []string{"vx1", "vx2"} {
		inside[i] = must(l.Host("in-" + name))(t)
		check(t, h.MoveLink(name, inside[i]), inside[i].SetUp(name, true),
			inside[i].AddAddr(name, netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i)}), 24)))
	}
	one, two := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	ping(t, inside[0], two, 1400)
	tcp(t, inside[0], inside[1], two, 16<<20)
	tcp(t, inside[1], inside[0], one, 16<<20)
	udp(t, inside[0], inside[1], two, 1400)

	// The network saw nothing of it.
	loopback := must(h.Link("lo"))(t).Attrs().Statistics
	if loopback == nil || loopback.TxPackets > 10 {
		t.Errorf("the loopback device carried %+v", loopback)
	}
}
