package vtep_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// listen subscribes until the test ends.
func (n *node) listen(t *testing.T, set vtep.EventSet) *vtep.Subscription {
	t.Helper()
	s, err := n.Subscribe(set)
	must(t, err)
	t.Cleanup(s.Close)
	return s
}

// heard takes what is queued, a few words each.
func heard(t *testing.T, s *vtep.Subscription) []string {
	t.Helper()
	synctest.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		time.Sleep(time.Millisecond) // the bubble's: everything else is idle
		cancel()
	}()
	var words []string
	for {
		all, lost, err := s.Read(ctx, nil)
		if err != nil {
			return words
		}
		for i := range all {
			words = append(words, inWords(&all[i]))
		}
		if lost > 0 {
			words = append(words, fmt.Sprint("lost ", lost))
		}
	}
}

func inWords(e *vtep.Event) string {
	entry := func(verb string) string {
		w := []string{verb, e.Entry.Link, e.Entry.MAC.String(), e.Entry.Remote.Addr.String(), e.Entry.State.String(), e.Reason.String()}
		if e.Entry.Remote.VNI != nil || e.Entry.Remote.Port != 0 {
			w = append(w, "not short")
		}
		return strings.Join(w, " ")
	}
	switch e.Kind {
	case vtep.LinkChanged:
		return fmt.Sprintf("link %s up %v mtu %d", e.Link.Name, e.Link.Up, e.Link.MTU)
	case vtep.LinkRemoved:
		return fmt.Sprintf("link %s removed", e.Link.Name)
	case vtep.EntryChanged:
		return entry("new")
	case vtep.EntryMoved:
		return entry("move") + " from " + e.Old.String()
	case vtep.EntryRemoved:
		return entry("del")
	case vtep.Dropped:
		unknown := ""
		if vni := e.Entry.Remote.VNI; vni != nil {
			unknown = fmt.Sprint(" of VNI ", *vni)
		}
		return fmt.Sprintf("drop %q %s %d%s", e.Entry.Link, e.Drop, e.Count, unknown)
	case vtep.LocalSeen, vtep.LocalMoved, vtep.LocalGone, vtep.LocalContested:
		return localEvent(e)
	case vtep.L2Miss, vtep.L3Miss, vtep.EntryHeld, vtep.EntryReleased, vtep.PolicySeen, vtep.TroubleBegan, vtep.TroubleEnded:
	}
	return fmt.Sprintf("kind %d", e.Kind)
}

func wantHeard(t *testing.T, what string, s *vtep.Subscription, want ...string) {
	t.Helper()
	if got := heard(t, s); !slices.Equal(got, want) {
		t.Errorf("%s: heard\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestEventsOfEntries: what happens to entries, in order and once, and links
// before their entries when they come and after them when they go.
func TestEventsOfEntries(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n := newNode(t, net, addrA)
		s := n.listen(t, vtep.FDBEvents|vtep.LinkEvents)
		r := &rig{node: n, t: t, wire: net.Capture(), link: "vxlan0"}
		r.dev = n.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB, Accept: vtep.Accept{Mode: vtep.AcceptAny}})
		wantHeard(t, "add", s, "link vxlan0 up false mtu 1450",
			"new vxlan0 00:00:00:00:00:00 192.0.2.2 permanent user", "link vxlan0 up true mtu 1450")
		at := func(mac encap.MAC, a netip.Addr) vtep.FDBEntry {
			return vtep.FDBEntry{Link: "vxlan0", MAC: mac, Remote: vtep.Remote{Addr: a}, State: fdb.Static}
		}
		must(t, n.FDBAdd(at(macC, addrC)))
		must(t, n.FDBReplace(at(macC, addrB)))
		must(t, n.FDBReplace(at(macC, addrB))) // changes nothing
		must(t, n.FDBDel("vxlan0", macC, nil))
		wantHeard(t, "by users", s, "new vxlan0 02:00:00:00:00:0c 192.0.2.3 static user",
			"new vxlan0 02:00:00:00:00:0c 192.0.2.2 static user", "del vxlan0 02:00:00:00:00:0c 192.0.2.2 static user")
		r.in(addrB, frame(macA, macB, "x"), frame(macA, macB, "y"))
		r.in(addrC, frame(macA, macB, "z"))
		wantHeard(t, "learned", s, "new vxlan0 02:00:00:00:00:0b 192.0.2.2 dynamic learned",
			"move vxlan0 02:00:00:00:00:0b 192.0.2.3 dynamic learned from 192.0.2.2")
		time.Sleep(400 * time.Second)
		wantHeard(t, "aged", s, "del vxlan0 02:00:00:00:00:0b 192.0.2.3 dynamic aged")
		r.in(addrB, frame(macA, macB, "x"))
		must(t, n.SetLinkUp("vxlan0", false))
		wantHeard(t, "down", s, "new vxlan0 02:00:00:00:00:0b 192.0.2.2 dynamic learned",
			"del vxlan0 02:00:00:00:00:0b 192.0.2.2 dynamic flushed", "link vxlan0 up false mtu 1450")
		must(t, n.UpdateLink("vxlan0", func(c *vtep.LinkConfig) error { c.Remote = addrC; return nil }))
		wantHeard(t, "another remote", s, "new vxlan0 00:00:00:00:00:00 192.0.2.3 permanent user",
			"del vxlan0 00:00:00:00:00:00 192.0.2.2 permanent user", "link vxlan0 up false mtu 1450")
		must(t, n.DelLink("vxlan0"))
		wantHeard(t, "deleted", s, "del vxlan0 00:00:00:00:00:00 192.0.2.3 permanent flushed", "link vxlan0 removed")
	})
}

