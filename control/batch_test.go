package control

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
)

// manyChanges are n changes from first on, behind a hundred remotes.
func manyChanges(first, n int) []api.FDBChange {
	all := make([]api.FDBChange, n)
	for i := range all {
		k := first + i
		all[i] = api.FDBChange{Op: client.Replace, FDBEntry: api.FDBEntry{
			Dev: "vx1", MAC: fmt.Sprintf("02:00:00:%02x:%02x:%02x", k>>16, k>>8&255, k&255),
			Dst: netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + k%100)}), State: api.Static, ExternLearn: true,
		}}
	}
	return all
}

func addLink(t testing.TB, c *client.Client, l api.LinkSpec) {
	t.Helper()
	l.Name, l.ID = "vx1", new(uint32(42))
	if err := c.AddLink(t.Context(), api.LinkChange{LinkSpec: l}); err != nil {
		t.Fatal(err)
	}
}

// TestBatch: a result for each change, in their order; what cannot be a change keeps the
// others from nothing.
func TestBatch(t *testing.T) {
	_, c, _, _ := watched(t)
	addLink(t, c, api.LinkSpec{})
	good := manyChanges(0, 3)
	bad := []api.FDBChange{good[0], good[0], good[0], good[0], good[0]}
	bad[0].Op, bad[1].MAC, bad[2].Dst, bad[3].Master, bad[4].Dev = "put", "x", netip.Addr{}, true, "vx9"
	r, err := c.BatchFDB(t.Context(), api.FDBBatch{Owner: "c", Generation: 4, Changes: append(bad, good...)})
	if err != nil || len(r.Results) != 8 {
		t.Fatalf("%+v, %v", r, err)
	}
	for i, res := range r.Results {
		want := error(nil)
		switch {
		case i < 4:
			want = api.ErrInvalid
		case i == 4:
			want = api.ErrNoLink
		}
		if err := res.Err(); !errors.Is(err, want) {
			t.Errorf("change %d: %v, want %v", i, err, want)
		}
	}
	all, err := c.FDB(t.Context(), api.FDBFilter{Owner: "c"})
	if err != nil || len(all) != 3 || all[0].Owner != "c" || all[0].Generation != 4 {
		t.Errorf("entries %+v, %v", all, err)
	}
	if all, err := c.FDB(t.Context(), api.FDBFilter{Owner: "d"}); err != nil || len(all) != 0 {
		t.Errorf("entries of another owner: %+v, %v", all, err)
	}
	for _, tt := range []struct {
		generation uint64
		want       api.Swept
	}{{0, api.Swept{Latest: 4}}, {5, api.Swept{FDB: 3, Latest: 4}}} {
		if n, err := c.Sweep(t.Context(), api.Sweep{Owner: "c", Generation: tt.generation}); err != nil || n != tt.want {
			t.Errorf("swept %+v, %v, want %+v", n, err, tt.want)
		}
	}
}

