package tunnelgso

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/underlay"
)

func eachFamily(t *testing.T, fn func(t *testing.T, v6 bool)) {
	t.Run("IPv4", func(t *testing.T) { t.Parallel(); fn(t, false) })
	t.Run("IPv6", func(t *testing.T) { t.Parallel(); fn(t, true) })
}

// TestBytes: what a superframe becomes on the wire is, byte for byte, what it becomes by a socket.
func TestBytes(t *testing.T) {
	t.Parallel()
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		w := a.way(t, On)
		for _, c := range []struct {
			name       string
			inner6     bool
			noChecksum bool
			tos, ttl   uint8
			label      uint32
		}{
			{name: "defaults", label: 7}, {name: "outer", tos: 0xbb, ttl: 9, label: encap.MaxFlowLabel, inner6: true},
			{name: "no checksum", noChecksum: true, ttl: 254, label: 1},
		} {
			cfg := underlay.TransmitterConfig{V6: v6, NoChecksum: c.noChecksum}
			p := super(t, b.addr(v6), c.inner6, 30001, 1400)
			if p.TOS, p.TTL = c.tos, c.ttl; v6 {
				p.FlowLabel = c.label
			}
			const n = 22
			capture := func(whole bool) [][]byte {
				var tx = a.transmitter(t, nil, cfg)
				if whole {
					check(t, tx.Close())
					tx = a.transmitter(t, w, cfg)
					opened(t, tx, b.addr(v6), "")
				}
				wire := must(b.Capture("eth0", 0))(t)
				before := tx.Offloads().Tunnelled
				send(t, tx, p)
				if got := tx.Offloads().Tunnelled - before; (got == 1) != whole {
					t.Fatalf("%s: %d superframes left whole", c.name, got)
				}
				all := datagrams(t, wire, n)
				check(t, tx.Close())
				return all
			}
			pieces, whole := capture(false), capture(true)
			for i := range pieces {
				if c.noChecksum && !v6 { // by a socket each is a message of its own, whose id is 0 with DF (RFC 6864 section 4.1)
					for _, d := range [][]byte{pieces[i], whole[i]} {
						clear(d[ethernetLen+4 : ethernetLen+6])
						clear(d[ethernetLen+10 : ethernetLen+12])
					}
				}
				if !bytes.Equal(pieces[i], whole[i]) {
					t.Errorf("%s: datagram %d differs:\n%x by a socket\n%x whole", c.name, i, pieces[i][:min(120, len(pieces[i]))], whole[i][:min(120, len(whole[i]))])
				}
			}
		}
	})
}

// TestOrder: packets of a flow keep their order between both ways, and have one flow label.
func TestOrder(t *testing.T) {
	t.Parallel()
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		tx := a.transmitter(t, a.way(t, On), underlay.TransmitterConfig{V6: v6})
		opened(t, tx, b.addr(v6), "")
		wire := must(b.Capture("eth0", 0))(t)
		var p []encap.Packet
		for i := range 30 {
			if i%3 == 1 {
				p = append(p, super(t, b.addr(v6), i%2 == 0, 2000+i, 1000+i))
			} else {
				p = append(p, small(b.addr(v6), fmt.Sprintf("%02d", i)))
			}
		}
		send(t, tx, p...)
		at, label := 0, ""
		for _, d := range datagrams(t, wire, 20+10*2) {
			n, _ := udpPayload(d)
			if v6 {
				if is := fmt.Sprintf("%x", d[ethernetLen:ethernetLen+4]); label == "" {
					label = is
				} else if is != label {
					t.Errorf("flow labels %s and %s", label, is)
				}
			}
			frame := d[n+encap.HeaderLen:]
			for p[at].Frame.Offload.Kind != encap.GSONone && len(frame) < ethernetLen+10 {
				at++ // the last segment came before
			}
			if p[at].Frame.Offload.Kind == encap.GSONone {
				if !bytes.Equal(frame, p[at].Frame.Data) {
					t.Fatalf("a datagram with %q at the place of %q", frame, p[at].Frame.Data)
				}
				at++
			}
		}
		if at < len(p)-1 {
			t.Errorf("%d of %d", at, len(p))
		}
	})
}

