package interop_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/uvtep/uvtep/test/lab"
)

// tenant is one overlay of scenario 1: a link on either host, each moved to a
// namespace of its own, so that all tenants can have the same addresses.
type tenant struct {
	vni  uint32
	a, b *lab.Host // where the links are
}

func (x tenant) dev() string { return fmt.Sprint("vxlan", x.vni) }

// The MAC addresses of the two ends, of every tenant.
const (
	tenantMACa = "02:00:00:00:00:0a"
	tenantMACb = "02:00:00:00:00:0b"
)

// TestTenants is scenario 1: two hosts on a routed network carry four overlays
// over one UDP port. All have the same IP and MAC addresses, so that nothing
// but the VNI tells them apart.
func TestTenants(t *testing.T) {
	t.Parallel()
	for _, k := range allKinds() {
		for _, f := range testedFamilies() {
			t.Run(k.String()+"/"+f.name, func(t *testing.T) {
				sites := routed(t, f, k)
				var all []tenant
				for _, vni := range []uint32{22, 34, 74, 98} {
					all = append(all, newTenant(t, sites, vni))
				}
				t.Run("traffic", func(t *testing.T) { tenantTraffic(t, all) })
				t.Run("isolation", func(t *testing.T) { isolation(t, all) })
				for _, x := range all {
					sites[0].in(x.a).wantEntry(t, x.dev(), tenantMACb+" dst "+sites[1].outer.String()+" self ")
					sites[1].in(x.b).wantEntry(t, x.dev(), tenantMACa+" dst "+sites[0].outer.String()+" self ")
				}
			})
		}
	}
}

// routed is two sites with a router between them.
func routed(t *testing.T, f family, k kinds) []*site {
	t.Helper()
	l := lab.ForTest(t)
	r := must(l.Host("router"))(t)
	nets, gateways := []string{"192.0.2.50/25", "192.0.2.178/25"}, []string{"192.0.2.1/25", "192.0.2.129/25"}
	everywhere := prefix("0.0.0.0/0")
	if f.group.Is6() {
		nets, gateways = []string{"2001:db8:1:1::50/64", "2001:db8:1:2::54/64"}, []string{"2001:db8:1:1::1/64", "2001:db8:1:2::1/64"}
		everywhere = prefix("::/0")
	}
	check(t, r.Sysctl("net.ipv4.ip_forward", "1"), r.Sysctl("net.ipv6.conf.all.forwarding", "1"))
	var sites []*site
	for i, kind := range k {
		if kind == kernel {
			lab.NeedKernelVXLAN(t)
		}
		h := must(l.Host(string(rune('a' + i))))(t)
		w := must(l.Wire(h, r, lab.WireOptions{}))(t)
		outer, gateway := prefix("%s", nets[i]), prefix("%s", gateways[i])
		check(t, h.AddAddr(w.A, outer), r.AddAddr(w.B, gateway),
			h.AddRoute(lab.Route{Dst: everywhere, Via: gateway.Addr()}))
		sites = append(sites, newSite(t, h, kind, i+1, w.A, outer.Addr()))
	}
	return sites
}

// newTenant adds a link on both sites and moves each into a namespace.
func newTenant(t *testing.T, sites []*site, vni uint32) tenant {
	t.Helper()
	x := tenant{vni: vni}
	for i, s := range sites {
		mac := []string{tenantMACa, tenantMACb}[i]
		s.addLink(t, link{name: x.dev(), vni: vni, remote: sites[1-i].outer, mac: mac})
		h := must(s.Lab().Host(fmt.Sprintf("%s%d", s, vni)))(t)
		check(t, s.MoveLink(x.dev(), h), h.AddAddr(x.dev(), inner4(i+1), inner6(i+1)))
		if i == 0 {
			x.a = h
		} else {
			x.b = h
		}
	}
	return x
}

// tenantTraffic runs all tenants at once.
func tenantTraffic(t *testing.T, all []tenant) {
	for _, x := range all {
		ping(t, x.a, inner4(2).Addr(), 56)
		ping(t, x.b, inner6(1).Addr(), 1350)
	}
	g, ctx := errgroup.WithContext(t.Context())
	for _, x := range all {
		g.Go(func() error { return bothWays(ctx, x.a, x.b, inner4(1).Addr(), inner4(2).Addr()) })
	}
	check(t, g.Wait())
}

