package vtep_test

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// twoLinks are links of one host, each with the other as a remote.
func twoLinks(t *testing.T, net *vteptest.Network, edit func(*vtep.LinkConfig)) (r *rig, other *vteptest.Device) {
	t.Helper()
	r = newRig(t, net, func(c *vtep.LinkConfig) { c.Remote = addrA; edit(c) })
	c := vtep.LinkConfig{Name: "vxlan1", VNI: 43, Remote: addrA, DstPort: 4790}
	edit(&c)
	other = r.addUp(t, c)
	for _, e := range []vtep.FDBEntry{
		{Link: "vxlan0", Remote: vtep.Remote{Addr: addrA, Port: 4790, VNI: new(encap.VNI(43))}, State: fdb.Permanent},
		{Link: "vxlan1", Remote: vtep.Remote{Addr: addrA, Port: 4789, VNI: new(encap.VNI(42))}, State: fdb.Permanent},
	} {
		must(t, r.FDBAppend(e))
		must(t, r.FDBDel(e.Link, encap.MAC{}, &vtep.Remote{Addr: addrA}))
	}
	return r, other
}

// TestLocalBypass: links of one VTEP hand each other frames, learn each other
// as they are reached, and go through the network where that is asked for.
func TestLocalBypass(t *testing.T) {
	for _, through := range []bool{false, true} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r, other := twoLinks(t, net, func(c *vtep.LinkConfig) { c.NoLocalBypass = through })
			there, back := packet{tcp: true, payload: 100}.build(t), packet{payload: 10}.build(t)
			sent := r.out(there)
			if got := drain(other.Output()); len(got) != 1 || !bytes.Equal(got[0].Data, there.Data) {
				t.Fatalf("through the network %v: the other link's host got %v", through, got)
			}
			if (len(sent) == 1) != through {
				t.Errorf("through the network %v: %d packets on it", through, len(sent))
			}
			if through {
				return
			}
			e := r.entries(t, "vxlan1", macB)
			if len(e) != 1 || e[0].Remote.Addr != addrA || e[0].Remote.Port != 4789 || *e[0].Remote.VNI != 42 {
				t.Errorf("learned %+v, want the link that sent it", e)
			}
			copy(back.Data, macB[:])
			copy(back.Data[6:], macA[:])
			if !other.Inject(back) {
				t.Fatal("the device took no frame")
			}
			if got := r.got(); len(got) != 1 || !bytes.Equal(got[0].Data, back.Data) {
				t.Errorf("the answer: %v", got)
			}
			if n := len(r.sent()); n != 0 {
				t.Errorf("the answer made %d packets", n)
			}
			a, b := r.stats(t, "vxlan0"), r.stats(t, "vxlan1")
			if a.TxPackets != 1 || b.RxPackets != 1 || a.TxBytes != b.RxBytes || b.TxPackets != 1 || a.RxPackets != 1 {
				t.Errorf("counted %+v and %+v", a, b)
			}
		})
	}
}

// TestLocalBypassFollows: changes of links, of the option and of the host's
// addresses take effect.
func TestLocalBypassFollows(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r, other := twoLinks(t, net, func(*vtep.LinkConfig) {})
		f := frame(bcast, macB, "x")
		want := func(what string, onWire, handed int) {
			t.Helper()
			sent := r.out(f)
			if got := drain(other.Output()); len(sent) != onWire || len(got) != handed {
				t.Errorf("%s: %d on the wire, %d handed over, want %d, %d", what, len(sent), len(got), onWire, handed)
			}
		}
		want("as made", 0, 1)
		set := func(link string, edit func(*vtep.LinkConfig)) {
			t.Helper()
			must(t, r.UpdateLink(link, func(c *vtep.LinkConfig) error { edit(c); return nil }))
		}
		set("vxlan0", func(c *vtep.LinkConfig) { c.NoLocalBypass = true })
		want("nolocalbypass", 1, 1)
		set("vxlan0", func(c *vtep.LinkConfig) { c.NoLocalBypass = false })
		want("localbypass", 0, 1)
		set("vxlan1", func(c *vtep.LinkConfig) { c.DstPort = 4791 })
		want("another port", 1, 0)
		set("vxlan1", func(c *vtep.LinkConfig) { c.DstPort = 4790 })
		want("the port again", 0, 1)
		must(t, r.SetLinkUp("vxlan1", false))
		want("down", 0, 0)
		checkDrops(t, r.stats(t, "vxlan1"), map[forward.DropReason]uint64{forward.RxLinkDown: 1})
		must(t, r.SetLinkUp("vxlan1", true))
		want("up", 0, 1)
		must(t, r.DelLink("vxlan1"))
		want("deleted", 1, 0)
		other = r.addUp(t, vtep.LinkConfig{Name: "vxlan1", VNI: 43, Remote: addrC, DstPort: 4790})
		synctest.Wait()
		want("added with another remote: no peer", 0, 0)
		checkDrops(t, r.stats(t, "vxlan1"), map[forward.DropReason]uint64{forward.RxNotPeer: 1})
		set("vxlan1", acceptAny)
		want("accepted", 0, 1)
	})
}