// TestLost: what would be lost on the way to the device, without a word, goes by the sockets; also where the rule that loses
// it comes later, and until it is gone.
func TestLost(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	w := a.way(t, On)
	tx := a.transmitter(t, w, underlay.TransmitterConfig{})
	opened(t, tx, b.v4, "")
	rule := netlink.NewRule()
	rule.IifName, rule.Priority, rule.Type, rule.Family = w.dev.name, 1, unix.RTN_BLACKHOLE, unix.AF_INET
	check(t, a.Netlink(func(n *netlink.Handle) error { return n.RuleAdd(rule) }))
	opened(t, tx, b.v4, "does not arrive at the device")
	check(t, a.Netlink(func(n *netlink.Handle) error { return n.RuleDel(rule) }))
	opened(t, tx, b.v4, "")
}

// TestReversePath: no value of rp_filter loses anything.
func TestReversePath(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	for _, all := range []string{"0", "1", "2"} {
		for _, dev := range []string{"0", "1", "2"} {
			check(t, a.Sysctl("net.ipv4.conf.all.rp_filter", all), a.Sysctl("net.ipv4.conf.default.rp_filter", dev))
			var w *Way
			check(t, a.Do(func() error {
				w = Open(Auto)
				if h := lookOnce(t, w, pathKey{dst: encap.AddrFrom(b.v4), port: port}); h.why != "" {
					t.Errorf("rp_filter %s and %s: %s", all, dev, h.why)
				}
				return w.Close()
			}))
		}
	}
}

// TestOffloadGoes: a device whose offload is switched off while superframes flow gets them in pieces, until it is on again.
func TestOffloadGoes(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	tx := a.transmitter(t, a.way(t, On), underlay.TransmitterConfig{})
	opened(t, tx, b.v4, "")
	for _, on := range []bool{false, true} {
		check(t, a.SetOffload("eth0", map[string]bool{"tx-udp_tnl-csum-segmentation": on}))
		why := "device eth0 has tx-udp_tnl-csum-segmentation off"
		if on {
			why = ""
		}
		opened(t, tx, b.v4, why)
	}
}

// TestRouteMoves: a route that leads through another device in the middle of a flow, one without the offload, and back.
func TestRouteMoves(t *testing.T) {
	t.Parallel()
	eachFamily(t, func(t *testing.T, v6 bool) {
		l := lab.ForTest(t)
		a, b := newHost(t, l, 1), newHost(t, l, 2)
		must(l.Wire(a.Host, b.Host, lab.WireOptions{NameA: "eth0", NameB: "eth0"}))(t)
		must(l.Wire(a.Host, b.Host, lab.WireOptions{NameA: "eth1", NameB: "eth1", Offload: map[string]bool{"tso": false, "gso": false, "tx-udp_tnl-csum-segmentation": false}}))(t)
		meet(t, "eth0", a, b)
		other, bits := netip.MustParsePrefix("198.51.100.1/24"), 32
		if v6 {
			other, bits = netip.MustParsePrefix("2001:db8:9::1/64"), 128
		}
		far := other.Addr().Next()
		check(t, a.AddAddr("eth1", other), b.AddAddr("eth1", netip.PrefixFrom(far, other.Bits())))
		tx := a.transmitter(t, a.way(t, On), underlay.TransmitterConfig{V6: v6})
		opened(t, tx, b.addr(v6), "")
		moved := lab.Route{Dst: netip.PrefixFrom(b.addr(v6), bits), Via: far, Dev: "eth1"}
		check(t, a.AddRoute(moved))
		opened(t, tx, b.addr(v6), "device eth1 has tx-udp_tnl-csum-segmentation off")
		wire := must(b.Capture("eth1", 0))(t)
		send(t, tx, small(b.addr(v6), "by eth1"))
		datagrams(t, wire, 1)
		check(t, a.DelRoute(moved))
		opened(t, tx, b.addr(v6), "")
	})
}