// bothWays sends a stream each way and exchanges datagrams.
func bothWays(ctx context.Context, a, b *lab.Host, addrA, addrB netip.Addr) error {
	const stream = 2 << 20
	if _, err := lab.TCP(ctx, lab.TCPConfig{From: a, To: b, Dst: addrB, Bytes: stream}); err != nil {
		return err
	}
	if _, err := lab.TCP(ctx, lab.TCPConfig{From: b, To: a, Dst: addrA, Bytes: stream}); err != nil {
		return err
	}
	r, err := lab.UDP(ctx, lab.UDPConfig{From: a, To: b, Dst: addrB, Size: 500, Count: 300})
	if err == nil && !r.Clean() {
		err = fmt.Errorf("UDP %s and %s: forth %v; back %v", a, b, r.Forth, r.Back)
	}
	return err
}

// tenantEnd is one direction of a tenant: where frames are sent, and what was
// seen at the other end.
type tenantEnd struct {
	tenant
	out      *lab.PacketSocket
	seen     *lab.Capture
	src, dst net.HardwareAddr
	way      string
}

func (e tenantEnd) label(what string) string {
	return fmt.Sprintf("tenant %d %s %s.", e.vni, e.way, what)
}

// isolation sends frames that name their tenant, to a learned MAC, an unknown
// one, a group and all, both ways, and wants each tenant to see its own and no
// other's.
func isolation(t *testing.T, all []tenant) {
	var ends []tenantEnd
	for _, x := range all {
		macA, macB := must(x.a.MAC(x.dev()))(t), must(x.b.MAC(x.dev()))(t)
		ends = append(ends,
			tenantEnd{x, must(x.a.OpenPacket(x.dev()))(t), must(x.b.Capture(x.dev(), 0))(t), macA, macB, "forth"},
			tenantEnd{x, must(x.b.OpenPacket(x.dev()))(t), must(x.a.Capture(x.dev(), 0))(t), macB, macA, "back"})
	}
	kinds := func(e tenantEnd) []net.HardwareAddr {
		return []net.HardwareAddr{{2, 0, 0, 0, 0, 0x99}, {0x33, 0x33, 0, 0, 0, 0x99}, {255, 255, 255, 255, 255, 255}, e.dst}
	}
	for _, what := range []string{"data", "last"} {
		for _, e := range ends {
			for _, dst := range kinds(e) {
				check(t, e.out.Send(frame(dst, e.src, nil, 200, e.label(what))))
			}
		}
	}
	// Frames of one flow keep their order: where the last one is, the data before
	// it have gone wherever they went.
	for _, e := range ends {
		for _, dst := range kinds(e) {
			want := frame(dst, e.src, nil, 200, e.label("last"))
			if _, err := e.seen.WaitFor(func(p lab.Packet) bool { return bytes.Equal(p.Data, want) }, soon); err != nil {
				t.Fatalf("tenant %d, %s, to %s: %v", e.vni, e.way, dst, err)
			}
		}
	}
	for _, e := range ends {
		own := 0
		for _, p := range must(e.seen.Stop())(t) {
			if p.Outgoing || !bytes.Contains(p.Data, []byte("tenant ")) {
				continue
			}
			if own++; !bytes.Contains(p.Data, []byte(e.label("data"))) && !bytes.Contains(p.Data, []byte(e.label("last"))) {
				t.Errorf("%s came to tenant %d, %s", p.Data[16:48], e.vni, e.way)
			}
		}
		if own != 8 {
			t.Errorf("tenant %d, %s: %d frames of 8", e.vni, e.way, own)
		}
	}
}

// TestTenLinks runs ten links of one daemon at once, over one port.
func TestTenLinks(t *testing.T) {
	t.Parallel()
	for _, k := range allKinds() {
		t.Run(k.String(), func(t *testing.T) {
			sites := newSites(t, families()[0], lab.WireOptions{}, k[0], k[1])
			inner := func(n, i int) netip.Prefix { return prefix("198.51.100.%d/28", 16*n+i) }
			for n := range 10 {
				for i, s := range sites {
					l := link{name: fmt.Sprint("vxlan", n), vni: uint32(n), remote: sites[1-i].outer}
					s.addLinkExactly(t, l)
					check(t, s.AddAddr(l.name, inner(n, i+1)))
				}
			}
			a, b := sites[0].Host, sites[1].Host
			g, ctx := errgroup.WithContext(t.Context())
			for n := range 10 {
				check(t, a.MustReach(inner(n, 2).Addr(), 56, soon))
				g.Go(func() error { return bothWays(ctx, a, b, inner(n, 1).Addr(), inner(n, 2).Addr()) })
			}
			check(t, g.Wait())
		})
	}
}
