package state

import (
	"errors"
	"os"
	"strings"

	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
)

// Source is what a state is collected from. *vtep.VTEP is one.
type Source interface {
	Links() []vtep.LinkInfo
	Trunks() []vtep.TrunkInfo
	WalkFDB(vtep.FDBFilter, func(*vtep.FDBEntry) bool) error
	WalkNeighbours(link string, fn func(*vtep.Neighbour) bool) error
}

// Configured tells what the configuration file or the command line has, which is not kept.
type Configured interface {
	HasLink(name string) bool
	HasPort(name string) bool
	HasEntry(link string, e *vtep.FDBEntry) bool
}

// Collect is the state of a VTEP. left is how many entries and neighbours found no room in it.
func Collect(v Source, has Configured) (s *State, left int, err error) {
	c := collector{has: has, State: &State{Boot: bootID()}, remotes: make(map[remoteKey]int), owners: make(map[vtep.Owner]int)}
	for _, t := range v.Trunks() {
		if !has.HasPort(t.Config.Name) {
			c.Ports = append(c.Ports, Port{Spec: control.PortSpecOf(t.Config), Up: t.Up})
		}
	}
	for _, l := range v.Links() {
		if err := c.link(v, &l); err != nil {
			return nil, 0, err
		}
	}
	return c.State, c.left, nil
}

type collector struct {
	*State
	has     Configured
	remotes map[remoteKey]int
	owners  map[vtep.Owner]int
	left    int
}

// remoteKey is a Remote that compares with ==.
type remoteKey struct {
	dst  string
	port uint16
	vni  int64 // -1: the link's
	via  string

	owner vtep.Owner
}

// link takes a link, where it has something that is kept.
func (c *collector) link(v Source, i *vtep.LinkInfo) error {
	l := Link{Name: i.Config.Name, ID: uint32(i.Config.VNI)}
	if !c.has.HasLink(l.Name) {
		spec := control.SpecOf(i.Config)
		l.Made, l.Up = &spec, i.Up
	}
	at, before := len(c.Links), len(c.Entries)+len(c.Neighbours)
	err := v.WalkFDB(vtep.FDBFilter{Link: i.Name}, func(e *vtep.FDBEntry) bool {
		switch {
		case e.Flags&fdb.FlagUser != 0 && l.Made == nil && (c.has.HasEntry(l.Name, e) || isDefault(i, e)):
		case len(c.Entries) == MostEntries:
			c.left++
		default:
			c.Entries = append(c.Entries, Entry{MAC: e.MAC, State: e.State, Flags: e.Flags & keptFlags, Link: at, Remote: c.remote(&e.Remote, e.Owner)})
		}
		return true
	})
	if err == nil {
		err = v.WalkNeighbours(i.Name, func(n *vtep.Neighbour) bool {
			if len(c.Neighbours) == MostNeighbours {
				c.left++
				return true
			}
			c.Neighbours = append(c.Neighbours, Neighbour{IP: n.IP, MAC: n.MAC, Router: n.Router, Override: n.Override, Link: at, Owner: c.owner(n.Owner)})
			return true
		})
	}
	if errors.Is(err, vtep.ErrNoLink) {
		return nil // it went meanwhile
	}
	if l.Made != nil || len(c.Entries)+len(c.Neighbours) > before {
		c.Links = append(c.Links, l)
	}
	return err
}

// owner is the position of a neighbour's owner.
func (c *collector) owner(w vtep.Owner) int {
	at, ok := c.owners[w]
	if !ok {
		at = len(c.Owners)
		c.owners[w] = at
		c.Owners = append(c.Owners, Owner{Name: w.Name, Generation: w.Generation})
	}
	return at
}

// isDefault reports whether e is the entry that the VTEP makes of a link's `remote` or `group`.
func isDefault(i *vtep.LinkInfo, e *vtep.FDBEntry) bool {
	return e.MAC.IsZero() && e.Remote.Addr.IsValid() && (e.Remote.Addr == i.Config.Remote || e.Remote.Addr == i.Config.Group)
}

// remote is the position of a remote.
func (c *collector) remote(r *vtep.Remote, owner vtep.Owner) int {
	key := remoteKey{port: r.Port, vni: -1, via: r.Via, owner: owner}
	out := Remote{Port: r.Port, Via: r.Via, Owner: owner.Name, Generation: owner.Generation}
	if r.Addr.IsValid() {
		key.dst, out.Dst = r.Addr.String(), r.Addr.String()
	}
	if r.VNI != nil {
		key.vni, out.VNI = int64(*r.VNI), new(uint32(*r.VNI))
	}
	at, ok := c.remotes[key]
	if !ok {
		at = len(c.Remotes)
		c.remotes[key] = at
		c.Remotes = append(c.Remotes, out)
	}
	return at
}

// bootID identifies the boot of the host; "" where the system does not tell.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
