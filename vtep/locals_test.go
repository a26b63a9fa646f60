package vtep_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// from is a frame to everybody from mac.
func from(mac encap.MAC) encap.Frame {
	return encap.Frame{Data: append(append(append(bcast[:6:6], mac[:]...), 0x88, 0xb5), make([]byte, 46)...)}
}

// gratuitous is an ARP announcement (RFC 5227 section 2.3): ip is at mac.
func gratuitous(mac encap.MAC, ip netip.Addr) encap.Frame {
	b := append(append(bcast[:6:6], mac[:]...), 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	b = append(append(b, mac[:]...), ip.AsSlice()...)
	return encap.Frame{Data: append(append(b, 0, 0, 0, 0, 0, 0), ip.AsSlice()...)}
}

// mac is the n'th of many addresses.
func mac(n int) encap.MAC { return encap.MAC{2, 1, 0, byte(n >> 16), byte(n >> 8), byte(n)} }

// local are the addresses on this side, a few words each.
func (r *rig) local() (all []string) {
	r.t.Helper()
	must(r.t, r.WalkLocal(r.link, nil, func(e *vtep.LocalEntry) bool {
		all = append(all, localWords("", e.MAC, e.IP, e.Contested, e.Pinned))
		return true
	}))
	return all
}

func localWords(verb string, mac encap.MAC, ip netip.Addr, contested, pinned bool) string {
	w := verb + mac.String()
	if ip.IsValid() && !ip.IsUnspecified() {
		w += " " + ip.String()
	}
	if contested {
		w += " contested"
	}
	if pinned {
		w += " pinned"
	}
	return w
}

// localEvent is an event in words.
func localEvent(e *vtep.Event) string {
	verb := map[vtep.EventKind]string{vtep.LocalSeen: "new ", vtep.LocalMoved: "move ", vtep.LocalGone: "del ", vtep.LocalContested: "conflict "}[e.Kind]
	w := localWords(verb, e.Entry.MAC, e.Entry.Remote.Addr, false, e.Pinned)
	switch {
	case e.Kind == vtep.LocalGone:
		w += " " + e.Reason.String()
	case !e.OldMAC.IsZero():
		w += " from " + e.OldMAC.String()
	case e.Old.IsValid():
		w += " from " + e.Old.String()
	}
	return w
}

// localRig has a link with learnlocal and hears its events.
func localRig(t *testing.T, net *vteptest.Network, edit func(*vtep.LinkConfig)) (*rig, *vtep.Subscription) {
	t.Helper()
	r := newRig(t, net, func(c *vtep.LinkConfig) {
		c.LearnLocal = true
		if edit != nil {
			edit(c)
		}
	})
	return r, r.listen(t, vtep.LocalEvents)
}

// TestLearnLocal: a source of the port is new once, is refreshed, and ages; a link without
// learnlocal knows nothing; off and link down forget all, with events.
func TestLearnLocal(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r, s := localRig(t, net, func(c *vtep.LinkConfig) { c.Ageing = 20 * time.Second })
		r.out(from(macB), from(macB), from(macC), from(encap.MAC{1}), from(encap.MAC{}))
		wantHeard(t, "two sources, and two that are none", s, "new "+macB.String(), "new "+macC.String())
		if got := r.local(); !slices.Equal(got, []string{macB.String(), macC.String()}) {
			t.Errorf("local: %q", got)
		}
		for range 5 {
			time.Sleep(10 * time.Second)
			r.out(from(macB))
		}
		wantHeard(t, "one that was silent", s, "del "+macC.String()+" aged")
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.LearnLocal = false; return nil }))
		wantHeard(t, "off", s, "del "+macB.String()+" flushed")
		r.out(from(macB))
		wantHeard(t, "while off", s)
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.LearnLocal = true; return nil }))
		r.out(from(macB))
		wantHeard(t, "on again", s, "new "+macB.String())
		must(t, r.SetLinkUp(r.link, false))
		wantHeard(t, "link down", s, "del "+macB.String()+" flushed")
		must(t, r.SetLinkUp(r.link, true))
		r.out(from(macB))
		must(t, r.DelLink(r.link))
		wantHeard(t, "link gone", s, "new "+macB.String(), "del "+macB.String()+" flushed")
	})
}

