package vtep_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

func acceptAny(c *vtep.LinkConfig) { c.Accept.Mode = vtep.AcceptAny }

func TestL01BadSource(t *testing.T) {
	for _, nolearning := range []bool{false, true} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r := newRig(t, net, func(c *vtep.LinkConfig) { c.NoLearning = nolearning })
			for _, src := range []encap.MAC{{}, {0x01, 0, 0x5e, 0, 0, 1}, bcast} {
				if got := r.in(addrB, frame(macA, src, "x")); len(got) != 0 {
					t.Errorf("nolearning %v: delivered a frame from %s", nolearning, src)
				}
				r.behind(src, map[bool]netip.Addr{true: addrB}[src.IsZero()]) // the flood list alone
			}
			r.drops(map[forward.DropReason]uint64{forward.RxBadSource: 3})
		})
	}
}

func TestL02OwnMAC(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.Address = macA })
		if got := r.in(addrB, frame(bcast, macA, "x")); len(got) != 0 {
			t.Error("delivered a frame from the link's own MAC")
		}
		r.drops(map[forward.DropReason]uint64{forward.RxOwnMAC: 1})
		// The address follows the netdev.
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.Address = macC; return nil }))
		if got := r.in(addrB, frame(bcast, macA, "x"), frame(bcast, macC, "x")); len(got) != 1 {
			t.Errorf("after a change of address: delivered %d frames", len(got))
		}
		r.drops(map[forward.DropReason]uint64{forward.RxOwnMAC: 2})
		r.behind(macC, netip.Addr{})
	})
}

func TestL03TooShort(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		whole := frame(macA, macB, "")
		for n := range 14 {
			if got := r.in(addrB, encap.Frame{Data: whole.Data[:n]}); len(got) != 0 {
				t.Errorf("delivered %d bytes", n)
			}
		}
		if got := r.in(addrB, whole); len(got) != 1 {
			t.Error("14 bytes were not delivered")
		}
		if sent := r.out(encap.Frame{Data: whole.Data[:13]}); len(sent) != 0 {
			t.Error("sent 13 bytes")
		}
		r.drops(map[forward.DropReason]uint64{forward.RxTooShort: 14, forward.TxTooShort: 1})
	})
}

func TestL04StaticStays(t *testing.T) {
	for _, state := range []fdb.State{fdb.Static, fdb.Permanent} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r := newRig(t, net, acceptAny)
			must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: macC, Remote: vtep.Remote{Addr: addrB, Port: 9999}, State: state}))
			if got := r.in(addrC, frame(macA, macC, "x")); len(got) != 0 {
				t.Errorf("%s: delivered from another remote", state)
			}
			if got := r.in(addrB, frame(macA, macC, "x")); len(got) != 1 {
				t.Errorf("%s: not delivered from its own remote", state)
			}
			r.behind(macC, addrB)
			if e := r.entries(t, r.link, macC); e[0].State != state || e[0].Remote.Port != 9999 {
				t.Errorf("the entry changed: %+v", e)
			}
			r.drops(map[forward.DropReason]uint64{forward.RxStaticMAC: 1})
		})
	}
}

func TestL05Move(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, acceptAny)
		r.in(addrB, frame(macA, macC, "x"))
		r.behind(macC, addrB)
		r.in(addrC, frame(macA, macC, "x"))
		r.behind(macC, addrC)
		if got := dsts(r.out(frame(macC, macA, "x"))); len(got) != 1 || got[0].Addr() != addrC {
			t.Errorf("sent to %v", got)
		}
		r.in(addrB, frame(macA, macC, "x"))
		r.behind(macC, addrB)
		if s := r.stats(t, r.link); s.Moves != 2 {
			t.Errorf("%d moves counted, want 2", s.Moves)
		}
		// What an operator gave as dynamic moves too.
		must(t, r.FDBReplace(vtep.FDBEntry{Link: r.link, MAC: macC, Remote: vtep.Remote{Addr: addrB}, State: fdb.Dynamic}))
		r.in(addrC, frame(macA, macC, "x"))
		r.behind(macC, addrC)
		r.drops(nil)
	})
}