// TestNeighbourFails: superframes to a remote without a neighbour leave by the sockets, which tell.
func TestNeighbourFails(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	check(t, b.Sysctl("net.ipv4.conf.eth0.arp_ignore", "8")) // answers nobody
	tx := a.transmitter(t, a.way(t, On), underlay.TransmitterConfig{})
	opened(t, tx, b.v4, "")
	check(t, a.Sysctl("net.ipv4.neigh.eth0.retrans_time_ms", "20"), a.Netlink(func(n *netlink.Handle) error {
		return n.NeighDel(&netlink.Neigh{LinkIndex: must(a.Link("eth0"))(t).Attrs().Index, IP: b.v4.AsSlice()})
	}))
	err := lab.Eventually(patience, func() error {
		p := []encap.Packet{super(t, b.v4, false, 3000, 1000)}
		check(t, tx.WriteBatch(p))
		for _, e := range tx.TakeErrors() {
			if e.Kind == underlay.HostUnreachable && e.Dst == encap.AddrFrom(b.v4) {
				return nil
			}
		}
		return fmt.Errorf("%w: result %d, %+v", errAgain, p[0].Result, tx.Offloads())
	})
	check(t, err)
}

// TestPathMTU: an ICMP error about a superframe lowers the path MTU: the next one that is too long does not leave.
func TestPathMTU(t *testing.T) {
	t.Parallel()
	eachFamily(t, func(t *testing.T, v6 bool) {
		l := lab.ForTest(t)
		a, r, b := newHost(t, l, 1), newHost(t, l, 2), newHost(t, l, 3)
		must(l.Wire(a.Host, r.Host, lab.WireOptions{MTU: 1600, NameA: "eth0", NameB: "eth0"}))(t)
		must(l.Wire(r.Host, b.Host, lab.WireOptions{MTU: 1400, NameA: "eth1", NameB: "eth0"}))(t)
		meet(t, "eth0", a, r)
		check(t, r.Sysctl("net.ipv4.ip_forward", "1"), r.Sysctl("net.ipv6.conf.all.forwarding", "1"))
		near, far := netip.MustParsePrefix("198.51.100.1/24"), netip.MustParsePrefix("198.51.100.2/24")
		if v6 {
			near, far = netip.MustParsePrefix("2001:db8:9::1/64"), netip.MustParsePrefix("2001:db8:9::2/64")
		}
		check(t, r.AddAddr("eth1", near), b.AddAddr("eth0", far))
		check(t, a.AddRoute(lab.Route{Dst: near.Masked(), Via: r.addr(v6)}))
		tx := a.transmitter(t, a.way(t, On), underlay.TransmitterConfig{V6: v6})
		opened(t, tx, far.Addr(), "")
		before := tx.Offloads().Tunnelled
		p := []encap.Packet{super(t, far.Addr(), false, 30000, 1500-54-12)}
		send(t, tx, p...)
		if tx.Offloads().Tunnelled != before+1 {
			t.Fatal("a superframe that fits the device did not leave whole")
		}
		err := lab.Eventually(patience, func() error {
			check(t, tx.WriteBatch(p))
			if p[0].Result != encap.SendTooBig {
				return fmt.Errorf("%w: result %d", errAgain, p[0].Result)
			}
			return nil
		})
		check(t, err)
		if mtu, known := tx.PathMTU(encap.AddrFrom(far.Addr())); !known || mtu != 1400 {
			t.Errorf("path MTU %d, %v", mtu, known)
		}
		before = tx.Offloads().Tunnelled
		send(t, tx, super(t, far.Addr(), false, 30000, 1200))
		if tx.Offloads().Tunnelled != before+1 {
			t.Error("a superframe that fits the path did not leave whole")
		}
	})
}

// TestDeleted: where somebody deletes the TAP, or sets it down, superframes leave by the sockets until there is another.
func TestDeleted(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	w := a.way(t, On)
	tx := a.transmitter(t, w, underlay.TransmitterConfig{})
	opened(t, tx, b.v4, "")
	for _, harm := range []func(name string) error{a.DelLink, func(name string) error { return a.SetUp(name, false) }} {
		check(t, harm("uvtepgso0"))
		wire := must(b.Capture("eth0", 0))(t)
		send(t, tx, super(t, b.v4, false, 3000, 1000))
		datagrams(t, wire, 3)
		check(t, lab.Eventually(patience, func() error {
			send(t, tx, super(t, b.v4, false, 3000, 1000))
			l, err := a.Link("uvtepgso0")
			if err != nil || l.Attrs().Flags&1 == 0 { // IFF_UP
				return errAgain
			}
			return nil
		}))
		opened(t, tx, b.v4, "")
	}
}

