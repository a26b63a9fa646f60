package control

import (
	"context"
	"net/netip"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
)

// exerciseBatches is exercise for what controllers ask for.
func exerciseBatches(ctx context.Context, c *client.Client) (calls []call) {
	note := func(what string, want error) func(any, error) {
		return func(_ any, err error) { calls = append(calls, call{what, want, err}) }
	}
	entry := api.FDBChange{Op: "replace", FDBEntry: api.FDBEntry{Dev: "vx1", MAC: "02:00:00:00:00:09", Dst: netip.MustParseAddr("192.0.2.3"), State: api.Static}}
	wrong := entry
	wrong.Op = "del"
	wrong.MAC = "02:00:00:00:00:99"
	neigh := api.NeighChange{Op: "replace", NeighEntry: api.NeighEntry{Dev: "vx1", IP: netip.MustParseAddr("198.51.100.7"), MAC: "02:00:00:00:00:09", Router: true, Override: true}}
	long := strings.Repeat("x", maxBatchBody)
	longNeigh, longEntry := neigh, entry
	longNeigh.MAC, longEntry.Via = long, long
	note("batch", nil)(c.BatchFDB(ctx, api.FDBBatch{Owner: "c", Generation: 1, Changes: []api.FDBChange{entry, wrong}}))
	note("batch of nobody", api.ErrInvalid)(c.BatchFDB(ctx, api.FDBBatch{Changes: []api.FDBChange{entry}}))
	note("long batch", api.ErrTooLarge)(c.BatchFDB(ctx, api.FDBBatch{Owner: "c", Changes: []api.FDBChange{longEntry}}))
	note("neighbours", nil)(c.BatchNeighs(ctx, api.NeighBatch{Owner: "c", Generation: 1, Changes: []api.NeighChange{neigh}}))
	note("neighbours of nobody", api.ErrInvalid)(c.BatchNeighs(ctx, api.NeighBatch{Changes: []api.NeighChange{neigh}}))
	note("long neighbours", api.ErrTooLarge)(c.BatchNeighs(ctx, api.NeighBatch{Owner: "c", Changes: []api.NeighChange{longNeigh}}))
	note("neighbour", nil)(nil, c.ChangeNeigh(ctx, "replace", neigh.NeighEntry))
	note("the same again", api.ErrExist)(nil, c.ChangeNeigh(ctx, "add", neigh.NeighEntry))
	note("no verb", api.ErrInvalid)(nil, c.ChangeNeigh(ctx, "change", neigh.NeighEntry))
	note("a neighbour of no link", api.ErrNoLink)(nil, c.ChangeNeigh(ctx, "replace", api.NeighEntry{Dev: "vx2", IP: neigh.IP, MAC: neigh.MAC}))
	note("a long neighbour", api.ErrTooLarge)(nil, c.ChangeNeigh(ctx, "replace", longNeigh.NeighEntry))
	note("list neighbours", nil)(c.Neighs(ctx, "vx1"))
	note("neighbours of no link", api.ErrNoLink)(c.Neighs(ctx, "vx2"))
	note("neighbours of no name", api.ErrInvalid)(c.Neighs(ctx, strings.Repeat("x", 40)))
	note("list local", nil)(c.Local(ctx, api.LocalFilter{Dev: "vx1"}))
	note("local of no link", api.ErrNoLink)(c.Local(ctx, api.LocalFilter{Dev: "vx2"}))
	note("local by no MAC", api.ErrInvalid)(c.Local(ctx, api.LocalFilter{MAC: "x"}))
	note("sweep", nil)(c.Sweep(ctx, api.Sweep{Owner: "c", Generation: 2}))
	note("sweep of nobody", api.ErrInvalid)(c.Sweep(ctx, api.Sweep{}))
	note("sweep of no link", api.ErrNoLink)(c.Sweep(ctx, api.Sweep{Owner: "c", Generation: 2, Dev: "vx2"}))
	note("long sweep", api.ErrTooLarge)(c.Sweep(ctx, api.Sweep{Owner: "c", Dev: long}))
	return calls
}