func TestL06Full(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.MaxAddresses = 2 })
		for n := range byte(4) {
			if got := r.in(addrB, frame(macA, encap.MAC{2, 0, 0, 0, 1, n}, "x")); len(got) != 1 {
				t.Errorf("frame %d was not delivered", n)
			}
			time.Sleep(time.Second)
		}
		r.behind(encap.MAC{2, 0, 0, 0, 1, 0}, netip.Addr{}) // its own oldest
		r.behind(encap.MAC{2, 0, 0, 0, 1, 3}, addrB)
		if s := r.stats(t, r.link); s.Evicted != 2 || s.NotLearned != 0 || s.RxPackets != 4 {
			t.Errorf("statistics %+v", s)
		}
		for _, mac := range []encap.MAC{macC, {2, 5}} { // what is given takes the place of what was learned
			must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: mac, Remote: vtep.Remote{Addr: addrB}, State: fdb.Static}))
		}
		if got := r.in(addrB, frame(macA, encap.MAC{2, 0, 0, 0, 1, 2}, "x")); len(got) != 1 {
			t.Error("a frame was not delivered")
		}
		r.behind(encap.MAC{2, 0, 0, 0, 1, 2}, netip.Addr{})
		if s := r.stats(t, r.link); s.NotLearned != 1 {
			t.Errorf("statistics %+v", s)
		}
		if got := r.out(frame(encap.MAC{2, 0, 0, 0, 1, 2}, macA, "x")); len(got) != 1 {
			t.Errorf("the reply went to %v", dsts(got))
		}
		if err := r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: encap.MAC{2, 6}, Remote: vtep.Remote{Addr: addrB}}); !errors.Is(err, vtep.ErrFull) {
			t.Errorf("FDBAdd to a full FDB: %v", err)
		}
		must(t, r.FDBAppend(vtep.FDBEntry{Link: r.link, Remote: vtep.Remote{Addr: addrC}})) // flood lists have room
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.MaxAddresses = vtep.UnlimitedAddresses; return nil }))
		r.in(addrB, frame(macA, encap.MAC{2, 0, 0, 0, 1, 2}, "x"))
		r.behind(encap.MAC{2, 0, 0, 0, 1, 2}, addrB)
		r.drops(nil)
	})
}

// TestL06FullOfRemotes: outer addresses are bounded as well as MACs, so that
// a flood from forged sources under `accept any` takes no memory without end.
func TestL06FullOfRemotes(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { acceptAny(c); c.MaxAddresses, c.NoMoveGuard = 4, true })
		f := frame(macA, macC, "x")
		for n := range 3000 {
			from := netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)})
			if got := r.in(from, f); len(got) != 1 {
				t.Fatalf("frame %d was not delivered", n)
			}
		}
		if s := r.stats(t, r.link); s.Moves < 1000 || s.NotLearned < 1000 || s.Moves+s.NotLearned != 2999 {
			t.Errorf("statistics %+v", s)
		}
		time.Sleep(time.Minute) // the addresses that nothing refers to are given up
		from := netip.MustParseAddr("203.0.113.1")
		r.in(from, f)
		r.behind(macC, from)
	})
}

func TestL07Ageing(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil) // 300 s
		static, quiet, busy, extern, user := encap.MAC{2, 1}, encap.MAC{2, 2}, encap.MAC{2, 3}, encap.MAC{2, 4}, encap.MAC{2, 5}
		give := func(mac encap.MAC, s fdb.State, f fdb.Flags) vtep.FDBEntry {
			return vtep.FDBEntry{Link: r.link, MAC: mac, Remote: vtep.Remote{Addr: addrB}, State: s, Flags: f}
		}
		must(t, r.FDBAdd(give(static, fdb.Static, 0)))
		must(t, r.FDBAdd(give(extern, fdb.Dynamic, fdb.FlagExternLearn)))
		must(t, r.FDBAdd(give(user, fdb.Dynamic, 0)))
		r.in(addrB, frame(macA, quiet, "x"), frame(macA, busy, "x"))
		for range 29 {
			time.Sleep(10 * time.Second)
			r.in(addrB, frame(macA, busy, "x"))
			r.out(frame(quiet, macA, "x"))                    // does not keep it alive
			must(t, r.FDBReplace(give(user, fdb.Dynamic, 0))) // changes nothing: nor does this
			if e := r.entries(t, r.link, quiet); len(e) != 1 || e[0].Used > time.Second || e[0].Updated < 9*time.Second {
				t.Fatalf("quiet: %+v", e)
			}
		}
		for _, mac := range []encap.MAC{static, quiet, busy, extern, user} {
			r.behind(mac, addrB) // 290 s: all there
		}
		time.Sleep(25 * time.Second) // 315 s: a scan is due every 10 s
		for _, mac := range []encap.MAC{static, busy, extern} {
			r.behind(mac, addrB)
		}
		for _, mac := range []encap.MAC{quiet, user} {
			r.behind(mac, netip.Addr{})
		}
		if got := dsts(r.out(frame(encap.MAC{}, macA, "x"))); len(got) != 1 {
			t.Errorf("the flood list aged: %v", got)
		}
	})
}

