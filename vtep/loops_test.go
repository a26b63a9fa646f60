package vtep_test

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// over has routes of n leave through netdevs of it: links or a trunk port.
func (n *node) over(t *testing.T, dst netip.Addr, names ...string) {
	t.Helper()
	var all []underlay.Lower
	for _, name := range names {
		s, err := n.host.Device(name).State()
		must(t, err)
		all = append(all, underlay.Lower{Index: s.Index, MTU: s.MTU, TUN: true})
	}
	n.host.SetOver(dst, all)
}

// TestRouteLoops: a remote whose route leads through the VTEP's own netdevs is
// sent nothing, and its route says nothing of the MTU. Both are as before where
// the route is right again.
func TestRouteLoops(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		r.addUp(t, vtep.LinkConfig{Name: "vxlan1", VNI: 43, Remote: addrC})
		sub, err := r.Subscribe(vtep.LinkEvents)
		must(t, err)
		defer sub.Close()
		trouble := func(now bool) {
			t.Helper()
			info, err := r.Link(r.link)
			must(t, err)
			want := vtep.Trouble{Remote: addrB, Kind: vtep.RouteLoops, Now: now}
			if len(info.Troubles) != 1 || info.Troubles[0] != want {
				t.Errorf("troubles %+v, want %+v", info.Troubles, want)
			}
			events, _, err := sub.Read(t.Context(), nil)
			must(t, err)
			kind := vtep.TroubleEnded
			if now {
				kind = vtep.TroubleBegan
			}
			if e := events[len(events)-1]; e.Kind != kind || e.Entry.Remote.Addr != addrB || e.Entry.Link != r.link || e.Trouble != vtep.RouteLoops {
				t.Errorf("the last event is %+v", e)
			}
		}
		for _, through := range []string{"vxlan0", "vxlan1"} {
			r.over(t, addrB, through)
			time.Sleep(31 * time.Second) // three looks
			if sent := r.out(frame(macB, macA, "x")); len(sent) != 0 {
				t.Errorf("through %s: %d packets were sent", through, len(sent))
			}
			if info, err := r.Link(r.link); err != nil || info.MTU != 1450 || info.Stats.Drops[forward.TxLoop] == 0 {
				t.Errorf("through %s: MTU %d, drops %v", through, info.MTU, info.Stats.Drops)
			}
			trouble(true)
			r.host.SetOver(addrB, nil)
			time.Sleep(11 * time.Second)
			if sent := r.out(frame(macB, macA, "x")); len(sent) != 1 {
				t.Errorf("after the route through %s: %d packets were sent", through, len(sent))
			}
			trouble(false)
		}
		// Of a bridge with another port, that one's MTU counts.
		r.over(t, addrB, "vxlan0")
		s, err := r.dev.State()
		must(t, err)
		r.host.SetOver(addrB, []underlay.Lower{{Index: s.Index, MTU: s.MTU, TUN: true}, {Index: 1, MTU: 1400}})
		time.Sleep(31 * time.Second)
		if info, err := r.Link(r.link); err != nil || info.MTU != 1350 {
			t.Errorf("through a bridge with another port: MTU %d, want 1350", info.MTU)
		}
		if sent := r.out(frame(macB, macA, "x")); len(sent) != 1 {
			t.Errorf("through a bridge with another port: %d packets were sent", len(sent))
		}
	})
}

// TestRouteLoopsOnce: thousands of links with one remote are one line of the log.
func TestRouteLoopsOnce(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := net.Host(addrA)
		var log strings.Builder
		v := vtep.New(vtep.Config{Host: h, Log: slog.New(slog.NewTextHandler(&log, nil)), Workers: 1})
		go func() { _ = v.Run(t.Context()) }()
		n := &node{VTEP: v, host: h, net: net, addr: addrA}
		must(t, n.AddTrunk(vtep.TrunkConfig{Name: "trunk0"}))
		for vlan := range uint16(20) {
			must(t, n.AddLink(vtep.LinkConfig{Name: "v" + string(rune('a'+vlan)), VNI: encap.VNI(vlan), Remote: addrB, Trunk: "trunk0", VLAN: vlan + 1}))
		}
		n.over(t, addrB, "trunk0")
		time.Sleep(25 * time.Second)
		synctest.Wait()
		if got := strings.Count(log.String(), "leads through the tunnel"); got != 1 || !strings.Contains(log.String(), "count=20") {
			t.Errorf("%d lines:\n%s", got, &log)
		}
		must(t, n.Close())
	})
}

// asTCP makes a TCP packet of f, with the bytes that it has.
func asTCP(f encap.Frame) encap.Frame {
	at := 14 + 9
	if f.Data[14]>>4 == 6 {
		at = 14 + 6
	}
	f.Data[at] = encap.ProtoTCP
	return f
}

// TestOwnPacketsComeBack: packets of the VTEP's own, whichever link they are of,
// are dropped where a port gives them, and have it look at the routes at once.
func TestOwnPacketsComeBack(t *testing.T) {
	for _, remote := range []netip.Addr{addrB, addrB6} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r := newRig(t, net, func(c *vtep.LinkConfig) { c.Remote = remote })
			other := r.addUp(t, vtep.LinkConfig{Name: "vxlan1", VNI: 43, Remote: remote})
			p := r.out(packet{payload: 100}.build(t))[0]
			back := outerFrame(t, p.Src, p.Dst.Netip(), p.SrcPort, 4789, p.Payload)
			time.Sleep(2 * time.Second)
			r.over(t, remote, "vxlan1")
			if !other.Inject(back) {
				t.Fatal("the device took no frame")
			}
			if sent := r.sent(); len(sent) != 0 {
				t.Errorf("an own packet was sent again, %d times", len(sent))
			}
			checkDrops(t, r.stats(t, "vxlan1"), map[forward.DropReason]uint64{forward.TxLoop: 1})
			time.Sleep(1500 * time.Millisecond)
			if info, err := r.Link("vxlan1"); err != nil || len(info.Troubles) != 1 {
				t.Errorf("within a second and a half: troubles %+v", info.Troubles)
			}
			r.host.SetOver(remote, nil)
			time.Sleep(11 * time.Second)
			// An address that this host has just got.
			fresh := addrC
			if remote.Is6() {
				fresh = netip.MustParseAddr("2001:db8:1::3")
			}
			if sent := r.out(outerFrame(t, fresh, remote, p.SrcPort, 4789, p.Payload)); len(sent) != 0 {
				t.Error("an own packet from an address not known yet was sent again")
			}
			for what, f := range map[string]encap.Frame{
				"a VXLAN packet of another host":   outerFrame(t, remote, p.Src, p.SrcPort, 4789, p.Payload),
				"another port":                     outerFrame(t, p.Src, p.Dst.Netip(), 40000, 4789, p.Payload),
				"another VNI from another address": outerFrame(t, fresh, remote, p.SrcPort, 4789, pack(7, frame(macA, macB, "x"))),
				"another remote":                   outerFrame(t, fresh, fresh.Next(), p.SrcPort, 4789, p.Payload),
				"no UDP":                           asTCP(outerFrame(t, p.Src, p.Dst.Netip(), p.SrcPort, 4789, p.Payload)),
				"no VXLAN":                         outerFrame(t, p.Src, p.Dst.Netip(), p.SrcPort, 4789, make([]byte, 40)),
			} {
				if sent := r.out(f); len(sent) != 1 {
					t.Errorf("%s: %d packets were sent", what, len(sent))
				}
			}
		})
	}
}
