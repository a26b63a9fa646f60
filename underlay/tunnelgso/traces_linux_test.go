package tunnelgso

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/underlay"
)

// TestNothingIsLeft: two ways have netdevs of their own names, and nothing of them stays.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	about := func() string {
		var all strings.Builder
		check(t, a.Netlink(func(n *netlink.Handle) error {
			links, err := n.LinkList()
			for _, l := range links {
				fmt.Fprintln(&all, l.Attrs().Name, l.Attrs().Index)
			}
			check(t, err)
			for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
				routes, err := n.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
				check(t, err)
				fmt.Fprintln(&all, len(routes))
				rules, err := n.RuleList(family)
				check(t, err)
				fmt.Fprintln(&all, len(rules))
			}
			return nil
		}))
		for _, s := range []string{"net.ipv4.conf.all.", "net.ipv4.conf.eth0.", "net.ipv6.conf.all.", "net.ipv6.conf.eth0."} {
			for _, setting := range []string{"forwarding", "accept_local", "rp_filter", "force_forwarding"} {
				v, _ := sysctl(a, s+setting)
				all.WriteString(v)
			}
		}
		return all.String()
	}
	before := about()
	check(t, a.Do(func() error {
		one, two := Open(Auto), Open(Auto)
		for _, w := range []*Way{one, two} {
			for _, dst := range []netip.Addr{b.v4, b.v6} {
				if h := lookOnce(t, w, pathKey{dst: encap.AddrFrom(dst), port: port}); h.why != "" {
					t.Errorf("%s: %s", w.dev.name, h.why)
				}
			}
		}
		if one.dev.name == two.dev.name || !strings.HasPrefix(two.dev.name, "uvtepgso") {
			t.Errorf("names %s and %s", one.dev.name, two.dev.name)
		}
		check(t, one.Close(), two.Close())
		return nil
	}))
	if after := about(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// lookOnce looks at a path.
func lookOnce(t *testing.T, w *Way, key pathKey) *path {
	t.Helper()
	r := must(w.round())(t)
	defer r.end()
	return r.look(key)
}

func sysctl(h *host, key string) (v string, err error) {
	err = h.Do(func() error {
		b, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(key, ".", "/"))
		v = string(b)
		return err
	})
	return v, err
}

// TestRoutesNobodyElse: a host with a way forwards what is written to its TAP and nothing else.
func TestRoutesNobodyElse(t *testing.T) {
	t.Parallel()
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		c := newHost(t, a.Lab(), 3)
		must(a.Lab().Wire(a.Host, c.Host, lab.WireOptions{NameA: "eth1", NameB: "eth0"}))(t)
		near, far := netip.MustParsePrefix("198.51.100.1/24"), netip.MustParsePrefix("198.51.100.2/24")
		if v6 {
			near, far = netip.MustParsePrefix("2001:db8:9::1/64"), netip.MustParsePrefix("2001:db8:9::2/64")
		}
		check(t, a.AddAddr("eth1", near), c.AddAddr("eth0", far))
		check(t, a.SetNeighbour("eth1", far.Addr(), must(c.MAC("eth0"))(t)))
		check(t, b.AddRoute(lab.Route{Dst: near.Masked(), Via: a.addr(v6)}))
		stranger := b.transmitter(t, nil, underlay.TransmitterConfig{V6: v6})
		own := a.transmitter(t, a.way(t, On), underlay.TransmitterConfig{V6: v6})
		opened(t, own, far.Addr(), "")
		wire := must(c.Capture("eth0", 0))(t)
		_ = stranger.WriteBatch([]encap.Packet{small(far.Addr(), "a stranger's")})
		send(t, own, small(far.Addr(), "own"))
		for _, d := range datagrams(t, wire, 1) { // what was to be forwarded would have come before
			if !bytes.HasSuffix(d, []byte("own")) {
				t.Errorf("%q was forwarded", d)
			}
		}
	})
}