func TestL07AgeingConfigured(t *testing.T) {
	for _, tt := range []struct {
		ageing time.Duration
		gone   time.Duration // 0: never
	}{{10 * time.Second, 25 * time.Second}, {vtep.NeverAge, 0}, {time.Second / 2, 15 * time.Second}, {time.Hour, 3620 * time.Second}} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r := newRig(t, net, func(c *vtep.LinkConfig) { c.Ageing = tt.ageing })
			r.in(addrB, frame(macA, macC, "x"))
			if tt.gone == 0 {
				time.Sleep(48 * time.Hour)
				r.behind(macC, addrB)
				return
			}
			time.Sleep(tt.ageing / 2)
			r.behind(macC, addrB)
			time.Sleep(tt.gone - tt.ageing/2)
			r.behind(macC, netip.Addr{})
		})
	}
}

func TestL08TTL(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*vtep.LinkConfig)
		ip   uint8 // outer TTL for an inner packet with TTL 7
		arp  uint8 // for a frame without IP
	}{
		{"auto", func(*vtep.LinkConfig) {}, 0, 0}, // the transmitter's default: the route's, or 1 to a group
		{"fixed", func(c *vtep.LinkConfig) { c.TTL = 33 }, 33, 33},
		{"inherit", func(c *vtep.LinkConfig) { c.TTLInherit = true }, 7, 0},
	} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r := newRig(t, net, tt.edit)
			sent := r.out(packet{ttl: 7}.build(t), packet{ttl: 7, v6: true}.build(t), frame(bcast, macA, "x"))
			if len(sent) != 3 || sent[0].TTL != tt.ip || sent[1].TTL != tt.ip || sent[2].TTL != tt.arp {
				t.Errorf("%s: %+v", tt.name, sent)
			}
		})
	}
}

func TestL10LearnedPort(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.DstPort = 8472 })
		net.Send(netip.AddrPortFrom(addrB, 55555), netip.AddrPortFrom(addrA, 8472), 0, pack(42, frame(macA, macC, "x")))
		r.got()
		r.behind(macC, addrB)
		if got := dsts(r.out(frame(macC, macA, "x"))); len(got) != 1 || got[0] != netip.AddrPortFrom(addrB, 8472) {
			t.Errorf("the answer went to %v", got)
		}
	})
}

func TestL15Down(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: macB, Remote: vtep.Remote{Addr: addrB}, State: fdb.Static}))
		must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: macA, Remote: vtep.Remote{Addr: addrB}, State: fdb.Permanent}))
		given := encap.MAC{2, 1}
		must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: given, Remote: vtep.Remote{Addr: addrB}, State: fdb.Dynamic, Flags: fdb.FlagExternLearn}))
		r.in(addrB, frame(macA, macC, "x"))
		r.behind(macC, addrB)
		must(t, r.SetLinkUp(r.link, false))
		r.behind(macC, netip.Addr{})
		r.behind(given, netip.Addr{}) // a controller's dynamic one, too
		r.behind(macB, addrB)
		r.behind(macA, addrB)
		r.behind(encap.MAC{}, addrB)
		if got := r.in(addrB, frame(macA, macC, "x")); len(got) != 0 {
			t.Error("delivered while down")
		}
		r.behind(macC, netip.Addr{})
		r.drops(map[forward.DropReason]uint64{forward.RxLinkDown: 1})
		must(t, r.SetLinkUp(r.link, true))
		if got := r.in(addrB, frame(macA, macC, "x")); len(got) != 1 {
			t.Error("not delivered after up")
		}
	})
}

// TestL15Group: the group is joined when the link comes up and left when its
// last user goes.
func TestL15Group(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n := newNode(t, net, addrA)
		joined := func(want int) {
			t.Helper()
			got := 0
			for _, r := range n.host.Receivers() {
				if r.Group.IsValid() {
					got++
					if r.Group != group || r.Interface != 1 || r.Port != 4789 {
						t.Errorf("group receiver %+v", r)
					}
				}
			}
			if got != want {
				t.Errorf("the group is joined %d times, want %d", got, want)
			}
		}
		for i, name := range []string{"vxlan1", "vxlan2"} {
			must(t, n.AddLink(vtep.LinkConfig{Name: name, VNI: encap.VNI(i + 1), Group: group, Dev: "eth0"}))
		}
		joined(0)
		must(t, n.SetLinkUp("vxlan1", true))
		must(t, n.SetLinkUp("vxlan2", true))
		joined(1)
		must(t, n.SetLinkUp("vxlan1", false))
		joined(1)
		d2 := n.host.Device("vxlan2")
		net.Send(netip.AddrPortFrom(addrB, 1), netip.AddrPortFrom(group, 4789), 0, pack(2, frame(bcast, macB, "x")))
		n.stats(t, "vxlan2")
		if got := drain(d2.Output()); len(got) != 1 {
			t.Errorf("from the group: %d frames", len(got))
		}
		must(t, n.DelLink("vxlan2"))
		joined(0)
		must(t, n.SetLinkUp("vxlan1", true))
		joined(1)
	})
}
