package vtep_test

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// edits change each field of a link that can be changed.
var edits = map[string]func(*vtep.LinkConfig){
	"remote":         func(c *vtep.LinkConfig) { c.Remote = addrC },
	"id":             func(c *vtep.LinkConfig) { c.VNI = 50 },
	"no remote":      func(c *vtep.LinkConfig) { c.Remote = netip.Addr{} },
	"group":          func(c *vtep.LinkConfig) { c.Remote, c.Group = netip.Addr{}, group },
	"local":          func(c *vtep.LinkConfig) { c.Local = addrA },
	"dev":            func(c *vtep.LinkConfig) { c.Dev = "eth0" },
	"dstport":        func(c *vtep.LinkConfig) { c.DstPort = 8472 },
	"srcport":        func(c *vtep.LinkConfig) { c.SrcPortMin, c.SrcPortMax = 40000, 40001 },
	"ttl":            func(c *vtep.LinkConfig) { c.TTL = 5 },
	"ttl inherit":    func(c *vtep.LinkConfig) { c.TTLInherit = true },
	"tos":            func(c *vtep.LinkConfig) { c.TOS = 4 },
	"tos inherit":    func(c *vtep.LinkConfig) { c.TOSInherit = true },
	"df":             func(c *vtep.LinkConfig) { c.DF = vtep.DFInherit },
	"nolearning":     func(c *vtep.LinkConfig) { c.NoLearning = true },
	"ageing":         func(c *vtep.LinkConfig) { c.Ageing = time.Hour },
	"maxaddress":     func(c *vtep.LinkConfig) { c.MaxAddresses = 7 },
	"noudpcsum":      func(c *vtep.LinkConfig) { c.NoUDPChecksum = true },
	"udp6zerocsumtx": func(c *vtep.LinkConfig) { c.UDP6ZeroCsumTx = true },
	"udp6zerocsumrx": func(c *vtep.LinkConfig) { c.UDP6ZeroCsumRx = true },
	"mtu":            func(c *vtep.LinkConfig) { c.MTU = 1300 },
	"address":        func(c *vtep.LinkConfig) { c.Address = encap.MAC{2, 3, 4, 5, 6, 7} },
	"accept":         func(c *vtep.LinkConfig) { c.Accept.Mode = vtep.AcceptAny },
	"reserved":       func(c *vtep.LinkConfig) { c.Reserved = vtep.ReservedDrop },
	"nolocalbypass":  func(c *vtep.LinkConfig) { c.NoLocalBypass = true },
	"gbp":            func(c *vtep.LinkConfig) { c.GBP, c.PolicyID = true, 7 },
	"l2miss l3miss":  func(c *vtep.LinkConfig) { c.L2Miss, c.L3Miss = true, true },
	"proxy":          func(c *vtep.LinkConfig) { c.Proxy = true },
	"proxy learn":    func(c *vtep.LinkConfig) { c.Proxy, c.ProxyLearn = true, true },
	"moveguard":      func(c *vtep.LinkConfig) { c.NoMoveGuard = true },
	"bumlimit":       func(c *vtep.LinkConfig) { c.BUMLimit = 10 },
	"peerbumlimit":   func(c *vtep.LinkConfig) { c.PeerBUMLimit = 10 },
	"min_ttl":        func(c *vtep.LinkConfig) { c.MinTTL = 2 },
	"evpn":           func(c *vtep.LinkConfig) { c.EVPN = true },
	"learnlocal":     func(c *vtep.LinkConfig) { c.LearnLocal = true },
	"mss":            func(c *vtep.LinkConfig) { c.ClampMSS = true },
	"persist":        func(c *vtep.LinkConfig) { c.Persist = true },
	"user":           func(c *vtep.LinkConfig) { c.Owner, c.OwnerGroup = new(uint32(1)), new(uint32(2)) },
	"innervlan":      func(c *vtep.LinkConfig) { c.InnerVLAN = vtep.InnerVLANDrop },
}

