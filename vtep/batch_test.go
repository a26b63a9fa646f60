package vtep_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// put is a controller's change.
func put(verb vtep.FDBVerb, mac encap.MAC, dst netip.Addr) vtep.FDBChange {
	return vtep.FDBChange{Verb: verb, Entry: vtep.FDBEntry{
		Link: "vxlan0", MAC: mac, Remote: vtep.Remote{Addr: dst}, State: fdb.Static, Flags: fdb.FlagExternLearn,
	}}
}

// TestBatch: each change of a batch has a result of its own, and entries have its owner.
func TestBatch(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		nowhere := put(vtep.VerbAdd, macA, addrC)
		nowhere.Entry.Link = "vxlan9"
		errs := r.FDBBatch(vtep.Owner{Name: "c", Generation: 3}, []vtep.FDBChange{
			put(vtep.VerbReplace, macB, addrC), put(vtep.VerbAdd, macB, addrC), nowhere,
			put(vtep.VerbAppend, encap.MAC{}, addrC), put(vtep.VerbDel, macC, addrC), put(vtep.VerbReplace, macC, addrA6),
		})
		for i, want := range []error{nil, vtep.ErrExist, vtep.ErrNoLink, nil, vtep.ErrNotExist, vtep.ErrFamily} {
			if !errors.Is(errs[i], want) {
				t.Errorf("change %d: %v, want %v", i, errs[i], want)
			}
		}
		e := r.entries(t, r.link, macB)
		if len(e) != 1 || e[0].Owner != (vtep.Owner{Name: "c", Generation: 3}) || e[0].Flags != fdb.FlagUser|fdb.FlagExternLearn {
			t.Errorf("entry %+v", e)
		}
		flood := r.entries(t, r.link, encap.MAC{})
		if len(flood) != 2 || flood[0].Owner.Name != "" || flood[1].Owner.Name != "c" {
			t.Errorf("flood list %+v", flood)
		}
		if got := r.in(addrC, frame(macA, mac(1), "from a peer that the batch made")); len(got) != 1 {
			t.Error("the batch's remote is no peer")
		}
	})
}

// TestOwnersAreApart: an owner changes and deletes neither an operator's entries nor another
// owner's, and an operator may do all.
func TestOwnersAreApart(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: macB, Remote: vtep.Remote{Addr: addrB}, State: fdb.Permanent}))
		c, d := vtep.Owner{Name: "c", Generation: 1}, vtep.Owner{Name: "d", Generation: 1}
		must(t, r.FDBBatch(c, []vtep.FDBChange{put(vtep.VerbReplace, macC, addrC)})[0])
		for _, tt := range []struct {
			by     vtep.Owner
			change vtep.FDBChange
			want   error
		}{
			{c, put(vtep.VerbReplace, macB, addrC), vtep.ErrExist},
			{c, put(vtep.VerbDel, macB, addrB), vtep.ErrNotExist},
			{c, put(vtep.VerbAppend, encap.MAC{}, addrB), vtep.ErrExist},
			{c, put(vtep.VerbDel, encap.MAC{}, addrB), vtep.ErrNotExist},
			{d, put(vtep.VerbReplace, macC, addrB), vtep.ErrExist},
			{d, put(vtep.VerbDel, macC, addrC), vtep.ErrNotExist},
			{vtep.Owner{}, put(vtep.VerbReplace, macC, addrB), nil},
			{c, put(vtep.VerbDel, macC, addrB), vtep.ErrNotExist},
		} {
			if err := r.FDBBatch(tt.by, []vtep.FDBChange{tt.change})[0]; !errors.Is(err, tt.want) {
				t.Errorf("%q: %+v: %v, want %v", tt.by.Name, tt.change, err, tt.want)
			}
		}
		r.behind(macB, addrB)
		r.behind(macC, addrB)
	})
}