// TestLocalAfterRemote: a MAC address that was behind a remote moves here with its first
// frame from the port, and back when the remote is told or learned again.
func TestLocalAfterRemote(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r, s := localRig(t, net, nil)
		for _, c := range []struct {
			name string
			e    vtep.FDBEntry
		}{
			{"learned", vtep.FDBEntry{State: fdb.Dynamic}},
			{"a controller", vtep.FDBEntry{State: fdb.Static, Flags: fdb.FlagExternLearn, Owner: vtep.Owner{Name: "c", Generation: 1}}},
		} {
			name, e := c.name, c.e
			e.Link, e.MAC, e.Remote = r.link, macC, vtep.Remote{Addr: addrC}
			if e.State == fdb.Dynamic {
				must(t, r.FDBAppend(vtep.FDBEntry{Link: r.link, Remote: vtep.Remote{Addr: addrC}, State: fdb.Permanent}))
				r.hear(addrC, pack(42, from(macC)))
				synctest.Wait() // the port and the socket have a worker each
			} else {
				must(t, r.FDBReplace(e))
			}
			r.out(from(macC))
			wantHeard(t, name, s, "move "+macC.String()+" from "+addrC.String())
			if _, err := r.FDBGet(r.link, macC); err == nil {
				t.Errorf("%s: the entry is there although its address is here", name)
			}
			if e.State == fdb.Dynamic {
				r.hear(addrC, pack(42, from(macC)))
				synctest.Wait() // the port and the socket have a worker each
			} else {
				must(t, r.FDBReplace(e))
			}
			wantHeard(t, name+", back", s, "del "+macC.String()+" moved")
			must(t, r.FDBDel(r.link, macC, nil))
		}
	})
}

// TestPermanentEntriesStay: an operator's entry and a sticky one stay where they are, and the
// address is told to be contested, and told again once it no longer is.
func TestPermanentEntriesStay(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r, s := localRig(t, net, nil)
		ip := netip.MustParseAddr("198.51.100.7")
		for _, e := range []vtep.FDBEntry{
			{State: fdb.Permanent}, {State: fdb.Static}, {State: fdb.Permanent, Flags: fdb.FlagExternLearn},
		} {
			e.Link, e.MAC, e.Remote = r.link, macC, vtep.Remote{Addr: addrC}
			must(t, r.FDBAdd(e))
			r.out(from(macC), from(macC), gratuitous(macC, ip))
			wantHeard(t, "the entry first", s, "conflict "+macC.String()+" from "+addrC.String())
			if got := r.local(); !slices.Equal(got, []string{macC.String() + " contested"}) {
				t.Errorf("local: %q", got)
			}
			if all, err := r.FDBGet(r.link, macC); err != nil || all[0].Remote.Addr != addrC {
				t.Errorf("the entry went: %v, %v", all, err)
			}
			must(t, r.FDBDel(r.link, macC, nil))
			wantHeard(t, "the entry goes", s, "del "+macC.String()+" moved")
			r.out(from(macC), gratuitous(macC, ip))
			wantHeard(t, "the next frame", s, "new "+macC.String(), "new "+macC.String()+" "+ip.String())
			must(t, r.FDBAdd(e))
			wantHeard(t, "the frame first", s, "del "+macC.String()+" "+ip.String()+" moved", "conflict "+macC.String()+" from "+addrC.String())
			must(t, r.FDBDel(r.link, macC, nil))
			wantHeard(t, "the entry goes again", s, "del "+macC.String()+" moved")
		}
	})
}

// TestPinnedHere: a permanent entry without dst has its address on this side for good: with and
// without frames, before learnlocal and after, whatever others say of it, until the entry goes.
func TestPinnedHere(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r, s := localRig(t, net, func(c *vtep.LinkConfig) { c.Ageing = 20 * time.Second })
		pin := vtep.FDBEntry{Link: r.link, MAC: macC, State: fdb.Permanent}
		ip := netip.MustParseAddr("198.51.100.7")
		must(t, r.FDBAdd(pin))
		r.out(from(macB), from(macC), gratuitous(macC, ip))
		wantHeard(t, "the entry, then its host", s, "new "+macC.String()+" pinned", "new "+macB.String(), "new "+macC.String()+" "+ip.String())
		time.Sleep(time.Minute)
		wantHeard(t, "silence", s, "del "+macB.String()+" aged", "del "+macC.String()+" "+ip.String()+" aged")
		if got := r.local(); !slices.Equal(got, []string{macC.String() + " pinned"}) {
			t.Errorf("local: %q", got)
		}
		err := r.FDBBatch(vtep.Owner{Name: "c", Generation: 1}, []vtep.FDBChange{{Verb: vtep.VerbReplace, Entry: vtep.FDBEntry{
			Link: r.link, MAC: macC, Remote: vtep.Remote{Addr: addrC}, State: fdb.Permanent, Flags: fdb.FlagExternLearn,
		}}})[0]
		if !errors.Is(err, vtep.ErrExist) {
			t.Errorf("a controller's entry behind a remote: %v", err)
		}
		must(t, r.SetLinkUp(r.link, false))
		must(t, r.SetLinkUp(r.link, true))
		wantHeard(t, "link down and up", s)
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.LearnLocal = false; return nil }))
		wantHeard(t, "off", s, "del "+macC.String()+" pinned flushed")
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.EVPN = true; return nil }))
		wantHeard(t, "on again", s, "new "+macC.String()+" pinned")
		must(t, r.FDBDel(r.link, macC, nil))
		r.out(from(macC))
		wantHeard(t, "the entry goes", s, "del "+macC.String()+" pinned moved", "new "+macC.String())
		must(t, r.FDBAdd(pin))
		wantHeard(t, "the frame first", s, "new "+macC.String()+" pinned")
		pin.Remote.Addr = addrC
		must(t, r.FDBReplace(pin))
		wantHeard(t, "the operator has it behind a remote", s, "del "+macC.String()+" pinned moved")
		r.out(from(macC))
		wantHeard(t, "and its host speaks here", s, "conflict "+macC.String()+" from "+addrC.String())
	})
}

