// Package state is what a VTEP would lose with its process: what clients of the control API made, and what
// the VTEP learned. It goes to files of a directory, or to the process that takes over, and back to a VTEP.
//
// What the configuration file says is not in it: the next process reads the file. Nothing of a state is trusted
// beyond what its source could have had done: what the API made passes the checks of the API again, and what was
// learned the peer policy of its link, as the file has it by then.
package state

import (
	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// State is what is kept of a VTEP. Entries name their links and remotes by position.
type State struct {
	Boot    string   `json:"boot"` // identifies the boot of the host
	Ports   []Port   `json:"ports,omitempty"`
	Links   []Link   `json:"links,omitempty"`
	Remotes []Remote `json:"remotes,omitempty"`
	Owners  []Owner  `json:"owners,omitempty"` // of neighbours

	Entries    []Entry     `json:"-"`
	Neighbours []Neighbour `json:"-"`
}

// Port is a trunk port that a client made.
type Port struct {
	Spec api.PortSpec `json:"spec"`
	Up   bool         `json:"up"`
}

// Link is a link that has entries, or that a client made.
type Link struct {
	Name string        `json:"name"`
	ID   uint32        `json:"id"`             // its VNI: entries are no other link's of that name
	Made *api.LinkSpec `json:"made,omitempty"` // nil: the configuration file has it, or the command line
	Up   bool          `json:"up,omitempty"`
}

// Remote is where entries lead, and whose they are.
type Remote struct {
	Dst  string  `json:"dst,omitempty"`
	Port uint16  `json:"port,omitempty"`
	VNI  *uint32 `json:"vni,omitempty"`
	Via  string  `json:"via,omitempty"`
	// Owner is the controller that put the entries in, with its generation.
	Owner      string `json:"owner,omitempty"`
	Generation uint64 `json:"generation,omitempty"`
}

// Entry is an entry of a link's FDB.
type Entry struct {
	MAC    encap.MAC
	State  fdb.State
	Flags  fdb.Flags // FlagUser: a client made it
	Link   int       // of Links
	Remote int       // of Remotes
}

// Owner is a controller, with its generation.
type Owner struct {
	Name       string `json:"name"`
	Generation uint64 `json:"generation,omitempty"`
}

// Neighbour is an address that a link with proxy answers for because a controller said so.
type Neighbour struct {
	IP               encap.Addr
	MAC              encap.MAC
	Router, Override bool
	Link             int // of Links
	Owner            int // of Owners
}

// keptFlags are the flags of an entry that are kept.
const keptFlags = fdb.FlagExternLearn | fdb.FlagRouter | fdb.FlagUser | fdb.FlagNoFlood

// MostEntries is how many entries a state has at most, as many as the links of a VTEP hold together by default.
const MostEntries = 1 << 20

// MostNeighbours is how many neighbours a state has at most.
const MostNeighbours = 1 << 18

// Made is the part of s that clients made.
func (s *State) Made() *State {
	return s.part(func(e *Entry) bool { return e.Flags&fdb.FlagUser != 0 }, true)
}

// Learned is the part of s that the VTEP learned.
func (s *State) Learned() *State {
	return s.part(func(e *Entry) bool { return e.Flags&fdb.FlagUser == 0 }, false)
}

// part has the links, remotes and entries of s for which in holds, and what clients made where made says so.
func (s *State) part(in func(*Entry) bool, made bool) *State {
	p := &State{Boot: s.Boot}
	if made {
		p.Ports = s.Ports
	}
	links, remotes := make(map[int]int), make(map[int]int)
	link := func(i int, l Link) int {
		at, ok := links[i]
		if !ok {
			at = len(p.Links)
			links[i] = at
			p.Links = append(p.Links, l)
		}
		return at
	}
	if made {
		for i, l := range s.Links {
			if l.Made != nil {
				link(i, l)
			}
		}
		p.Owners = s.Owners
		for _, n := range s.Neighbours {
			n.Link = link(n.Link, s.Links[n.Link])
			p.Neighbours = append(p.Neighbours, n)
		}
	}
	for i := range s.Entries {
		e := s.Entries[i]
		if !in(&e) {
			continue
		}
		l := s.Links[e.Link]
		if !made {
			l = Link{Name: l.Name, ID: l.ID}
		}
		at, ok := remotes[e.Remote]
		if !ok {
			at = len(p.Remotes)
			remotes[e.Remote] = at
			p.Remotes = append(p.Remotes, s.Remotes[e.Remote])
		}
		e.Link, e.Remote = link(e.Link, l), at
		p.Entries = append(p.Entries, e)
	}
	return p
}