// TestOtherDevices: what is not known to pass superframes whole gets none by auto, and does by on.
func TestOtherDevices(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	check(t, a.AddBridge("br0")) // without a port it is at the bottom
	check(t, a.AddAddr("br0", netip.MustParsePrefix("203.0.113.1/24")))
	far := netip.MustParseAddr("203.0.113.2")
	check(t, a.SetNeighbour("br0", far, must(b.MAC("eth0"))(t)))
	check(t, a.Do(func() error {
		for mode, why := range map[Mode]string{Auto: "none of those that auto is for", On: ""} {
			w := Open(mode)
			if h := lookOnce(t, w, pathKey{dst: encap.AddrFrom(far), port: port}); !contains(h.why, why) {
				t.Errorf("mode %d: %q", mode, h.why)
			}
			for dst, why := range map[string]string{"192.0.2.1": "this host", "224.0.0.1": "no unicast", "fe80::1": "link-local", "203.0.112.1": "no way|unreachable"} {
				h := lookOnce(t, w, pathKey{dst: encap.AddrFrom(netip.MustParseAddr(dst)), port: port})
				first, second, _ := strings.Cut(why, "|")
				if !contains(h.why, first) && (second == "" || !contains(h.why, second)) {
					t.Errorf("%s: %q", dst, h.why)
				}
			}
			check(t, w.Close())
		}
		return nil
	}))
}

// TestBridge: a bridge on a veth passes them whole.
func TestBridge(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	check(t, a.AddBridge("br0"))
	check(t, a.SetMaster("eth0", "br0"))
	far := netip.MustParseAddr("198.51.100.2")
	check(t, a.AddAddr("br0", netip.MustParsePrefix("198.51.100.1/24")), b.AddAddr("eth0", netip.PrefixFrom(far, 24)))
	check(t, a.SetNeighbour("br0", far, must(b.MAC("eth0"))(t)))
	tx := a.transmitter(t, a.way(t, On), underlay.TransmitterConfig{})
	opened(t, tx, far, "")
	wire := must(b.Capture("eth0", 0))(t)
	send(t, tx, super(t, far, true, 30001, 1400))
	datagrams(t, wire, 22)
}

// TestVLAN: a VLAN of a veth passes them whole.
func TestVLAN(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	for i, h := range []*host{a, b} {
		err := h.Netlink(func(n *netlink.Handle) error {
			eth, err := n.LinkByName("eth0")
			if err != nil {
				return err
			}
			v := &netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: "eth0.7", ParentIndex: eth.Attrs().Index}, VlanId: 7}
			if err := n.LinkAdd(v); err != nil {
				return err
			}
			return n.LinkSetUp(v)
		})
		if errors.Is(err, unix.EOPNOTSUPP) {
			t.Skip("the kernel has no VLAN devices (CONFIG_VLAN_8021Q)")
		}
		check(t, err)
		check(t, h.AddAddr("eth0.7", netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)}), 24)))
	}
	far := netip.MustParseAddr("198.51.100.2")
	check(t, a.SetNeighbour("eth0.7", far, must(b.MAC("eth0.7"))(t)))
	tx := a.transmitter(t, a.way(t, On), underlay.TransmitterConfig{})
	opened(t, tx, far, "")
	wire := must(b.Capture("eth0.7", 0))(t)
	send(t, tx, super(t, far, true, 30001, 1400))
	datagrams(t, wire, 22)
}

// TestClosed: a closed transmitter sends nothing, neither way.
func TestClosed(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	w := a.way(t, On)
	tx := a.transmitter(t, w, underlay.TransmitterConfig{})
	opened(t, tx, b.v4, "")
	check(t, tx.Close())
	p := []encap.Packet{super(t, b.v4, false, 3000, 1000), small(b.v4, "x"), super(t, b.v4, false, 3000, 1000)}
	if err := tx.WriteBatch(p); err == nil || p[1].Result != encap.SendRefused || p[2].Result != encap.SendRefused {
		t.Errorf("%v: results %d %d %d", err, p[0].Result, p[1].Result, p[2].Result)
	}
	if err := tx.WriteBatch(p[:1]); err == nil || p[0].Result != encap.SendRefused {
		t.Errorf("%v: result %d", err, p[0].Result)
	}
}