// standing is all that can be seen of a link.
func (n *node) standing(t *testing.T, link string) any {
	t.Helper()
	synctest.Wait()
	info, err := n.Link(link)
	must(t, err)
	info.Stats, info.Remotes = forward.Stats{}, nil
	all, err := n.FDB(vtep.FDBFilter{Link: link})
	must(t, err)
	slices.SortFunc(all, func(a, b vtep.FDBEntry) int { return slices.Compare(a.MAC[:], b.MAC[:]) })
	return []any{info, all, n.host.Receivers(), n.host.Transmitters()}
}

// TestUpdateFields: every change takes, the link forwards afterwards, and
// going back leaves nothing of it.
func TestUpdateFields(t *testing.T) {
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, net *vteptest.Network) {
				r := newRig(t, net, func(c *vtep.LinkConfig) { c.MTU, c.Address = 1400, macA })
				before := r.standing(t, r.link)
				var was vtep.LinkConfig
				must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { was = *c; edit(c); return nil }))
				want := was
				edit(&want)
				info, err := r.Link(r.link)
				must(t, err)
				if !reflect.DeepEqual(info.Config, want) {
					t.Errorf("configuration %+v, want %+v", info.Config, want)
				}
				if want.MTU != info.MTU || want.Address != info.MAC {
					t.Errorf("MTU %d, address %s", info.MTU, info.MAC)
				}
				if sent := r.out(frame(bcast, macB, "x")); len(sent) == 0 != (name == "no remote") {
					t.Errorf("sent to %v", dsts(sent))
				}
				must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { *c = was; return nil }))
				if after := r.standing(t, r.link); !reflect.DeepEqual(after, before) {
					t.Errorf("after the change was undone:\n%+v\nbefore:\n%+v", after, before)
				}
			})
		})
	}
}

// TestUpdateRefused: whatever is refused, the link is as before.
func TestUpdateRefused(t *testing.T) {
	listen := rules{listen: func(underlay.ReceiverConfig) error { return errRefused }}
	transmit := rules{transmit: func(underlay.TransmitterConfig) error { return errRefused }}
	set := rules{set: func(tap.Change) error { return errRefused }}
	iface := rules{iface: func(string) error { return errRefused }}
	address := rules{mtuOnly: true} // the device takes the MTU and then refuses
	for _, tt := range []struct {
		name  string
		rules rules
		edit  func(*vtep.LinkConfig) error
	}{
		{"edit", rules{}, func(c *vtep.LinkConfig) error { c.TTL = 9; return errRefused }},
		{"id", rules{}, func(c *vtep.LinkConfig) error { c.VNI = 1 << 24; return nil }},
		{"id taken there", rules{}, func(c *vtep.LinkConfig) error { c.VNI = 77; return nil }},
		{"name taken", rules{}, func(c *vtep.LinkConfig) error { c.Name = "other"; return nil }},
		{"name", set, func(c *vtep.LinkConfig) error { c.Name = "vxlan9"; return nil }},
		{"queues", rules{}, func(c *vtep.LinkConfig) error { c.Queues = 2; return nil }},
		{"family", rules{}, func(c *vtep.LinkConfig) error { c.Remote = addrB6; return nil }},
		{"invalid", rules{}, func(c *vtep.LinkConfig) error { c.MTU = 3; return nil }},
		{"VNI taken there", rules{}, func(c *vtep.LinkConfig) error { c.DstPort = 8472; return nil }},
		{"dstport", listen, func(c *vtep.LinkConfig) error { c.DstPort, c.Remote, c.TTL = 1234, addrC, 9; return nil }},
		{"group", listen, func(c *vtep.LinkConfig) error { c.Remote, c.Group = netip.Addr{}, group; return nil }},
		{"local", listen, func(c *vtep.LinkConfig) error { c.Local = addrA; return nil }},
		{"srcport", transmit, func(c *vtep.LinkConfig) error { c.SrcPortMin, c.SrcPortMax = 1000, 1001; return nil }},
		{"df", transmit, func(c *vtep.LinkConfig) error { c.DF = vtep.DFInherit; return nil }},
		{"dev", iface, func(c *vtep.LinkConfig) error { c.Dev, c.Remote = "eth0", addrC; return nil }},
		{"mtu", set, func(c *vtep.LinkConfig) error { c.MTU, c.Remote, c.DstPort = 1300, addrC, 1234; return nil }},
		{"mtu and address", address, func(c *vtep.LinkConfig) error { c.MTU, c.Address, c.TTL = 1300, macC, 3; return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, net *vteptest.Network) {
				n, h := hooked(t, net, addrA)
				must(t, n.AddLink(vtep.LinkConfig{Name: "other", VNI: 42, DstPort: 8472, Remote: addrB}))
				must(t, n.AddLink(vtep.LinkConfig{Name: "beside", VNI: 77, Remote: addrB}))
				r := &rig{node: n, t: t, wire: net.Capture(), link: "vxlan0"}
				r.dev = r.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB, MTU: 1400, Address: macA})
				r.in(addrB, frame(macA, macB, "x"))
				before := r.standing(t, r.link)
				h.let(tt.rules)
				if err := r.UpdateLink(r.link, tt.edit); err == nil {
					t.Error("UpdateLink: no error")
				}
				h.let(rules{})
				if after := r.standing(t, r.link); !reflect.DeepEqual(after, before) {
					t.Errorf("after:\n%+v\nbefore:\n%+v", after, before)
				}
				if sent, got := r.out(frame(bcast, macC, "x")), r.in(addrB, frame(macA, macB, "x")); len(sent) != 1 || len(got) != 1 {
					t.Errorf("forwards no more: sent %d, got %d", len(sent), len(got))
				}
			})
		})
	}
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		if err := newNode(t, net, addrA).UpdateLink("vxlan0", nil); !errors.Is(err, vtep.ErrNoLink) {
			t.Errorf("a link that is not there: %v", err)
		}
	})
}

