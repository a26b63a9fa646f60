package txring

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/underlay"
)

const soon = 20 * time.Millisecond

// TestRouteMoves: a route that leads through another device in the middle of a flow, and back.
func TestRouteMoves(t *testing.T) {
	t.Parallel()
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		must(a.Lab().Wire(a.Host, b.Host, lab.WireOptions{NameA: "eth1", NameB: "eth1"}))(t)
		other, bits := netip.MustParsePrefix("198.51.100.1/24"), 32
		if v6 {
			other, bits = netip.MustParsePrefix("2001:db8:9::1/64"), 128
		}
		far := other.Addr().Next()
		check(t, a.AddAddr("eth1", other), b.AddAddr("eth1", netip.PrefixFrom(far, other.Bits())))
		check(t, a.SetNeighbour("eth1", far, must(b.MAC("eth1"))(t)))
		tx := a.transmitter(t, a.rings(t, Auto, never), underlay.TransmitterConfig{V6: v6})
		ringed(t, tx, b.addr(v6), "")
		moved := lab.Route{Dst: netip.PrefixFrom(b.addr(v6), bits), Via: far, Dev: "eth1"}
		for _, step := range []struct {
			change func(lab.Route) error
			dev    string
		}{{a.AddRoute, "eth1"}, {a.DelRoute, "eth0"}} {
			check(t, step.change(moved))
			check(t, lab.Eventually(patience, func() error {
				wire, err := b.Capture(step.dev, 0)
				check(t, err)
				n := send(t, tx, flows(b.addr(v6), 8, 10)...)
				_ = send(t, tx, one(b.addr(v6), 999, "the last")) // by a socket
				must(wire.Stop())(t)
				got := 0
				for _, p := range wire.Packets() {
					if vni, ok := vniOf(p.Data); ok && vni < 999 {
						got++
					}
				}
				if n != 8 || got != 8 {
					return fmt.Errorf("%w: %d of 8 by a ring, %d on %s", errAgain, n, got, step.dev)
				}
				return nil
			}))
		}
	})
}

// TestDeviceMadeAgain: the device goes, and one of its name comes.
func TestDeviceMadeAgain(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	tx := a.transmitter(t, a.rings(t, Auto, never), underlay.TransmitterConfig{})
	ringed(t, tx, b.v4, "")
	check(t, a.DelLink("eth0"))
	ringed(t, tx, b.v4, "there is no route")
	must(a.Lab().Wire(a.Host, b.Host, lab.WireOptions{NameA: "eth0", NameB: "eth0"}))(t)
	meet(t, "eth0", a, b)
	ringed(t, tx, b.v4, "")
}

// TestNeighbourMoves: a neighbour that has another address gets packets there, from the kernel's message on.
func TestNeighbourMoves(t *testing.T) {
	t.Parallel()
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		tx := a.transmitter(t, a.rings(t, Auto, never), underlay.TransmitterConfig{V6: v6})
		ringed(t, tx, b.addr(v6), "")
		mac := net.HardwareAddr{2, 0, 0, 0, 9, 9}
		check(t, a.SetNeighbour("eth0", b.addr(v6), mac))
		wire := must(b.Capture("eth0", 0))(t)
		check(t, lab.Eventually(patience, func() error {
			if n := send(t, tx, flows(b.addr(v6), 8, 10)...); n != 8 {
				return errAgain
			}
			for _, p := range wire.Packets() {
				if vni, ok := vniOf(p.Data); ok && vni == 8 && bytes.HasPrefix(p.Data, mac) {
					return nil
				}
			}
			return errAgain
		}))
		must(wire.Stop())(t)
	})
}