// TestBatchRefused: a batch without an owner's name, or with too many changes, changes nothing.
func TestBatchRefused(t *testing.T) {
	_, c, _, _ := watched(t)
	addLink(t, c, api.LinkSpec{MaxAddress: new(api.Value("unlimited"))})
	for what, b := range map[string]api.FDBBatch{
		"no owner":   {Changes: manyChanges(0, 1)},
		"no name":    {Owner: "a b", Changes: manyChanges(0, 1)},
		"a long one": {Owner: strings.Repeat("a", 33), Changes: manyChanges(0, 1)},
		"too many":   {Owner: "c", Changes: manyChanges(0, api.MaxBatch+1)},
	} {
		if _, err := c.BatchFDB(t.Context(), b); !errors.Is(err, api.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if all, err := c.FDB(t.Context(), api.FDBFilter{}); err != nil || len(all) != 0 {
		t.Errorf("entries %+v, %v", all, err)
	}
	r, err := c.BatchFDB(t.Context(), api.FDBBatch{Owner: "c", Changes: manyChanges(0, api.MaxBatch)})
	if err != nil || len(r.Results) != api.MaxBatch {
		t.Errorf("the largest batch: %d results, %v", len(r.Results), err)
	}
}

// TestNeighs: neighbours are put in, listed, deleted and swept.
func TestNeighs(t *testing.T) {
	_, c, _, _ := watched(t)
	addLink(t, c, api.LinkSpec{})
	put := func(op, ip, mac string) api.NeighChange {
		n := api.NeighEntry{Dev: "vx1", MAC: mac, Router: true}
		if ip != "" {
			n.IP = netip.MustParseAddr(ip)
		}
		return api.NeighChange{Op: op, NeighEntry: n}
	}
	const mac = "02:00:00:00:00:07"
	r, err := c.BatchNeighs(t.Context(), api.NeighBatch{Owner: "c", Generation: 1, Changes: []api.NeighChange{
		put("replace", "198.51.100.7", mac), put("replace", "2001:db8::7", mac), put("replace", "198.51.100.8", mac), put("del", "198.51.100.8", ""),
		put("replace", "", mac), put("replace", "224.0.0.1", mac), put("replace", "198.51.100.9", "01:00:5e:00:00:01"), put("add", "198.51.100.9", mac), put("del", "198.51.100.9", ""),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, nil, nil, nil, api.ErrInvalid, api.ErrInvalid, api.ErrInvalid, api.ErrInvalid, api.ErrNotExist} {
		if err := r.Results[i].Err(); !errors.Is(err, want) {
			t.Errorf("change %d: %v, want %v", i, err, want)
		}
	}
	want := []api.NeighEntry{
		{Dev: "vx1", IP: netip.MustParseAddr("198.51.100.7"), MAC: mac, Router: true, Owner: "c", Generation: 1},
		{Dev: "vx1", IP: netip.MustParseAddr("2001:db8::7"), MAC: mac, Router: true, Owner: "c", Generation: 1},
	}
	for _, dev := range []string{"", "vx1"} {
		have, err := c.Neighs(t.Context(), dev)
		if err != nil || len(have) != 2 || fmt.Sprint(have) != fmt.Sprint(want) && fmt.Sprint(have[1], have[0]) != fmt.Sprint(want[0], want[1]) {
			t.Errorf("%q: %+v, %v", dev, have, err)
		}
	}
	if n, err := c.Sweep(t.Context(), api.Sweep{Owner: "c", Generation: 2, Dev: "vx1"}); err != nil || n.Neighs != 2 {
		t.Errorf("swept %+v, %v", n, err)
	}
	if _, err := c.Neighs(t.Context(), "vx9"); !errors.Is(err, api.ErrNoLink) {
		t.Errorf("no link: %v", err)
	}
}

// TestChangeNeigh: an operator changes one neighbour, a controller's as well, whose batches then
// leave it alone.
func TestChangeNeigh(t *testing.T) {
	_, c, _, _ := watched(t)
	addLink(t, c, api.LinkSpec{})
	n := api.NeighEntry{Dev: "vx1", IP: netip.MustParseAddr("198.51.100.7"), MAC: "02:00:00:00:00:07"}
	owned := n
	owned.Owner = "c"
	group := n
	group.MAC = "01:00:5e:00:00:01"
	for _, tt := range []struct {
		verb string
		n    api.NeighEntry
		want error
	}{
		{"add", n, nil}, {"add", n, api.ErrExist}, {"replace", n, nil}, {"del", n, nil}, {"del", n, api.ErrNotExist},
		{"change", n, api.ErrInvalid}, {"add", owned, api.ErrInvalid}, {"add", group, api.ErrInvalid}, {"add", api.NeighEntry{Dev: "vx1"}, api.ErrInvalid},
		{"add", api.NeighEntry{Dev: "vx9", IP: n.IP, MAC: n.MAC}, api.ErrNoLink},
	} {
		if err := c.ChangeNeigh(t.Context(), tt.verb, tt.n); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%s %+v: %v, want %v", tt.verb, tt.n, err, tt.want)
		}
	}
	batch := func(want error) {
		t.Helper()
		r, err := c.BatchNeighs(t.Context(), api.NeighBatch{Owner: "c", Generation: 1, Changes: []api.NeighChange{{Op: "replace", NeighEntry: n}}})
		if err != nil || !errors.Is(r.Results[0].Err(), want) {
			t.Errorf("a controller's: %+v, %v, want %v", r, err, want)
		}
	}
	batch(nil)
	if err := c.ChangeNeigh(t.Context(), "replace", n); err != nil {
		t.Error(err)
	}
	batch(api.ErrExist)
}

// TestSticky: an entry without a remote has its address here for good, and what else is said of
// one is refused.
func TestSticky(t *testing.T) {
	_, c, _, _ := watched(t)
	addLink(t, c, api.LinkSpec{LearnLocal: new(true)})
	e := api.FDBEntry{Dev: "vx1", MAC: "02:00:00:00:00:07", Sticky: true}
	remote, moves, group, bare := e, e, e, e
	remote.Dst, moves.State, group.MAC, bare.Sticky = netip.MustParseAddr("192.0.2.7"), api.Dynamic, "01:00:5e:00:00:01", false
	for _, wrong := range []api.FDBEntry{remote, moves, group, bare} {
		if err := c.ChangeFDB(t.Context(), "add", wrong); !errors.Is(err, api.ErrInvalid) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	if err := c.ChangeFDB(t.Context(), "add", e); err != nil {
		t.Fatal(err)
	}
	all, err := c.FDB(t.Context(), api.FDBFilter{Dev: "vx1", MAC: e.MAC})
	if want := (api.FDBEntry{Dev: "vx1", MAC: e.MAC, State: api.Permanent, Sticky: true}); err != nil || len(all) != 1 || all[0] != want {
		t.Errorf("it is listed as %+v, %v", all, err)
	}
	local, err := c.Local(t.Context(), api.LocalFilter{})
	if err != nil || len(local) != 1 || !local[0].Sticky || local[0].MAC != e.MAC {
		t.Errorf("this side has %+v, %v", local, err)
	}
}

// TestFollow: a stream begins with what is there, says where that ends, and goes on with all
// that has changed since, so that its reader always has the daemon's state.
func TestFollow(t *testing.T) {
	_, c, _, _ := watched(t)
	addLink(t, c, api.LinkSpec{})
	const first, more = 3000, 500
	batch := func(from, n int) {
		t.Helper()
		if _, err := c.BatchFDB(t.Context(), api.FDBBatch{Owner: "c", Changes: manyChanges(from, n)}); err != nil {
			t.Error(err)
		}
	}
	batch(0, first)
	m, err := c.Follow(t.Context(), "", api.ObjectLink, api.ObjectFDB, api.ObjectLocal)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		batch(first, more)
		gone := manyChanges(0, more)
		for i := range gone {
			gone[i].Op = client.Del
		}
		if _, err := c.BatchFDB(t.Context(), api.FDBBatch{Owner: "c", Changes: gone}); err != nil {
			t.Error(err)
		}
	}()
	have, links, listed := map[string]bool{}, 0, false
	for len(have) != first || !listed || have["02:00:00:00:00:00"] || !have[manyChanges(first+more-1, 1)[0].MAC] {
		e := mustNext(t, m)
		switch {
		case e.Event == api.EventLost:
			t.Fatalf("%d events lost", e.Lost)
		case e.Event == api.EventListed:
			listed = true
		case e.Listed == listed:
			t.Fatalf("after the end of the list %v, and a line says listed: %v", listed, e.Listed)
		case e.Link != nil:
			links++
		case e.Event == api.EventDel:
			delete(have, e.FDB.MAC)
		case e.FDB != nil:
			have[e.FDB.MAC] = true
		}
	}
	<-changed
	if links != 1 {
		t.Errorf("%d links listed", links)
	}
	if _, err := c.Local(t.Context(), api.LocalFilter{Dev: "vx1", MAC: "02:00:00:00:00:01"}); err != nil {
		t.Error(err)
	}
}

// BenchmarkBatch puts 100,000 entries in, in batches of api.MaxBatch, through the socket.
func BenchmarkBatch(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		c := batchDaemon(b)
		batches := make([]api.FDBBatch, 10)
		for i := range batches {
			batches[i] = api.FDBBatch{Owner: "c", Generation: 1, Changes: manyChanges(i*api.MaxBatch, api.MaxBatch)}
		}
		b.StartTimer()
		for _, batch := range batches {
			r, err := c.BatchFDB(b.Context(), batch)
			if err != nil || r.Results[0].Err() != nil {
				b.Fatal(err)
			}
		}
	}
}

// batchDaemon is a client of a daemon with a link of any number of entries.
func batchDaemon(b *testing.B) *client.Client {
	b.Helper()
	_, c, _, _ := watched(b)
	addLink(b, c, api.LinkSpec{MaxAddress: new(api.Value("unlimited"))})
	return c
}