// TestLocalBypassSuperframe: a superframe is handed over whole, its checksum
// partial, and counts as its segments.
func TestLocalBypassSuperframe(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r, other := twoLinks(t, net, func(*vtep.LinkConfig) {})
		f := partial(t, packet{tcp: true, payload: 30000}.build(t))
		in := encap.ParseInner(f.Data)
		f.Offload = encap.Offload{Kind: encap.GSOTCPv4, Csum: encap.CsumPartial, SegSize: 1000, CsumStart: in.L4, CsumOffset: 16}
		sent := r.out(f)
		got := drain(other.Output())
		if len(sent) != 0 || len(got) != 1 || got[0].Offload != f.Offload || !bytes.Equal(got[0].Data, f.Data) {
			t.Fatalf("%d packets on the wire, %d frames handed over", len(sent), len(got))
		}
		if a, b := r.stats(t, "vxlan0"), r.stats(t, "vxlan1"); a.TxPackets != 30 || b.RxPackets != 30 || a.TxBytes != b.RxBytes {
			t.Errorf("counted %+v and %+v", a, b)
		}
	})
}

// TestLocalBypassInVRF: links whose device is in a VRF hand each other frames, too.
func TestLocalBypassInVRF(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n, h := hooked(t, net, addrA)
		h.let(rules{vrf: underlay.Interface{VRF: "blue", VRFIndex: 7}})
		r := &rig{node: n, t: t, wire: net.Capture(), link: "vxlan0"}
		r.dev = r.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Dev: "eth0", Remote: addrB})
		other := r.addUp(t, vtep.LinkConfig{Name: "vxlan1", VNI: 43, Dev: "eth0", Remote: addrA})
		for _, e := range []vtep.FDBEntry{
			{Link: "vxlan0", Remote: vtep.Remote{Addr: addrA, VNI: new(encap.VNI(43))}, State: fdb.Permanent},
			{Link: "vxlan1", Remote: vtep.Remote{Addr: addrA, VNI: new(encap.VNI(42))}, State: fdb.Permanent},
		} {
			must(t, r.FDBAppend(e))
		}
		sent := r.out(frame(bcast, macB, "x"))
		if got := drain(other.Output()); len(sent) != 1 || len(got) != 1 {
			t.Errorf("%d packets on the wire, %d frames handed over; want one to %s and one to the other link", len(sent), len(got), addrB)
		}
	})
}

// TestLocalBypassIsJudged: the MSS, the group policy and the reserved bits of what another
// link of this VTEP hands over are treated as if it came by the network.
func TestLocalBypassIsJudged(t *testing.T) {
	for _, through := range []bool{false, true} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r, other := twoLinks(t, net, func(c *vtep.LinkConfig) {
				c.NoLocalBypass, c.MTU = through, 1400
				if c.VNI == 43 {
					c.ClampMSS, c.GBP = true, true
				} else {
					c.PolicyID, c.GBP = 7, true
				}
			})
			r.out(syn(t, 8960))
			got := drain(other.Output())
			if len(got) != 1 || announced(t, got[0].Data) != 1360 {
				t.Errorf("through the network %v: %d frames, MSS %d, want 1360", through, len(got), announced(t, got[0].Data))
			}
			if id := r.stats(t, "vxlan1").PolicyID; id != 7 {
				t.Errorf("through the network %v: policy id %d, want 7", through, id)
			}
			must(t, r.UpdateLink("vxlan1", func(c *vtep.LinkConfig) error { c.GBP, c.Reserved = false, vtep.ReservedDrop; return nil }))
			r.out(frame(bcast, macB, "x"))
			checkDrops(t, r.stats(t, "vxlan1"), map[forward.DropReason]uint64{forward.RxReserved: 1})
		})
	}
}

