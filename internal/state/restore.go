package state

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
)

// Target is what a state is given back to. *vtep.VTEP is one.
type Target interface {
	control.LinkBackend
	control.PortBackend
	FDBBatch(vtep.Owner, []vtep.FDBChange) []error
	NeighbourBatch(vtep.Owner, []vtep.NeighbourChange) []error
	// Relearn gives a link back what it had learned, and returns how much it took.
	Relearn(link string, entries []vtep.FDBEntry) (taken int, err error)
}

// Restored is what was given back.
type Restored struct{ Ports, Links, Entries, Neighbours, Learned int }

// RestoreMade gives back what clients had made, by what the API would do: ports, links, entries, neighbours. What the target has
// by now, from its configuration file, stays as it is. After a boot what control planes had said is left out: they say
// it anew. Each refusal is an error; the rest is restored.
func RestoreMade(to Target, s *Saved) (r Restored, all error) {
	for i := range s.Ports {
		done, err := s.Ports[i].restore(to)
		all = errors.Join(all, err)
		r.Ports += done
	}
	usable := make([]bool, len(s.Links))
	for i := range s.Links {
		done, ok, err := s.Links[i].restore(to)
		all = errors.Join(all, err)
		r.Links += done
		usable[i] = ok
	}
	sameBoot := s.Boot == bootID()
	for i := range s.Entries {
		e := &s.Entries[i]
		if e.Flags&fdb.FlagUser == 0 || !usable[e.Link] || !sameBoot && e.Flags&fdb.FlagExternLearn != 0 {
			continue
		}
		done, err := s.restoreEntry(to, e)
		all = errors.Join(all, err)
		r.Entries += done
	}
	for i := range s.Neighbours {
		if n := &s.Neighbours[i]; sameBoot && usable[n.Link] {
			err := s.restoreNeighbour(to, n)
			if all = errors.Join(all, err); err == nil {
				r.Neighbours++
			}
		}
	}
	return r, all
}

// restore makes a port, unless it is there.
func (p *Port) restore(to Target) (done int, err error) {
	c, err := control.TrunkConfig(&p.Spec)
	if err == nil {
		err = to.AddTrunk(c)
	}
	if errors.Is(err, vtep.ErrExist) {
		return 0, nil
	}
	if err == nil && p.Up {
		err = to.SetTrunkUp(c.Name, true)
	}
	if err != nil {
		return 0, fmt.Errorf("port %s: %w", p.Spec.Name, err)
	}
	return 1, nil
}

// restore makes a link that a client had made, unless a link of its name is there. usable reports whether there is a
// link that its entries are of.
func (l *Link) restore(to Target) (done int, usable bool, err error) {
	if l.Made != nil {
		done, err = l.make(to)
	}
	if err != nil {
		return done, false, fmt.Errorf("link %s: %w", l.Name, err)
	}
	is, err := to.Link(l.Name)
	return done, err == nil && uint32(is.Config.VNI) == l.ID, nil // the file may have another link of the name by now
}

func (l *Link) make(to Target) (done int, err error) {
	c, err := control.LinkConfig(l.Made)
	if err != nil {
		return 0, err
	}
	if _, err := to.Link(c.Name); err == nil {
		return 0, nil
	}
	if err := to.AddLink(c); err != nil {
		return 0, err
	}
	return 1, nil
}

// Raise sets the links up that clients had made and set up, once all that they had made is there.
func Raise(to Target, s *Saved) (all error) {
	for i := range s.Links {
		if l := &s.Links[i]; l.Made != nil && l.Up {
			if err := to.SetLinkUp(l.Name, true); err != nil && !errors.Is(err, vtep.ErrNoLink) {
				all = errors.Join(all, fmt.Errorf("link %s: %w", l.Name, err))
			}
		}
	}
	return all
}

