package control

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
)

// fakeBackend keeps links and entries in lists: the least that passes
// testBackend.
type fakeBackend struct {
	noPorts
	noControllers
	mu      sync.Mutex
	links   []vtep.LinkInfo
	entries []vtep.FDBEntry
	index   int
}

// noControllers has nothing from controllers.
type noControllers struct{}

func (noControllers) FDBBatch(_ vtep.Owner, c []vtep.FDBChange) []error { return make([]error, len(c)) }
func (noControllers) NeighbourBatch(_ vtep.Owner, c []vtep.NeighbourChange) []error {
	return make([]error, len(c))
}
func (noControllers) Sweep(vtep.Owner, string) (vtep.Swept, error)            { return vtep.Swept{}, nil }
func (noControllers) WalkNeighbours(string, func(*vtep.Neighbour) bool) error { return nil }
func (noControllers) WalkLocal(string, *encap.MAC, func(*vtep.LocalEntry) bool) error {
	return nil
}

// noPorts refuses everything.
type noPorts struct{}

var errNoPorts = errors.New("no TAP driver")

func (noPorts) AddTrunk(vtep.TrunkConfig) error                         { return errNoPorts }
func (noPorts) UpdateTrunk(string, func(*vtep.TrunkConfig) error) error { return errNoPorts }
func (noPorts) SetTrunkUp(string, bool) error                           { return errNoPorts }
func (noPorts) DelTrunk(string) error                                   { return errNoPorts }
func (noPorts) Trunks() []vtep.TrunkInfo                                { return nil }

func (b *fakeBackend) find(name string) (int, error) {
	i := slices.IndexFunc(b.links, func(l vtep.LinkInfo) bool { return l.Name == name })
	if i < 0 {
		return i, fmt.Errorf("%w %q", vtep.ErrNoLink, name)
	}
	return i, nil
}

func (b *fakeBackend) AddLink(c vtep.LinkConfig) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.find(c.Name); err == nil {
		return fmt.Errorf("%w: %s", vtep.ErrExist, c.Name)
	}
	b.index++
	b.links = append(b.links, vtep.LinkInfo{Config: c, State: tap.State{Name: c.Name, Index: b.index, MTU: 1450}})
	if c.Remote.IsValid() {
		b.entries = append(b.entries, vtep.FDBEntry{Link: c.Name, Remote: vtep.Remote{Addr: c.Remote}, State: fdb.Permanent})
	}
	return nil
}

func (b *fakeBackend) UpdateLink(name string, edit func(*vtep.LinkConfig) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, err := b.find(name)
	if err != nil {
		return err
	}
	c := b.links[i].Config
	if err := edit(&c); err != nil {
		return err
	}
	b.links[i].Config = c
	return nil
}

func (b *fakeBackend) SetLinkUp(name string, up bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, err := b.find(name)
	if err == nil {
		b.links[i].Up = up
	}
	return err
}

func (b *fakeBackend) DelLink(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, err := b.find(name)
	if err == nil {
		b.links = slices.Delete(b.links, i, i+1)
	}
	return err
}

func (b *fakeBackend) Link(name string) (vtep.LinkInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, err := b.find(name)
	if err != nil {
		return vtep.LinkInfo{}, err
	}
	return b.links[i], nil
}

func (b *fakeBackend) Links() []vtep.LinkInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.links)
}

func (b *fakeBackend) at(link string, mac encap.MAC) int {
	return slices.IndexFunc(b.entries, func(e vtep.FDBEntry) bool { return e.Link == link && e.MAC == mac })
}

func (b *fakeBackend) FDBAdd(e vtep.FDBEntry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.find(e.Link); err != nil {
		return err
	}
	if b.at(e.Link, e.MAC) >= 0 {
		return vtep.ErrExist
	}
	b.entries = append(b.entries, e)
	return nil
}

func (b *fakeBackend) FDBAppend(e vtep.FDBEntry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries = append(b.entries, e)
	return nil
}