// TestNeighbourFails: packets to a remote without a neighbour leave by the sockets, which tell.
func TestNeighbourFails(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	check(t, b.Sysctl("net.ipv4.conf.eth0.arp_ignore", "8")) // answers nobody
	tx := a.transmitter(t, a.rings(t, Auto, soon), underlay.TransmitterConfig{})
	ringed(t, tx, b.v4, "")
	check(t, a.Sysctl("net.ipv4.neigh.eth0.retrans_time_ms", "20"), a.Netlink(func(n *netlink.Handle) error {
		return n.NeighDel(&netlink.Neigh{LinkIndex: must(a.Link("eth0"))(t).Attrs().Index, IP: b.v4.AsSlice()})
	}))
	check(t, lab.Eventually(patience, func() error {
		check(t, tx.WriteBatch(flows(b.v4, 8, 10)))
		for _, e := range tx.TakeErrors() {
			if e.Kind == underlay.HostUnreachable && e.Dst == encap.AddrFrom(b.v4) {
				return nil
			}
		}
		return fmt.Errorf("%w: %+v", errAgain, tx.Offloads())
	}))
	ringed(t, tx, b.v4, "the neighbour 192.0.2.2 is not known yet")
	check(t, a.SetNeighbour("eth0", b.v4, must(b.MAC("eth0"))(t)))
	ringed(t, tx, b.v4, "")
}

// TestNeighbourIsUsed: the kernel goes on confirming the neighbour of a remote that only has packets by rings but for each second's first.
func TestNeighbourIsUsed(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	check(t, a.Sysctl("net.ipv4.neigh.eth0.base_reachable_time_ms", "100"), a.Sysctl("net.ipv4.neigh.eth0.delay_first_probe_time", "1"))
	index := must(a.Link("eth0"))(t).Attrs().Index
	check(t, a.Netlink(func(n *netlink.Handle) error {
		return n.NeighSet(&netlink.Neigh{LinkIndex: index, IP: b.v4.AsSlice(), HardwareAddr: must(b.MAC("eth0"))(t), State: unix.NUD_STALE})
	}))
	tx := a.transmitter(t, a.rings(t, Auto, soon), underlay.TransmitterConfig{})
	ringed(t, tx, b.v4, "")
	check(t, lab.Eventually(patience, func() error {
		_ = send(t, tx, flows(b.v4, 8, 10)...)
		var state int
		check(t, a.Netlink(func(n *netlink.Handle) error {
			all, err := n.NeighList(index, unix.AF_INET)
			for i := range all {
				state |= all[i].State
			}
			return err
		}))
		if state&unix.NUD_REACHABLE == 0 {
			return fmt.Errorf("%w: state %#x", errAgain, state)
		}
		return nil
	}))
}

// TestPathMTU: an ICMP error about a ring's packet lowers the path MTU: the next one that is too long does not leave.
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
		rings := a.rings(t, Auto, soon)
		tx := a.transmitter(t, rings, underlay.TransmitterConfig{V6: v6})
		ringed(t, tx, far.Addr(), "")
		// The socket's turn would learn it as well: these are all by the ring.
		check(t, lab.Eventually(patience, func() error {
			p := flows(far.Addr(), 8, 1450)
			check(t, tx.WriteBatch(p[:7]))
			for i := range p[:7] {
				if p[i].Result != encap.SendTooBig {
					return fmt.Errorf("%w: packet %d: result %d", errAgain, i, p[i].Result)
				}
			}
			return nil
		}))
		if mtu, known := tx.PathMTU(encap.AddrFrom(far.Addr())); !known || mtu != 1400 {
			t.Errorf("path MTU %d, %v", mtu, known)
		}
		ringed(t, tx, far.Addr(), "")
	})
}

// TestICMPOfRing: an ICMP error about a ring's packet alone lowers the path MTU.
func TestICMPOfRing(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	rings := a.rings(t, Auto, never)
	tx := a.transmitter(t, rings, underlay.TransmitterConfig{})
	ringed(t, tx, b.v4, "")
	closed := flows(b.v4, 8, 10)
	for i := range closed {
		closed[i].Port = port + 1 // nobody listens there
	}
	check(t, lab.Eventually(patience, func() error { // by a ring, all
		if n := send(t, tx, closed...); n != 8 {
			return errAgain
		}
		return nil
	}))
	_ = tx.TakeErrors()
	check(t, lab.Eventually(patience, func() error {
		if n := send(t, tx, closed...); n != 8 {
			t.Fatalf("%d of 8 left by a ring", n)
		}
		for _, e := range tx.TakeErrors() {
			if e.Kind == underlay.PortUnreachable && e.Dst == encap.AddrFrom(b.v4) {
				return nil
			}
		}
		return errAgain
	}))
}

