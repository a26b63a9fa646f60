package state

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// nothing is the configuration of a daemon without a file.
type nothing struct{}

func (nothing) HasLink(string) bool                  { return false }
func (nothing) HasPort(string) bool                  { return false }
func (nothing) HasEntry(string, *vtep.FDBEntry) bool { return false }

var self = netip.MustParseAddr("192.0.2.1")

// running is a VTEP that runs until the test ends.
func running(t *testing.T) *vtep.VTEP {
	t.Helper()
	v := vtep.New(vtep.Config{Host: vteptest.NewNetwork().Host(self), Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return v
}

// held is what clients gave a VTEP, as its lists tell it.
type held struct {
	Entries    []vtep.FDBEntry
	Neighbours []vtep.Neighbour
}

func holds(t *testing.T, v *vtep.VTEP) (h held) {
	t.Helper()
	err := v.WalkFDB(vtep.FDBFilter{}, func(e *vtep.FDBEntry) bool {
		c := *e
		c.Used, c.Updated = 0, 0
		h.Entries = append(h.Entries, c)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.WalkNeighbours("", func(n *vtep.Neighbour) bool {
		c := *n
		c.Mark = 0 // a number of the daemon's own
		h.Neighbours = append(h.Neighbours, c)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestRestore: what clients gave a VTEP another one gets back from its state, as whose it was. After a boot of the host
// that is what operators gave alone.
func TestRestore(t *testing.T) {
	remote, far := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
	v := running(t)
	if err := v.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: remote, Proxy: true}); err != nil {
		t.Fatal(err)
	}
	neighbour := func(ip string, mac encap.MAC, router bool) vtep.NeighbourChange {
		return vtep.NeighbourChange{Neighbour: vtep.Neighbour{
			Link: "vxlan0", IP: encap.AddrFrom(netip.MustParseAddr(ip)), ToldNeighbour: forward.ToldNeighbour{MAC: mac, Router: router, Override: true},
		}}
	}
	evpn, other := vtep.Owner{Name: "evpn", Generation: 7}, vtep.Owner{Name: "other"}
	for _, errs := range [][]error{
		v.NeighbourBatch(evpn, []vtep.NeighbourChange{neighbour("198.51.100.7", encap.MAC{2, 7}, false), neighbour("2001:db8::7", encap.MAC{2, 7}, true)}),
		v.NeighbourBatch(other, []vtep.NeighbourChange{neighbour("198.51.100.8", encap.MAC{2, 8}, false)}),
		v.FDBBatch(evpn, []vtep.FDBChange{{Entry: vtep.FDBEntry{Link: "vxlan0", MAC: encap.MAC{2, 7}, Remote: vtep.Remote{Addr: far}, State: fdb.Permanent, Flags: fdb.FlagExternLearn}}}),
		v.FDBBatch(vtep.Owner{}, []vtep.FDBChange{{Entry: vtep.FDBEntry{Link: "vxlan0", MAC: encap.MAC{2, 9}, Remote: vtep.Remote{Addr: far, Port: 4790}, State: fdb.Static}}}),
	} {
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	s, left, err := Collect(v, nothing{})
	if err != nil || left != 0 {
		t.Fatal(left, err)
	}
	b := encoded(t, s.Made())
	restore := func(boot string) (*vtep.VTEP, Restored) {
		t.Helper()
		s, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if boot != "" {
			s.Boot = boot
		}
		to := running(t)
		r, err := RestoreMade(to, &Saved{State: s})
		if err != nil {
			t.Fatal(err)
		}
		return to, r
	}
	same, r := restore("")
	if want := (Restored{Links: 1, Entries: 3, Neighbours: 3}); r != want {
		t.Errorf("restored %+v, want %+v", r, want)
	}
	compare := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if d := cmp.Diff(holds(t, v), holds(t, same), compare); d != "" {
		t.Errorf("-had +has:\n%s", d)
	}
	booted, r := restore("another boot")
	if h := holds(t, booted); r.Neighbours != 0 || len(h.Neighbours) != 0 || len(h.Entries) != 2 { // that of remote, and an operator's
		t.Errorf("after a boot: %+v, restored %+v", h, r)
	}
}
