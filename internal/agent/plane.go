package agent

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/bgp"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/evpn"
)

// Owner is whose entries in the data plane are an agent's.
const Owner = "evpn"

// allZeros is the MAC address of flood lists.
const allZeros = "00:00:00:00:00:00"

// plane is the data plane, by its control socket.
type plane struct {
	client     *client.Client
	generation atomic.Uint64 // of what is put in: see renew
}

// renew has what is put in from now on be of a later generation than anything that the data plane has of
// this agent or of an earlier one. So a sweep takes away what is not put in again: what another
// agent put in, whatever its clock said, and what the data plane kept over a restart of its own.
func (p *plane) renew(ctx context.Context) error {
	had, err := p.client.Sweep(ctx, api.Sweep{Owner: Owner}) // removes nothing
	if err == nil {
		p.generation.Store(max(p.generation.Load(), had.Latest) + 1)
	}
	return err
}

// Apply makes changes in their order, entries of the FDB and neighbours apart: neither needs the
// other.
func (p *plane) Apply(ctx context.Context, changes []evpn.Change) ([]error, error) {
	fdb := api.FDBBatch{Owner: Owner, Generation: p.generation.Load()}
	neighs := api.NeighBatch{Owner: Owner, Generation: fdb.Generation}
	var fdbAt, neighAt []int // which change an element of the batch is
	n := 0
	for i := range changes {
		if isNeigh(changes[i].Kind) {
			n++
		}
	}
	neighs.Changes, neighAt = make([]api.NeighChange, 0, n), make([]int, 0, n)
	fdb.Changes, fdbAt = make([]api.FDBChange, 0, len(changes)-n), make([]int, 0, len(changes)-n)
	for i := range changes {
		c := &changes[i]
		if isNeigh(c.Kind) {
			neighs.Changes = append(neighs.Changes, neighChange(c))
			neighAt = append(neighAt, i)
		} else {
			fdb.Changes = append(fdb.Changes, fdbChange(c))
			fdbAt = append(fdbAt, i)
		}
	}
	errs := make([]error, len(changes))
	if len(fdb.Changes) > 0 {
		got, err := p.client.BatchFDB(ctx, fdb)
		if err != nil {
			return nil, err
		}
		if err := results(errs, fdbAt, got.Results, changes); err != nil {
			return nil, err
		}
	}
	if len(neighs.Changes) > 0 {
		got, err := p.client.BatchNeighs(ctx, neighs)
		if err != nil {
			return nil, err
		}
		if err := results(errs, neighAt, got.Results, changes); err != nil {
			return nil, err
		}
	}
	return errs, nil
}

var errShort = errors.New("the data plane answers with fewer results than there were changes: is it of another version?")

// results puts the results of a batch where its changes came from. What was to be deleted and is
// not there is deleted.
func results(errs []error, at []int, got []api.ChangeResult, changes []evpn.Change) error {
	if len(got) != len(at) {
		return errShort
	}
	for i := range got {
		err := got[i].Err()
		if isDel(changes[at[i]].Kind) && (errors.Is(err, api.ErrNotExist) || errors.Is(err, api.ErrNoLink)) {
			err = nil
		}
		errs[at[i]] = err
	}
	return nil
}

func isNeigh(k evpn.ChangeKind) bool { return k == evpn.SetAddr || k == evpn.DelAddr }

func isDel(k evpn.ChangeKind) bool {
	return k == evpn.DelMAC || k == evpn.DelVTEP || k == evpn.DelAddr
}

func neighChange(c *evpn.Change) api.NeighChange {
	n := api.NeighChange{Op: "replace", NeighEntry: api.NeighEntry{Dev: c.Link, IP: c.Addr, Router: c.Router, Override: c.Override}}
	if c.Kind == evpn.DelAddr {
		n.Op = client.Del
		return n
	}
	n.MAC = c.MAC.String()
	return n
}

func fdbChange(c *evpn.Change) api.FDBChange {
	f := api.FDBChange{FDBEntry: api.FDBEntry{Dev: c.Link, MAC: c.MAC.String(), Dst: c.VTEP, ExternLearn: true}}
	switch c.Kind {
	case evpn.SetMAC:
		// A host that moves here is heard, and then local; packets move it nowhere else, and a
		// device that is down for a moment loses nothing.
		f.Op, f.State = client.Replace, api.Static
		if c.Sticky {
			f.State = api.Permanent // one that does not move here either
		}
	case evpn.DelMAC:
		f.Op = client.Del
	case evpn.SetVTEP:
		f.Op, f.MAC, f.State, f.NoFlood = client.Append, allZeros, api.Permanent, !c.Flood
	default:
		f.Op, f.MAC = client.Del, allZeros
	}
	return f
}

// Sweep removes what earlier agents put in and this one has not.
func (p *plane) Sweep(ctx context.Context) error {
	_, err := p.client.Sweep(ctx, api.Sweep{Owner: Owner, Generation: p.generation.Load()})
	return err
}

// macOf reads the MAC address of the data plane's JSON.
func macOf(s string) (m bgp.MAC, ok bool) {
	if len(s) != 17 {
		return m, false
	}
	for i := range m {
		hi, lo := hex(s[3*i]), hex(s[3*i+1])
		if hi < 0 || lo < 0 || i < 5 && s[3*i+2] != ':' {
			return m, false
		}
		m[i] = byte(hi<<4 | lo)
	}
	return m, true
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