// TestReversePath: no value of rp_filter on this host loses anything.
func TestReversePath(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	tx := a.transmitter(t, a.rings(t, Auto, never), underlay.TransmitterConfig{})
	ringed(t, tx, b.v4, "")
	for _, value := range []string{"0", "1", "2"} {
		check(t, a.Sysctl("net.ipv4.conf.all.rp_filter", value), a.Sysctl("net.ipv4.conf.eth0.rp_filter", value))
		wire := must(b.Capture("eth0", 0))(t)
		if n := send(t, tx, flows(b.v4, 8, 10)...); n != 8 {
			t.Errorf("%d of 8 left by a ring", n)
		}
		datagrams(t, wire, 8)
	}
}

// TestBypassed: where something would look at a socket's packets, nothing leaves by a ring, and it is said why.
func TestBypassed(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs nft")
	}
	a, b := newWire(t)
	sockets := a.transmitter(t, nil, underlay.TransmitterConfig{})
	ports := []uint16{50000, 50001}
	auto := a.rings(t, Auto, soon).Transmitter(sockets, ports, &underlay.TransmitterConfig{})
	on := a.rings(t, On, soon).Transmitter(sockets, ports, &underlay.TransmitterConfig{})
	run := func(line string) {
		t.Helper()
		words := strings.Fields(line)
		if _, stderr, err := a.Run(t.Context(), words[0], words[1:]...); err != nil {
			t.Fatalf("%s: %v: %s", line, err, stderr)
		}
	}
	for _, c := range []struct{ add, del, auto, on string }{
		{"nft add chain ip t c { type filter hook output priority 0 ; }", "nft delete chain ip t c", "chain t c of nftables", ""},
		{"nft add chain ip t c { type filter hook postrouting priority 0 ; }", "nft delete chain ip t c", "chain t c of nftables", ""},
		{"nft add chain ip t c { type filter hook input priority 0 ; }", "nft delete chain ip t c", "", ""},
		{"ip rule add dport 4789 table 10", "ip rule del dport 4789 table 10", "rule 32765 of policy routing", "rule 32765 of policy routing"},
		{"ip xfrm policy add src 192.0.2.0/24 dst 203.0.113.0/24 dir out", "ip xfrm policy deleteall", "IPsec", "IPsec"},
	} {
		run("nft add table ip t")
		run(c.add)
		ringed(t, auto, b.v4, c.auto)
		ringed(t, on, b.v4, c.on)
		run(c.del)
		ringed(t, auto, b.v4, "")
		ringed(t, on, b.v4, "")
	}
}

// TestNothingIsLeft: rings that are closed leave no socket.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	a, _ := newWire(t)
	sockets := func() int { return strings.Count(must(a.ReadProcNet("packet"))(t), "\n") }
	before := sockets()
	check(t, a.Do(func() error {
		r := Open(Auto)
		if n := sockets() - before; n != len(r.batches) || n == 0 {
			t.Errorf("%d packet sockets for %d rings", n, len(r.batches))
		}
		return r.Close()
	}))
	// A program that another test starts has all descriptors between fork and exec.
	check(t, lab.Eventually(patience, func() error {
		if n := sockets() - before; n != 0 {
			return fmt.Errorf("%d packet sockets are left", n)
		}
		return nil
	}))
}

// TestUnprivileged: without CAP_NET_RAW nothing leaves by a ring, and it is said why.
func TestUnprivileged(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	var r *Rings
	check(t, a.Do(func() error { // on a thread of its own, which ends
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		check(t, unix.Capget(&head, &caps[0]))
		caps[0].Effective &^= 1 << unix.CAP_NET_RAW
		check(t, unix.Capset(&head, &caps[0]))
		r = Open(Auto)
		caps[0].Effective |= 1 << unix.CAP_NET_RAW
		return unix.Capset(&head, &caps[0])
	}))
	r.Follow(nil) // returns at once
	tx := a.transmitter(t, r, underlay.TransmitterConfig{})
	ringed(t, tx, b.v4, "lacks CAP_NET_RAW")
	check(t, r.Close())
}
