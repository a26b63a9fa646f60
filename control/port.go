package control

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/words"
	"github.com/uvtep/uvtep/vtep"
)

// ValidatePort reports what is wrong with the fields that are set. A Name is not needed.
func ValidatePort(s *api.PortSpec) error {
	if s.Type != "" && s.Type != api.TypeTrunk {
		return api.Invalidf("type %q is unknown: write %s", s.Type, api.TypeTrunk)
	}
	return ValidateLink(&api.LinkSpec{MTU: s.MTU, Address: s.Address, Queues: s.Queues})
}

// TrunkConfig converts s to a configuration of package vtep.
func TrunkConfig(s *api.PortSpec) (vtep.TrunkConfig, error) {
	var c vtep.TrunkConfig
	if err := words.ValidName(s.Name); err != nil {
		return c, err
	}
	c.Name = s.Name
	return c, ApplyPort(s, &c)
}

// ApplyPort changes c by the fields that s sets. On an error c is as before.
func ApplyPort(s *api.PortSpec, c *vtep.TrunkConfig) error {
	if err := ValidatePort(s); err != nil {
		return err
	}
	if s.Name != "" {
		c.Name = s.Name
	}
	l := vtep.LinkConfig{MTU: c.MTU, Queues: c.Queues, Persist: c.Persist, Address: c.Address, Owner: c.Owner, OwnerGroup: c.OwnerGroup}
	if err := ApplyLink(&api.LinkSpec{MTU: s.MTU, Queues: s.Queues, Persist: s.Persist, Address: s.Address, User: s.User, GroupOwner: s.GroupOwner}, &l); err != nil {
		return err
	}
	c.MTU, c.Queues, c.Persist, c.Address, c.Owner, c.OwnerGroup = l.MTU, l.Queues, l.Persist, l.Address, l.Owner, l.OwnerGroup
	return nil
}

// PortSpecOf describes a port's configuration with the values that are in force, as SpecOf does a link's.
func PortSpecOf(c vtep.TrunkConfig) api.PortSpec {
	l := SpecOf(vtep.LinkConfig{
		Name: c.Name, MTU: c.MTU, Address: c.Address, Queues: c.Queues,
		Persist: c.Persist, Owner: c.Owner, OwnerGroup: c.OwnerGroup,
	})
	return api.PortSpec{
		Name: l.Name, Type: api.TypeTrunk, MTU: l.MTU, Address: l.Address, Queues: l.Queues,
		Persist: l.Persist, User: l.User, GroupOwner: l.GroupOwner,
	}
}

// portOf is the API's form of a trunk port, with the device as package vtep knows it.
func portOf(i vtep.TrunkInfo) api.Port {
	l := linkOf(vtep.LinkInfo{Config: vtep.LinkConfig{Name: i.Config.Name}, State: i.State})
	p := api.Port{
		Spec:   PortSpecOf(i.Config),
		Netdev: l.Netdev,
		VLANs:  make([]api.PortVLAN, 0, len(i.VLANs)),
		Drops:  dropsOf(i.Drops),
	}
	p.Spec.Name = l.Netdev.Name
	for _, v := range i.VLANs {
		p.VLANs = append(p.VLANs, api.PortVLAN{VLAN: v.VLAN, ID: uint32(v.VNI), Link: v.Link})
	}
	return p
}

func (s *Server) ports(*http.Request) (any, error) {
	ports := []api.Port{}
	for _, i := range s.config.Backend.Trunks() {
		p := portOf(i)
		s.fill(&p.Netdev)
		ports = append(ports, p)
	}
	return ports, nil
}

func (s *Server) port(r *http.Request) (any, error) { return s.findPort(r.PathValue("name")) }

func (s *Server) findPort(name string) (api.Port, error) {
	all := s.config.Backend.Trunks()
	n := slices.IndexFunc(all, func(i vtep.TrunkInfo) bool { return i.Name == name || i.Config.Name == name })
	if n < 0 {
		return api.Port{}, fmt.Errorf("%w %q", vtep.ErrNoPort, name)
	}
	p := portOf(all[n])
	s.fill(&p.Netdev)
	return p, nil
}

func (s *Server) addPort(r *http.Request) (any, error) {
	var c api.PortChange
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	config, err := TrunkConfig(&c.PortSpec)
	if err != nil {
		return nil, err
	}
	if err := s.config.Backend.AddTrunk(config); err != nil {
		return nil, err
	}
	if c.Up != nil && *c.Up {
		if err := s.config.Backend.SetTrunkUp(config.Name, true); err != nil {
			return nil, errors.Join(err, s.config.Backend.DelTrunk(config.Name))
		}
	}
	return s.findPort(config.Name)
}

func (s *Server) changePort(r *http.Request) (any, error) {
	var c api.PortChange
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	name := r.PathValue("name")
	if c.PortSpec != (api.PortSpec{}) {
		if err := s.config.Backend.UpdateTrunk(name, func(t *vtep.TrunkConfig) error { return ApplyPort(&c.PortSpec, t) }); err != nil {
			return nil, err
		}
	}
	if c.Up != nil {
		if err := s.config.Backend.SetTrunkUp(name, *c.Up); err != nil {
			return nil, err
		}
	}
	return s.findPort(name)
}

func (s *Server) deletePort(r *http.Request) (any, error) {
	return done{}, s.config.Backend.DelTrunk(r.PathValue("name"))
}
