package vtep_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// hears reports whether the link takes packets from a source, and checks that
// what it does not take is neither learned nor uncounted.
func (r *rig) hears(from netip.Addr) bool {
	r.t.Helper()
	before := r.stats(r.t, r.link)
	mac := encap.MAC{2, 0xee, 0, 0, 0, from.AsSlice()[len(from.AsSlice())-1]}
	took := len(r.in(from, frame(macA, mac, "x"))) == 1
	after := r.stats(r.t, r.link)
	if dropped := after.Drops[forward.RxNotPeer] - before.Drops[forward.RxNotPeer]; took != (dropped == 0) || dropped > 1 {
		r.t.Errorf("from %s: taken %v, but %d drops counted", from, took, dropped)
	}
	if learned := len(r.entries(r.t, r.link, mac)) == 1; learned != took {
		r.t.Errorf("from %s: taken %v, learned %v", from, took, learned)
	}
	if took {
		must(r.t, r.FDBDel(r.link, mac, nil))
	}
	return took
}

func TestS01Peers(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		addrD := netip.MustParseAddr("192.0.2.4")
		want := func(what string, addrs ...netip.Addr) {
			t.Helper()
			for _, a := range []netip.Addr{addrB, addrC, addrD} {
				listed := false
				for _, w := range addrs {
					listed = listed || w == a
				}
				if r.hears(a) != listed {
					t.Errorf("%s: packets from %s taken: %v", what, a, !listed)
				}
			}
		}
		at := func(mac encap.MAC, to vtep.Remote) vtep.FDBEntry {
			return vtep.FDBEntry{Link: r.link, MAC: mac, Remote: to, State: fdb.Permanent}
		}
		want("remote", addrB)
		must(t, r.FDBAppend(at(encap.MAC{}, vtep.Remote{Addr: addrC})))
		want("appended to the flood list", addrB, addrC)
		must(t, r.FDBAdd(at(macC, vtep.Remote{Addr: addrC, Port: 9999})))
		must(t, r.FDBDel(r.link, encap.MAC{}, &vtep.Remote{Addr: addrC}))
		want("a unicast entry is left", addrB, addrC)
		must(t, r.FDBReplace(at(macC, vtep.Remote{Addr: addrD})))
		want("replaced by another remote", addrB, addrD)
		must(t, r.FDBDel(r.link, macC, nil))
		want("deleted", addrB)
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.Remote = addrC; return nil }))
		want("another remote", addrC)
		must(t, r.FDBAdd(at(macC, vtep.Remote{Addr: addrD})))
		want("an entry more", addrC, addrD)
		if _, err := r.FDBFlush(r.link, vtep.FDBFilter{Dst: addrD}); err != nil {
			t.Error(err)
		}
		want("flushed", addrC)
		// What was learned makes no peer, nor does its ageing unmake one.
		r.in(addrC, frame(macA, macC, "x"))
		time.Sleep(400 * time.Second)
		r.behind(macC, netip.Addr{})
		want("aged", addrC)
	})
}

// TestS01PeerByController: a dynamic entry of a controller makes a peer until
// it ages.
func TestS01PeerByController(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: macC, Remote: vtep.Remote{Addr: addrC}, State: fdb.Dynamic}))
		if !r.hears(addrC) {
			t.Error("not taken")
		}
		time.Sleep(400 * time.Second)
		if r.hears(addrC) {
			t.Error("taken after the entry aged")
		}
		// A learned entry that an operator replaces becomes configuration.
		r.in(addrB, frame(macA, macB, "x"))
		must(t, r.FDBReplace(vtep.FDBEntry{Link: r.link, MAC: macB, Remote: vtep.Remote{Addr: addrC}, State: fdb.Static}))
		if !r.hears(addrC) || !r.hears(addrB) {
			t.Error("not taken after replace")
		}
	})
}

func TestS01AnyAndPrefixes(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) {
			c.Accept = vtep.Accept{Mode: vtep.AcceptPrefixes, Prefixes: []netip.Prefix{
				netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("192.0.2.3/32"),
			}}
		})
		for a, want := range map[string]bool{"192.0.2.2": false, "192.0.2.3": true, "198.51.100.200": true, "198.51.101.1": false} {
			if r.hears(netip.MustParseAddr(a)) != want {
				t.Errorf("prefixes: packets from %s taken: %v", a, !want)
			}
		}
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.Accept = vtep.Accept{Mode: vtep.AcceptAny}; return nil }))
		if !r.hears(netip.MustParseAddr("203.0.113.77")) {
			t.Error("any: not taken")
		}
	})
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.Remote, c.Group, c.Dev = netip.Addr{}, group, "eth0" })
		if !r.hears(addrC) {
			t.Error("the default with a group is any: not taken")
		}
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.Accept.Mode = vtep.AcceptPeers; return nil }))
		if r.hears(addrC) {
			t.Error("a group with accept peers: taken")
		}
	})
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.Remote = netip.Addr{} })
		if r.hears(addrB) {
			t.Error("without any remote: taken")
		}
	})
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.Remote = addrB6 })
		if !r.hears(addrB6) || r.hears(netip.MustParseAddr("2001:db8:1::3")) {
			t.Error("IPv6: the remote is not the only peer")
		}
	})
}

func TestS03FiniteByDefault(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		for n := range vtep.DefaultMaxAddresses + 10 {
			r.hear(addrB, pack(42, frame(macA, encap.MAC{2, 0, 0, 1, byte(n >> 8), byte(n)}, "x")))
			if n%1000 == 0 {
				r.got()
			}
		}
		r.got()
		info, err := r.Link(r.link)
		must(t, err)
		if info.Entries != vtep.DefaultMaxAddresses+1 || info.Stats.Evicted != 10 || info.Stats.NotLearned != 0 { // and the flood list
			t.Errorf("%d entries, %d evicted, %d not learned", info.Entries, info.Stats.Evicted, info.Stats.NotLearned)
		}
	})
}

func TestS04SplitHorizon(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, acceptAny)
		must(t, r.FDBAppend(vtep.FDBEntry{Link: r.link, Remote: vtep.Remote{Addr: addrC}}))
		r.in(addrC, frame(macA, macC, "I am behind C"))
		for _, dst := range []encap.MAC{macC, bcast, {2, 9, 9, 9, 9, 9}} {
			if got := r.in(addrB, frame(dst, macB, "x")); len(got) != 1 {
				t.Errorf("to %s: %d frames", dst, len(got))
			}
		}
		if sent := r.sent(); len(sent) != 0 {
			t.Errorf("sent on to %v", dsts(sent))
		}
	})
}

func TestS05OwnEcho(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*vtep.LinkConfig)
	}{
		{"route's source", func(*vtep.LinkConfig) {}},
		{"local", func(c *vtep.LinkConfig) { c.Local = addrA }},
	} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r := newRig(t, net, func(c *vtep.LinkConfig) { c.Remote, c.Group, c.Dev = netip.Addr{}, group, "eth0"; tt.edit(c) })
			// As a bridge port: the frame's source is not the link's MAC.
			if sent := r.out(frame(bcast, macC, "x")); len(sent) != 1 {
				t.Fatalf("%s: sent %v", tt.name, dsts(sent))
			}
			if got := r.got(); len(got) != 0 {
				t.Errorf("%s: heard the own echo", tt.name)
			}
			r.drops(map[forward.DropReason]uint64{forward.RxOwnEcho: 1})
			r.behind(macC, netip.Addr{})
		})
	}
}