// TestUpdateDstPort moves the entries that had the old port, and those only.
func TestUpdateDstPort(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		zero := encap.MAC{}
		for _, e := range []vtep.FDBEntry{
			{MAC: zero, Remote: vtep.Remote{Addr: addrC, Port: 9999}},
			{MAC: zero, Remote: vtep.Remote{Addr: addrC}},
			{MAC: zero, Remote: vtep.Remote{Addr: addrB, Port: 8472}}, // what the first will be
			{MAC: macC, Remote: vtep.Remote{Addr: addrC}, State: fdb.Static},
			{MAC: encap.MAC{2, 7}, Remote: vtep.Remote{Addr: addrC, Port: 9999}},
		} {
			e.Link = r.link
			must(t, r.FDBAppend(e))
		}
		r.in(addrB, frame(macA, macB, "x")) // learned
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.DstPort = 8472; return nil }))
		sortPorts := func(p []netip.AddrPort) []netip.AddrPort {
			slices.SortFunc(p, netip.AddrPort.Compare)
			return p
		}
		want := []netip.AddrPort{netip.AddrPortFrom(addrB, 8472), netip.AddrPortFrom(addrC, 8472), netip.AddrPortFrom(addrC, 9999)}
		if got := sortPorts(dsts(r.out(frame(bcast, macA, "x")))); !slices.Equal(got, want) {
			t.Errorf("flooded to %v, want %v", got, want)
		}
		for mac, want := range map[encap.MAC]netip.AddrPort{
			macB: netip.AddrPortFrom(addrB, 8472), macC: netip.AddrPortFrom(addrC, 8472), {2, 7}: netip.AddrPortFrom(addrC, 9999),
		} {
			if got := dsts(r.out(frame(mac, macA, "x"))); len(got) != 1 || got[0] != want {
				t.Errorf("to %s: sent to %v, want %s", mac, got, want)
			}
		}
		if e := r.entries(t, r.link, macB); e[0].State != fdb.Dynamic || e[0].Flags != 0 {
			t.Errorf("the learned entry became %+v", e)
		}
		net.Send(netip.AddrPortFrom(addrB, 1), netip.AddrPortFrom(addrA, 8472), 0, pack(42, frame(macA, encap.MAC{2, 8}, "x")))
		if got := r.got(); len(got) != 1 {
			t.Error("nothing is heard on the new port")
		}
		if got := dsts(r.out(frame(encap.MAC{2, 8}, macA, "x"))); len(got) != 1 || got[0].Port() != 8472 {
			t.Errorf("learned afterwards: sent to %v", got)
		}
	})
}