// TestLocalBypassDropsAsTheNetwork: each check of what comes from the network is made of
// what another link of this VTEP hands over, too, and drops for the same reason.
func TestLocalBypassDropsAsTheNetwork(t *testing.T) {
	proxied := func(c *vtep.LinkConfig) { c.Proxy, c.ProxyLearn = true, true }
	for _, tt := range []struct {
		name   string
		edit   func(*vtep.LinkConfig) // of the link that is handed frames
		pin    bool                   // macB behind another remote
		frames []encap.Frame
		drops  map[forward.DropReason]uint64
		learns int // addresses
	}{
		{name: "nothing", frames: []encap.Frame{frame(bcast, macB, "x")}},
		{name: "no peer", edit: func(c *vtep.LinkConfig) {
			c.Accept = vtep.Accept{Mode: vtep.AcceptPrefixes, Prefixes: []netip.Prefix{netip.PrefixFrom(addrC, 32)}}
		}, frames: []encap.Frame{frame(bcast, macB, "x")}, drops: map[forward.DropReason]uint64{forward.RxNotPeer: 1}},
		{name: "peerbumlimit", edit: func(c *vtep.LinkConfig) { c.PeerBUMLimit = 3 }, frames: []encap.Frame{
			frame(bcast, macB, "1"), frame(bcast, macB, "2"), frame(bcast, macB, "3"), frame(bcast, macB, "4"), frame(bcast, macB, "5"),
		}, drops: map[forward.DropReason]uint64{forward.RxPeerBUMLimit: 4}}, // of so low a limit one passes at once
		{name: "a pinned MAC", pin: true, frames: []encap.Frame{frame(bcast, macB, "x")}, drops: map[forward.DropReason]uint64{forward.RxStaticMAC: 1}},
		{name: "a pinned MAC without learning", edit: func(c *vtep.LinkConfig) { c.NoLearning = true }, pin: true, frames: []encap.Frame{frame(bcast, macB, "x")}},
		{name: "an address", edit: proxied, frames: []encap.Frame{arpRequest(netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("198.51.100.8"))}, learns: 1},
		{name: "an address without learning", edit: func(c *vtep.LinkConfig) { c.Proxy = true }, frames: []encap.Frame{
			arpRequest(netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("198.51.100.8")),
		}},
	} {
		for _, through := range []bool{false, true} {
			bubble(t, func(t *testing.T, net *vteptest.Network) {
				r, _ := twoLinks(t, net, func(c *vtep.LinkConfig) {
					c.NoLocalBypass = through
					if c.VNI == 43 && tt.edit != nil {
						tt.edit(c)
					}
				})
				if tt.pin {
					must(t, r.FDBAdd(vtep.FDBEntry{Link: "vxlan1", MAC: macB, Remote: vtep.Remote{Addr: addrC}, State: fdb.Permanent}))
				}
				r.out(tt.frames...)
				s := r.stats(t, "vxlan1")
				checkDrops(t, s, tt.drops)
				if want := uint64(len(tt.frames)); s.RxPackets+sum(tt.drops) != want {
					t.Errorf("%s, through the network %v: %d packets were taken and %d dropped, of %d", tt.name, through, s.RxPackets, sum(tt.drops), want)
				}
				if i, err := r.Link("vxlan1"); err != nil || i.Learned != tt.learns {
					t.Errorf("%s, through the network %v: %d addresses were learned, want %d (%v)", tt.name, through, i.Learned, tt.learns, err)
				}
			})
		}
	}
}

func sum(drops map[forward.DropReason]uint64) (n uint64) {
	for _, d := range drops {
		n += d
	}
	return n
}
