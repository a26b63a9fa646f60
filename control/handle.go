package control

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep"
)

// done is the answer without content.
type done struct{}

func (s *Server) links(*http.Request) (any, error) {
	infos := s.config.Backend.Links()
	slices.SortStableFunc(infos, func(a, b vtep.LinkInfo) int { return a.Index - b.Index })
	links := make([]api.Link, len(infos))
	for i, info := range infos {
		links[i] = s.describe(info)
	}
	return links, nil
}

func (s *Server) link(r *http.Request) (any, error) { return s.find(r.PathValue("name")) }

func (s *Server) find(name string) (api.Link, error) {
	info, err := infoOf(s.config.Backend, name)
	if err != nil {
		return api.Link{}, err
	}
	return s.describe(info), nil
}

// infoOf describes a link.
func infoOf(b LinkBackend, name string) (vtep.LinkInfo, error) {
	info, err := b.Link(name)
	if errors.Is(err, vtep.ErrNoLink) {
		err = fmt.Errorf("%w %q", vtep.ErrNoLink, name) // as iproute2 says it
	}
	return info, err
}

// describe is the API's form of a link, with what the kernel says of its device. Of a device
// in another network namespace it has what package vtep knows.
func (s *Server) describe(info vtep.LinkInfo) api.Link {
	l := linkOf(info)
	s.fill(&l.Netdev)
	return l
}

// fill replaces what package vtep knows of a device by what the kernel says.
func (s *Server) fill(known *api.Netdev) {
	if d, err := s.config.Netdevs.Read(known); err == nil {
		*known = d
	}
}

// setMaster makes the device of a link the slave of another one.
func setMaster(b LinkBackend, devices Netdevs, name, master string) error {
	info, err := infoOf(b, name)
	if err != nil {
		return err
	}
	return devices.SetMaster(new(netdevOf(&info)), master)
}

// AddLink makes the link of c, with its master, and up where c says so. On an error it leaves
// no link behind.
func AddLink(b LinkBackend, devices Netdevs, c *api.LinkChange) error {
	config, err := LinkConfig(&c.LinkSpec)
	if err != nil {
		return err
	}
	if err := b.AddLink(config); err != nil {
		return err
	}
	if c.Master != nil {
		err = setMaster(b, devices, config.Name, *c.Master)
	}
	if err == nil && c.Up != nil && *c.Up {
		err = b.SetLinkUp(config.Name, true)
	}
	if err != nil {
		return errors.Join(err, b.DelLink(config.Name))
	}
	return nil
}

func (s *Server) addLink(r *http.Request) (any, error) {
	var c api.LinkChange
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	if err := AddLink(s.config.Backend, s.config.Netdevs, &c); err != nil {
		return nil, err
	}
	return s.find(c.Name)
}

func (s *Server) changeLink(r *http.Request) (any, error) {
	var c api.LinkChange
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	name := r.PathValue("name")
	if c.LinkSpec != (api.LinkSpec{}) {
		if err := s.config.Backend.UpdateLink(name, func(l *vtep.LinkConfig) error { return ApplyLink(&c.LinkSpec, l) }); err != nil {
			return nil, err
		}
	}
	if c.Name != "" {
		name = c.Name
	}
	if c.Master != nil {
		if err := setMaster(s.config.Backend, s.config.Netdevs, name, *c.Master); err != nil {
			return nil, err
		}
	}
	if c.Up != nil {
		if err := s.config.Backend.SetLinkUp(name, *c.Up); err != nil {
			return nil, err
		}
	}
	return s.find(name)
}

func (s *Server) deleteLink(r *http.Request) (any, error) {
	return done{}, s.config.Backend.DelLink(r.PathValue("name"))
}

// configs are the links' configurations by the names of their devices.
func (s *Server) configs() map[string]vtep.LinkConfig {
	links := make(map[string]vtep.LinkConfig)
	for _, info := range s.config.Backend.Links() {
		name := info.Name
		if name == "" {
			name = info.Config.Name
		}
		links[name] = info.Config
	}
	return links
}

func (s *Server) changeFDB(r *http.Request) (any, error) {
	var wire api.FDBEntry
	if err := decode(r, &wire); err != nil {
		return nil, err
	}
	e, err := Entry(&wire)
	if err != nil {
		return nil, err
	}
	verb := r.PathValue("verb")
	var links map[string]vtep.LinkConfig
	if wire.SrcVNI != nil {
		links = s.configs()
	}
	if err := complete(&wire, verb, links); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"add", "append", "replace", "del"}, verb) {
		return nil, api.ErrNoPath
	}
	if wire.Master { // first, as the kernel does (rtnl_fdb_add in net/core/rtnetlink.c)
		info, err := infoOf(s.config.Backend, e.Link)
		if err != nil {
			return nil, err
		}
		if err := s.config.Netdevs.ChangeBridge(new(netdevOf(&info)), verb, &wire); err != nil {
			return nil, err
		}
	}
	switch verb {
	case "add":
		err = s.config.Backend.FDBAdd(e)
	case "append":
		err = s.config.Backend.FDBAppend(e)
	case "replace":
		err = s.config.Backend.FDBReplace(e)
	default:
		err = s.config.Backend.FDBDel(e.Link, e.MAC, remoteGiven(&e))
	}
	return done{}, err
}

// complete refuses an entry that the kernel's driver refuses: one without a destination
// (vxlan_fdb_add in drivers/net/vxlan/vxlan_core.c) that is not sticky, or with a source VNI that is not the
// link's. links are needed where it has one.
func complete(e *api.FDBEntry, verb string, links map[string]vtep.LinkConfig) error {
	if e.SrcVNI != nil {
		link, ok := links[e.Dev]
		if ok && uint32(link.VNI) != *e.SrcVNI {
			return api.Invalidf("src_vni %d is not the VNI of link %s, which is %d: write vni %d for the remote's VNI", *e.SrcVNI, e.Dev, link.VNI, *e.SrcVNI)
		}
	}
	if !e.Dst.IsValid() && !e.Sticky && slices.Contains([]string{"add", "append", "replace"}, verb) {
		return fmt.Errorf("%w: fdb %s needs a destination, write dst IP", vtep.ErrInvalid, verb)
	}
	return nil
}

func (s *Server) flushFDB(r *http.Request) (any, error) {
	var f api.FDBFilter
	if err := decode(r, &f); err != nil {
		return nil, err
	}
	filter, err := filterOf(&f)
	if err != nil {
		return nil, err
	}
	if f.Dev == "" {
		return nil, api.Invalidf("a flush needs a link: give dev")
	}
	if _, err := s.find(f.Dev); err != nil {
		return nil, err
	}
	// With one VNI a link, an entry's source VNI is its link's
	// (vxlan_fdb_parse, drivers/net/vxlan/vxlan_core.c).
	if selectsNone(&f) || f.SrcVNI != nil && uint32(s.configs()[f.Dev].VNI) != *f.SrcVNI {
		return api.Flushed{}, nil
	}
	n, err := s.config.Backend.FDBFlush(f.Dev, filter)
	return api.Flushed{Flushed: n}, err
}