// TestUpdateRemote does as the kernel's vxlan_changelink: the new default
// comes onto the flood list, the old one goes, others stay.
func TestUpdateRemote(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		addrD := netip.MustParseAddr("192.0.2.4")
		must(t, r.FDBAppend(vtep.FDBEntry{Link: r.link, Remote: vtep.Remote{Addr: addrC}, State: fdb.Permanent}))
		for _, step := range []struct{ remote, want []netip.Addr }{
			{[]netip.Addr{addrD}, []netip.Addr{addrC, addrD}},
			{[]netip.Addr{addrC}, []netip.Addr{addrC}}, // was on the list by hand
			{[]netip.Addr{{}}, nil},
			{[]netip.Addr{addrB}, []netip.Addr{addrB}},
		} {
			must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.Remote = step.remote[0]; return nil }))
			var got []netip.Addr
			for _, d := range dsts(r.out(frame(bcast, macA, "x"))) {
				got = append(got, d.Addr())
			}
			if !slices.Equal(got, step.want) {
				t.Errorf("remote %v: flooded to %v, want %v", step.remote, got, step.want)
			}
		}
	})
}

// TestUpdateOthersUndisturbed: a change of one link closes no socket of
// another that needs the same.
func TestUpdateOthersUndisturbed(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		r.addUp(t, vtep.LinkConfig{Name: "other", VNI: 7, Remote: addrB})
		for range 50 {
			must(t, r.UpdateLink("other", func(c *vtep.LinkConfig) error { c.DstPort, c.SrcPortMin, c.SrcPortMax = 9, 1, 2; return nil }))
			r.dev.Inject(frame(bcast, macA, "x"))
			must(t, r.UpdateLink("other", func(c *vtep.LinkConfig) error { c.DstPort, c.SrcPortMin, c.SrcPortMax = 0, 0, 0; return nil }))
			r.hear(addrB, pack(42, frame(macA, macB, "x")))
		}
		if s := r.stats(t, r.link); s.TxPackets != 50 || s.RxPackets != 50 || len(s.Drops) != 0 {
			t.Errorf("statistics %+v", s)
		}
	})
}

// TestUpdateName renames the netdev; the old name is free at once, also where ip
// had renamed it before.
func TestUpdateName(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		rename := func(was, is string) {
			t.Helper()
			must(t, r.UpdateLink(was, func(c *vtep.LinkConfig) error { c.Name = is; return nil }))
			if i, err := r.Link(is); err != nil || i.Name != is || i.Config.Name != is {
				t.Errorf("%s renamed to %s: %+v, %v", was, is, i, err)
			}
			if _, err := r.Link(was); !errors.Is(err, vtep.ErrNoLink) {
				t.Errorf("the name before, %s: %v", was, err)
			}
		}
		rename(r.link, "vx9")
		must(t, r.AddLink(vtep.LinkConfig{Name: r.link, VNI: 99, Remote: addrB}))
		must(t, r.dev.Set(tap.Change{Name: "byhand"}))
		synctest.Wait()
		must(t, r.UpdateLink("byhand", func(c *vtep.LinkConfig) error { c.TTL = 9; return nil }))
		rename("byhand", "vx9")
		if sent := r.out(frame(bcast, macC, "x")); len(sent) != 1 {
			t.Errorf("a renamed link sent %d packets", len(sent))
		}
		must(t, r.DelLink("vx9"))
	})
}