// TestEventsOfDrops: once a second what was dropped since, and nothing of what
// was before somebody listened.
func TestEventsOfDrops(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		time.Sleep(500 * time.Millisecond)
		r.in(addrC, frame(macA, macC, "before"))
		s := r.listen(t, vtep.DropEvents)
		links := r.listen(t, vtep.LinkEvents)
		time.Sleep(time.Second)
		wantHeard(t, "at first", s)
		for range 3 {
			r.in(addrC, frame(macA, macC, "x"))
			r.hear(addrC, pack(43, frame(macA, macC, "x")))
		}
		r.in(addrB, frame(macA, encap.MAC{}, "x"))
		wantHeard(t, "within the second", s)
		time.Sleep(time.Second)
		wantHeard(t, "a second later", s, `drop "vxlan0" rx-not-peer 3`, `drop "vxlan0" rx-bad-source 1`, `drop "" rx-unknown-vni 3 of VNI 43`)
		time.Sleep(3 * time.Second)
		wantHeard(t, "without drops", s)
		wantHeard(t, "links", links)
	})
}

// TestSlowSubscriber: who does not read loses events and is told how many; what
// is told goes on, and another subscriber hears everything.
func TestSlowSubscriber(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.MaxAddresses = vtep.UnlimitedAddresses })
		slow, fast := r.listen(t, vtep.FDBEvents), r.listen(t, vtep.FDBEvents)
		const changes = 50_000
		quick := 0
		var reuse []vtep.Event
		for i := range changes {
			e := vtep.FDBEntry{Link: r.link, MAC: encap.MAC{2, 0, 1, byte(i >> 16), byte(i >> 8), byte(i)}, Remote: vtep.Remote{Addr: addrC}}
			must(t, r.FDBAdd(e))
			if i%500 == 499 {
				var lost uint64
				var err error
				if reuse, lost, err = fast.Read(t.Context(), reuse); err != nil || lost > 0 {
					t.Fatal(lost, err)
				}
				quick += len(reuse)
			}
		}
		if quick != changes {
			t.Errorf("the other subscriber heard %d of %d", quick, changes)
		}
		kept := 0
		for next := byte(0); ; {
			all, lost, err := slow.Read(t.Context(), nil)
			must(t, err)
			for i := range all {
				if all[i].Entry.MAC[5] != next {
					t.Fatalf("event %d is of %s", kept, all[i].Entry.MAC)
				}
				next++
				kept++
			}
			if lost > 0 {
				if kept+int(lost) != changes || kept < 16384 {
					t.Errorf("%d events and %d lost, want %d together", kept, lost, changes)
				}
				break
			}
		}
		must(t, r.FDBDel(r.link, encap.MAC{2, 0, 1, 0, 0, 0}, nil))
		wantHeard(t, "afterwards", slow, "del vxlan0 02:00:01:00:00:00 192.0.2.3 dynamic user")
	})
}

// TestSubscriptionsAreBounded: and one that ends makes room.
func TestSubscriptionsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n := newNode(t, net, addrA)
		var all []*vtep.Subscription
		for {
			s, err := n.Subscribe(vtep.LinkEvents)
			if err != nil {
				if !errors.Is(err, vtep.ErrFull) {
					t.Error(err)
				}
				break
			}
			if all = append(all, s); len(all) > 1000 {
				t.Fatal("without end")
			}
		}
		all[3].Close()
		s := n.listen(t, vtep.LinkEvents)
		must(t, n.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42}))
		wantHeard(t, "the new one", s, "link vxlan0 up false mtu 1500")
		wantHeard(t, "an old one", all[0], "link vxlan0 up false mtu 1500")
		wantHeard(t, "the closed one", all[3])
		for _, s := range all {
			s.Close()
		}
	})
}

// TestEventsOfRefusedLink: of a link that could not be made nothing is heard.
func TestEventsOfRefusedLink(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := &hooks{Host: net.Host(addrA)}
		n := startNode(t, net, h.Host, h, addrA)
		s := n.listen(t, vtep.LinkEvents|vtep.FDBEvents)
		h.let(rules{device: func(tap.Config) error { return errRefused }})
		if err := n.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB}); err == nil {
			t.Error("not refused")
		}
		wantHeard(t, "refused", s)
	})
}