func (b *fakeBackend) FDBReplace(e vtep.FDBEntry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := b.at(e.Link, e.MAC); i >= 0 {
		b.entries[i] = e
		return nil
	}
	b.entries = append(b.entries, e)
	return nil
}

func (b *fakeBackend) FDBDel(link string, mac encap.MAC, r *vtep.Remote) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.entries)
	b.entries = slices.DeleteFunc(b.entries, func(e vtep.FDBEntry) bool {
		return e.Link == link && e.MAC == mac && (r == nil || r.Addr == e.Remote.Addr)
	})
	if n == len(b.entries) {
		return vtep.ErrNotExist
	}
	return nil
}

func (b *fakeBackend) matches(e vtep.FDBEntry, f vtep.FDBFilter) bool {
	return (f.Link == "" || f.Link == e.Link) && (f.MAC == nil || *f.MAC == e.MAC) &&
		(f.Via == "" || f.Via == e.Remote.Via) && (!f.Dst.IsValid() || f.Dst == e.Remote.Addr) && (len(f.States) == 0 || slices.Contains(f.States, e.State)) &&
		e.Flags&f.Flags == f.Flags && e.Flags&f.NotFlags == 0
}

func (b *fakeBackend) WalkFDB(f vtep.FDBFilter, fn func(*vtep.FDBEntry) bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f.Link != "" {
		if _, err := b.find(f.Link); err != nil {
			return err
		}
	}
	var found []vtep.FDBEntry
	for _, e := range b.entries {
		for _, l := range b.links {
			if l.Config.Name == e.Link {
				asKernel(&e, l.Config)
			}
		}
		if b.matches(e, f) {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(x, y vtep.FDBEntry) int {
		return cmp.Or(cmp.Compare(b.place(x.Link), b.place(y.Link)), bytes.Compare(x.MAC[:], y.MAC[:]))
	})
	for i := range found {
		if !fn(&found[i]) {
			break
		}
	}
	return nil
}

// place is where a link stands among the others.
func (b *fakeBackend) place(link string) int {
	i, _ := b.find(link)
	return i
}

func (b *fakeBackend) FDBFlush(link string, f vtep.FDBFilter) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f.Link = link
	n := len(b.entries)
	b.entries = slices.DeleteFunc(b.entries, func(e vtep.FDBEntry) bool { return !e.MAC.IsZero() && b.matches(e, f) })
	return n - len(b.entries), nil
}

// noNetdevs is a host without any device.
type noNetdevs struct{}

var errNoDevice = errors.New("no such device")

func (noNetdevs) Read(*api.Netdev) (api.Netdev, error)                  { return api.Netdev{}, errNoDevice }
func (noNetdevs) Find(string) (int, error)                              { return 0, errNoDevice }
func (noNetdevs) Master(*api.Netdev) (int, error)                       { return 0, errNoDevice }
func (noNetdevs) SetMaster(*api.Netdev, string) error                   { return errNoDevice }
func (noNetdevs) ChangeBridge(*api.Netdev, string, *api.FDBEntry) error { return errNoDevice }

// asKernel shows of an entry what the kernel shows: a port and a VNI where they
// are not the link's, and the link's device for its default destination
// (vxlan_fdb_info and __vxlan_dev_create in drivers/net/vxlan/vxlan_core.c).
func asKernel(e *vtep.FDBEntry, c vtep.LinkConfig) {
	r := &e.Remote
	if r.Port == c.DstPort || c.DstPort == 0 && r.Port == encap.DefaultPort {
		r.Port = 0
	}
	if r.VNI != nil && *r.VNI == c.VNI {
		r.VNI = nil
	}
	isDefault := e.MAC.IsZero() && r.Port == 0 && r.VNI == nil && r.Addr.IsValid() && (r.Addr == c.Remote || r.Addr == c.Group)
	if isDefault && r.Via == "" {
		r.Via = c.Dev
	}
}