// restoreEntry adds an entry that a client had made.
func (s *State) restoreEntry(to Target, e *Entry) (done int, err error) {
	r := &s.Remotes[e.Remote]
	said := api.FDBEntry{
		Dev: s.Links[e.Link].Name, MAC: e.MAC.String(), Port: r.Port, VNI: r.VNI, Via: r.Via, State: e.State.String(),
		ExternLearn: e.Flags&fdb.FlagExternLearn != 0, Router: e.Flags&fdb.FlagRouter != 0,
	}
	if r.Dst != "" {
		if said.Dst, err = netip.ParseAddr(r.Dst); err != nil {
			return 0, fmt.Errorf("fdb %s dev %s: %w", said.MAC, said.Dev, err)
		}
	}
	entry, err := control.Entry(&said)
	if err == nil {
		entry.Flags |= e.Flags & fdb.FlagNoFlood
		change := vtep.FDBChange{Verb: vtep.VerbAdd, Entry: entry}
		if fdb.IsGroup(e.MAC) {
			change.Verb = vtep.VerbAppend
		}
		err = to.FDBBatch(vtep.Owner{Name: r.Owner, Generation: r.Generation}, []vtep.FDBChange{change})[0]
	}
	switch {
	case errors.Is(err, vtep.ErrExist): // the file's
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("fdb %s dev %s: %w", said.MAC, said.Dev, err)
	}
	return 1, nil
}

// restoreNeighbour puts a neighbour in that a controller had put in.
func (s *State) restoreNeighbour(to Target, n *Neighbour) error {
	w, link := &s.Owners[n.Owner], s.Links[n.Link].Name
	change := vtep.NeighbourChange{Neighbour: vtep.Neighbour{
		Link: link, IP: n.IP, ToldNeighbour: forward.ToldNeighbour{MAC: n.MAC, Router: n.Router, Override: n.Override},
	}}
	if err := to.NeighbourBatch(vtep.Owner{Name: w.Name, Generation: w.Generation}, []vtep.NeighbourChange{change})[0]; err != nil {
		return fmt.Errorf("neighbour %s dev %s: %w", n.IP, link, err)
	}
	return nil
}

// relearnAtOnce is how many entries are given back while the control plane waits.
const relearnAtOnce = 4096

// RestoreLearned gives back what links had learned, where they still accept it and would not have forgotten it by now.
// After a boot nothing is: the hosts behind may be elsewhere. An entry's age begins anew.
func RestoreLearned(to Target, s *Saved) (taken int, all error) {
	if s.Boot != bootID() {
		return 0, nil
	}
	of := make([][]vtep.FDBEntry, len(s.Links))
	for i := range s.Entries {
		if e := &s.Entries[i]; e.Flags == 0 && e.State == fdb.Dynamic && !fdb.IsGroup(e.MAC) {
			entry, err := s.learnedEntry(e)
			if err != nil {
				return 0, err
			}
			of[e.Link] = append(of[e.Link], entry)
		}
	}
	for i, entries := range of {
		if len(entries) == 0 {
			continue
		}
		name := s.Links[i].Name
		is, err := to.Link(name)
		if err != nil || uint32(is.Config.VNI) != s.Links[i].ID || forgotten(is.Config.Ageing, s.Age) {
			continue
		}
		for part := range slices.Chunk(entries, relearnAtOnce) {
			n, err := to.Relearn(name, part)
			all = errors.Join(all, err)
			taken += n
		}
	}
	return taken, all
}

// forgotten reports whether a link would have forgotten what it heard that long ago.
func forgotten(ageing, age time.Duration) bool {
	if ageing == 0 {
		ageing = vtep.DefaultAgeing
	}
	return ageing > 0 && age >= ageing
}

func (s *State) learnedEntry(e *Entry) (vtep.FDBEntry, error) {
	r := &s.Remotes[e.Remote]
	addr, err := netip.ParseAddr(r.Dst)
	if err != nil {
		return vtep.FDBEntry{}, fmt.Errorf("fdb %s: %w", e.MAC, err)
	}
	out := vtep.FDBEntry{Link: s.Links[e.Link].Name, MAC: e.MAC, Remote: vtep.Remote{Addr: addr, Port: r.Port, Via: r.Via}}
	if r.VNI != nil {
		out.Remote.VNI = new(encap.VNI(*r.VNI))
	}
	return out, nil
}
