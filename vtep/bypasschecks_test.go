package vtep_test

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// TestBypassOnlyOfThisHost: a link of this VTEP gets what goes to an address of this
// host, and no other, although it listens to each address; and nothing goes around
// the network to a link-local address, which says nothing without its device.
func TestBypassOnlyOfThisHost(t *testing.T) {
	linkLocal := netip.MustParseAddr("fe80::1")
	for name, tt := range map[string]struct {
		own    []netip.Addr
		remote netip.Addr
		handed int
	}{
		"own":        {[]netip.Addr{addrA}, addrA, 1},
		"other":      {[]netip.Addr{addrA}, addrB, 0},
		"link-local": {[]netip.Addr{addrA6, linkLocal}, linkLocal, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, net *vteptest.Network) {
				n := newNode(t, net, tt.own...)
				wire := net.Capture()
				from := n.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Local: tt.own[0], Dev: "eth0"})
				to := n.addUp(t, vtep.LinkConfig{Name: "vxlan1", VNI: 43, Remote: tt.own[0].Next(), Accept: vtep.Accept{Mode: vtep.AcceptAny}})
				must(t, n.FDBAppend(vtep.FDBEntry{Link: "vxlan0", Remote: vtep.Remote{Addr: tt.remote, VNI: new(encap.VNI(43))}}))
				from.Inject(frame(bcast, macB, "x"))
				synctest.Wait()
				sent := drain(wire)
				if got := len(drain(to.Output())); tt.handed == 1 && (got != 1 || len(sent) != 0) || tt.handed == 0 && len(sent) != 1 {
					t.Errorf("%d handed over, %d sent", got, len(sent))
				}
			})
		})
	}
}

// TestNoBypassToItself: a link whose remote is the link itself sends to it, as any
// other does.
func TestNoBypassToItself(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.Remote, c.Local, c.NoLearning = addrA, addrA, true })
		if sent := r.out(frame(bcast, macB, "x")); len(sent) != 1 {
			t.Errorf("%d packets left, want 1", len(sent))
		}
		if s := r.stats(t, r.link); s.TxPackets != 1 {
			t.Errorf("%d packets are counted as sent", s.TxPackets)
		}
	})
}

// TestBypassFollowsWhoListens: of two links with one VNI the one that listens to the
// address alone has it, once it is there; and what is learned behind a link is
// learned with the VNI that it has by then.
func TestBypassFollowsWhoListens(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n := newNode(t, net, addrA)
		acceptAny := vtep.Accept{Mode: vtep.AcceptAny}
		from := n.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Local: addrA})
		all := n.addUp(t, vtep.LinkConfig{Name: "vxlan1", VNI: 43, Remote: addrC, Accept: acceptAny})
		must(t, n.FDBAppend(vtep.FDBEntry{Link: "vxlan0", Remote: vtep.Remote{Addr: addrA, VNI: new(encap.VNI(43))}}))
		hand := func() {
			from.Inject(frame(bcast, macB, "x"))
			synctest.Wait()
		}
		hand()
		if got := drain(all.Output()); len(got) != 1 {
			t.Fatalf("%d frames for the link that listens to all addresses", len(got))
		}
		must(t, n.UpdateLink("vxlan0", func(c *vtep.LinkConfig) error { c.VNI = 44; return nil }))
		hand()
		if e := n.entries(t, "vxlan1", macB); len(e) != 1 || e[0].Remote.VNI == nil || *e[0].Remote.VNI != 44 {
			t.Errorf("learned %+v, want VNI 44", e)
		}
		drain(all.Output())
		one := n.addUp(t, vtep.LinkConfig{Name: "vxlan2", VNI: 43, Local: addrA, Accept: acceptAny})
		hand()
		if a, b := len(drain(all.Output())), len(drain(one.Output())); a != 0 || b != 1 {
			t.Errorf("%d frames for the link that listens to all addresses, %d for that of the address", a, b)
		}
	})
}

// TestBypassMovesOwnAlone: what a link has learned stays where it is when another link's
// packets begin to come to it in place of somebody else.
func TestBypassMovesOwnAlone(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n := newNode(t, net, addrA, addrC)
		acceptAny := vtep.Accept{Mode: vtep.AcceptAny}
		from := n.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Local: addrA})
		n.addUp(t, vtep.LinkConfig{Name: "vxlan1", VNI: 43, Remote: addrB, Accept: acceptAny})
		must(t, n.FDBAppend(vtep.FDBEntry{Link: "vxlan0", Remote: vtep.Remote{Addr: addrA, VNI: new(encap.VNI(43))}}))
		from.Inject(frame(bcast, macB, "x"))
		n.addUp(t, vtep.LinkConfig{Name: "vxlan2", VNI: 43, Local: addrC, Accept: acceptAny})
		macs := map[encap.MAC]netip.Addr{}
		for i := range byte(8) { // whatever number the remote has that is given up
			mac, addr := encap.MAC{2, 0, 0, 0, 7, i}, netip.AddrFrom4([4]byte{198, 18, 0, 1 + i})
			macs[mac] = addr
			net.Send(netip.AddrPortFrom(addr, 12345), netip.AddrPortFrom(addrC, encap.DefaultPort), 0, pack(43, frame(macA, mac, "x")))
		}
		synctest.Wait()
		must(t, n.UpdateLink("vxlan2", func(c *vtep.LinkConfig) error { c.Local = addrA; return nil }))
		from.Inject(frame(bcast, macB, "x"))
		synctest.Wait()
		for mac, addr := range macs {
			if e := n.entries(t, "vxlan2", mac); len(e) != 1 || e[0].Remote.Addr != addr {
				t.Errorf("%s is behind %+v, want %s", mac, e, addr)
			}
		}
		if e := n.entries(t, "vxlan2", macB); len(e) != 1 || e[0].Remote.Addr != addrA {
			t.Errorf("the packets do not come to vxlan2: %+v", e)
		}
	})
}