// TestLearnLocalAddresses: ARP and neighbour messages name the IP addresses, which move
// between MAC addresses of this side and go with theirs.
func TestLearnLocalAddresses(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r, s := localRig(t, net, nil)
		ip := netip.MustParseAddr("198.51.100.7")
		r.out(gratuitous(macB, ip), gratuitous(macB, ip))
		wantHeard(t, "an announcement", s, "new "+macB.String(), "new "+macB.String()+" "+ip.String())
		r.out(gratuitous(macC, ip))
		wantHeard(t, "another MAC", s, "new "+macC.String(), "move "+macC.String()+" "+ip.String()+" from "+macB.String())
		forged := gratuitous(macA, ip)
		copy(forged.Data[6:], macB[:])
		r.out(forged)
		wantHeard(t, "a claim for another's MAC", s)
		for range 10 {
			r.out(gratuitous(macB, ip), gratuitous(macC, ip))
		}
		if moves := len(heard(t, s)); moves != 4 {
			t.Errorf("%d more moves of an address that two hosts fight for, want 4", moves)
		}
		must(t, r.FDBReplace(vtep.FDBEntry{Link: r.link, MAC: macC, Remote: vtep.Remote{Addr: addrB}, State: fdb.Static, Flags: fdb.FlagExternLearn}))
		wantHeard(t, "its MAC moves away", s, "del "+macC.String()+" "+ip.String()+" moved", "del "+macC.String()+" moved")
	})
}

// TestLocalsAreLimited: made-up source addresses evict one another and none that was seen for
// longer, and come no faster than the limit.
func TestLocalsAreLimited(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r, s := localRig(t, net, func(c *vtep.LinkConfig) { c.MaxAddresses = 32 })
		r.out(from(macB))
		time.Sleep(2 * time.Second)
		r.out(from(macB))
		heard(t, s)
		for n := range 6000 {
			r.out(from(mac(n)))
		}
		all := r.local()
		if !slices.Contains(all, macB.String()) || len(all) > 32 {
			t.Errorf("%d addresses after a flood, those seen before among them: %v", len(all), slices.Contains(all, macB.String()))
		}
		news := 0
		for _, w := range heard(t, s) {
			if w[:4] == "new " {
				news++
			}
		}
		if news > 4096 {
			t.Errorf("%d new addresses were told in one second", news)
		}
	})
}

// TestLocalAddressesAreLimited: one MAC address keeps 32 IP addresses, and where the link has
// no room for more, who has most gives one.
func TestLocalAddressesAreLimited(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r, _ := localRig(t, net, func(c *vtep.LinkConfig) { c.MaxAddresses = 40 })
		for n := range 100 {
			r.out(gratuitous(macB, netip.AddrFrom4([4]byte{198, 51, 100, byte(n + 1)})))
		}
		if got := r.local(); len(got) != 33 {
			t.Errorf("a MAC address has %d IP addresses, want 32", len(got)-1)
		}
		for n := range 30 {
			r.out(gratuitous(mac(n), netip.AddrFrom4([4]byte{203, 0, 113, byte(n + 1)})))
		}
		ips := 0
		for _, w := range r.local() {
			if len(w) > len(macB.String()) {
				ips++
			}
		}
		for n := range 30 {
			if w := fmt.Sprintf("%s 203.0.113.%d", mac(n), n+1); !slices.Contains(r.local(), w) {
				t.Errorf("%s is not there: the host with most addresses keeps others out", w)
			}
		}
		if ips != 40 {
			t.Errorf("%d IP addresses, want 40", ips)
		}
	})
}