// TestSweep: what a new generation names again stays without an event, the rest of the owner's
// goes, and nobody else's; and generations may come and go for ever.
func TestSweep(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: macA, Remote: vtep.Remote{Addr: addrB}, State: fdb.Permanent}))
		both := []vtep.FDBChange{
			put(vtep.VerbReplace, macB, addrC), put(vtep.VerbReplace, macC, addrC),
			put(vtep.VerbAppend, encap.MAC{}, addrC), put(vtep.VerbAppend, encap.MAC{}, addrA),
		}
		neigh := func(ip byte) vtep.NeighbourChange {
			return vtep.NeighbourChange{Neighbour: vtep.Neighbour{Link: r.link, IP: encap.AddrFrom(netip.AddrFrom4([4]byte{198, 51, 100, ip})), ToldNeighbour: forward.ToldNeighbour{MAC: macB}}}
		}
		sure := func(errs []error) {
			t.Helper()
			must(t, errors.Join(errs...))
		}
		sure(r.FDBBatch(vtep.Owner{Name: "c", Generation: 1}, both))
		sure(r.NeighbourBatch(vtep.Owner{Name: "c", Generation: 1}, []vtep.NeighbourChange{neigh(1), neigh(2)}))
		s := r.listen(t, vtep.FDBEvents)
		again := vtep.Owner{Name: "c", Generation: 2}
		sure(r.FDBBatch(again, []vtep.FDBChange{both[0], both[2]}))
		sure(r.NeighbourBatch(again, []vtep.NeighbourChange{neigh(1)}))
		wantHeard(t, "named again", s)
		for _, tt := range []struct {
			by                  vtep.Owner
			entries, neighbours int
			latest              uint64
		}{{vtep.Owner{Name: "d", Generation: 9}, 0, 0, 0}, {vtep.Owner{Name: "c"}, 0, 0, 2}, {again, 2, 1, 2}, {again, 0, 0, 2}} {
			want := vtep.Swept{Entries: tt.entries, Neighbours: tt.neighbours, Latest: tt.latest}
			if n, err := r.Sweep(tt.by, ""); n != want || err != nil {
				t.Errorf("sweep of %+v: %+v, %v, want %+v", tt.by, n, err, want)
			}
		}
		r.behind(macA, addrB)
		r.behind(macB, addrC)
		r.behind(macC, netip.Addr{})
		if flood := r.entries(t, r.link, encap.MAC{}); len(flood) != 2 || flood[1].Remote.Addr != addrC || flood[1].Owner != again {
			t.Errorf("flood list %+v", flood)
		}
		for g := range uint64(2 * 1023) {
			w := vtep.Owner{Name: "c", Generation: g + 3}
			sure(r.FDBBatch(w, both[:1]))
			if _, err := r.Sweep(w, ""); err != nil {
				t.Fatal(err)
			}
		}
		for g := range uint64(1023) {
			_ = r.FDBBatch(vtep.Owner{Name: "never sweeps", Generation: g}, both[1:2])
		}
		if err := r.FDBBatch(vtep.Owner{Name: "one more"}, []vtep.FDBChange{put(vtep.VerbAdd, mac(9), addrC)})[0]; !errors.Is(err, vtep.ErrFull) {
			t.Errorf("more generations than there are marks: %v", err)
		}
	})
}

// TestNoFlood: a remote with noflood is a peer that nothing is flooded to.
func TestNoFlood(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		quiet := put(vtep.VerbAppend, encap.MAC{}, addrC)
		quiet.Entry.Flags |= fdb.FlagNoFlood
		w := vtep.Owner{Name: "c"}
		must(t, r.FDBBatch(w, []vtep.FDBChange{quiet})[0])
		if got := dsts(r.out(frame(bcast, macA, "to all"))); len(got) != 1 || got[0].Addr() != addrB {
			t.Errorf("flooded to %v, want %v alone", got, addrB)
		}
		if got := r.in(addrC, frame(macA, macC, "from the peer")); len(got) != 1 {
			t.Error("a remote with noflood is no peer")
		}
		must(t, r.FDBBatch(w, []vtep.FDBChange{put(vtep.VerbAppend, encap.MAC{}, addrC)})[0])
		if got := dsts(r.out(frame(bcast, macA, "to all again"))); len(got) != 2 {
			t.Errorf("flooded to %v without noflood", got)
		}
		must(t, r.FDBDel(r.link, encap.MAC{}, &vtep.Remote{Addr: addrB}))
		must(t, r.FDBBatch(w, []vtep.FDBChange{quiet})[0])
		r.out(frame(bcast, macA, "to nobody"))
		r.drops(map[forward.DropReason]uint64{forward.TxNoRemote: 1})
		quiet.Entry.MAC = macB
		if err := r.FDBBatch(w, []vtep.FDBChange{quiet})[0]; !errors.Is(err, vtep.ErrInvalid) {
			t.Errorf("noflood for a unicast address: %v", err)
		}
	})
}

// TestToldNeighbours: a proxy answers for what a controller told, after what the neighbour
// table has, not for a host on this side; and other owners leave it alone.
func TestToldNeighbours(t *testing.T) {
	here, there := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.Proxy, c.LearnLocal = true, true })
		c := vtep.Owner{Name: "c", Generation: 1}
		told := vtep.NeighbourChange{Neighbour: vtep.Neighbour{Link: r.link, IP: encap.AddrFrom(there), ToldNeighbour: forward.ToldNeighbour{MAC: macC}}}
		asks := func(what string, answers int) {
			t.Helper()
			if sent, got := r.out(arpRequest(here, there)), r.got(); len(got) != answers || len(sent) != 1-answers {
				t.Errorf("%s: %d answers, %d packets", what, len(got), len(sent))
			} else if answers == 1 && encap.EthSrc(got[0].Data) != macC {
				t.Errorf("%s: answered with %x", what, got[0].Data)
			}
		}
		asks("nothing told", 0)
		must(t, r.NeighbourBatch(c, []vtep.NeighbourChange{told})[0])
		asks("told", 1)
		other, gone := told, told
		other.MAC, gone.Delete = macA, true
		if errs := r.NeighbourBatch(vtep.Owner{Name: "d"}, []vtep.NeighbourChange{other, gone}); !errors.Is(errs[0], vtep.ErrExist) || !errors.Is(errs[1], vtep.ErrNotExist) {
			t.Errorf("another owner: %v", errs)
		}
		asks("after another owner", 1)
		r.out(from(macC))
		asks("the host is on this side", 0)
		must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: macC, Remote: vtep.Remote{Addr: addrB}, State: fdb.Permanent}))
		asks("the host is away again", 1)
		must(t, r.NeighbourBatch(c, []vtep.NeighbourChange{gone})[0])
		asks("deleted", 0)
	})
}
