package control

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
)

// TypeTrunk is the type of a port whose VLANs are the ports of links.
const TypeTrunk = "trunk"

// PortSpec says what a port of its own is to be, one that is not a link's. A nil
// field was not said: the default on an add, no change on a set.
type PortSpec struct {
	Name       string  `json:"name,omitempty" yaml:"name,omitempty"`
	Type       string  `json:"type,omitempty" yaml:"type,omitempty"`       // trunk
	MTU        *int    `json:"mtu,omitempty" yaml:"mtu,omitempty"`         // nil: the least of its links'
	Address    *string `json:"address,omitempty" yaml:"address,omitempty"` // MAC address
	Queues     *int    `json:"queues,omitempty" yaml:"queues,omitempty"`
	Persist    *bool   `json:"persist,omitempty" yaml:"persist,omitempty"`
	User       *uint32 `json:"user,omitempty" yaml:"user,omitempty"`               // UID
	GroupOwner *uint32 `json:"group-owner,omitempty" yaml:"group-owner,omitempty"` // GID
}

// PortChange is a PortSpec, and whether the port is to be up.
type PortChange struct {
	PortSpec
	Up *bool `json:"up,omitempty" yaml:"up,omitempty"`
}

// Port is a port as it stands.
type Port struct {
	Spec   PortSpec   `json:"spec"`
	Netdev Netdev     `json:"netdev"`
	VLANs  []PortVLAN `json:"vlans"` // by VLAN id
	// Drops are those of frames that no link counts, by reason: the port's queue was
	// full, or no link has their VLAN.
	Drops map[string]uint64 `json:"drops,omitempty"`
}

// PortVLAN is a VLAN of a trunk port: the port of a link.
type PortVLAN struct {
	VLAN uint16 `json:"vlan"`
	ID   uint32 `json:"id"` // VNI
	Link string `json:"link"`
}

// Validate reports what cannot be in the fields that were said. A Name is not
// needed.
func (s *PortSpec) Validate() error {
	if s.Type != "" && s.Type != TypeTrunk {
		return invalid("type %q: a port is a %s", s.Type, TypeTrunk)
	}
	l := LinkSpec{MTU: s.MTU, Address: s.Address, Queues: s.Queues}
	return l.Validate()
}

// Config is the configuration that the spec describes.
func (s *PortSpec) Config() (vtep.TrunkConfig, error) {
	var c vtep.TrunkConfig
	if err := ValidName(s.Name); err != nil {
		return c, err
	}
	c.Name = s.Name
	return c, s.Apply(&c)
}

// Apply changes in c what the spec says, and nothing on an error.
func (s *PortSpec) Apply(c *vtep.TrunkConfig) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if s.Name != "" {
		c.Name = s.Name
	}
	set(&c.MTU, s.MTU)
	set(&c.Queues, s.Queues)
	set(&c.Persist, s.Persist)
	if s.Address != nil {
		c.Address, _ = encap.ParseMAC(*s.Address) // Validate has read it
	}
	if s.User != nil {
		c.Owner = new(*s.User)
	}
	if s.GroupOwner != nil {
		c.OwnerGroup = new(*s.GroupOwner)
	}
	return nil
}

// portOf is the wire form of a trunk port, with the device as the core knows it.
func portOf(i vtep.TrunkInfo) Port {
	c := i.Config
	l := linkOf(vtep.LinkInfo{
		Config: vtep.LinkConfig{
			Name: c.Name, MTU: c.MTU, Address: c.Address, Queues: c.Queues,
			Persist: c.Persist, Owner: c.Owner, OwnerGroup: c.OwnerGroup,
		},
		Name: i.Name, Index: i.Index, MAC: i.MAC, MTU: i.MTU, Up: i.Up,
	})
	p := Port{
		Spec: PortSpec{
			Name: l.Spec.Name, Type: TypeTrunk, MTU: l.Spec.MTU, Address: l.Spec.Address, Queues: l.Spec.Queues,
			Persist: l.Spec.Persist, User: l.Spec.User, GroupOwner: l.Spec.GroupOwner,
		},
		Netdev: l.Netdev,
		VLANs:  make([]PortVLAN, 0, len(i.VLANs)),
		Drops:  dropsOf(i.Drops),
	}
	for _, v := range i.VLANs {
		p.VLANs = append(p.VLANs, PortVLAN{VLAN: v.VLAN, ID: uint32(v.VNI), Link: v.Link})
	}
	return p
}

func (s *Server) ports(*http.Request) (any, error) {
	ports := []Port{}
	for _, i := range s.config.Backend.Trunks() {
		p := portOf(i)
		s.fill(&p.Netdev)
		ports = append(ports, p)
	}
	return ports, nil
}

func (s *Server) port(r *http.Request) (any, error) { return s.findPort(r.PathValue("name")) }

func (s *Server) findPort(name string) (Port, error) {
	all := s.config.Backend.Trunks()
	n := slices.IndexFunc(all, func(i vtep.TrunkInfo) bool { return i.Name == name || i.Config.Name == name })
	if n < 0 {
		return Port{}, fmt.Errorf("%w %q", vtep.ErrNoPort, name)
	}
	p := portOf(all[n])
	s.fill(&p.Netdev)
	return p, nil
}

func (s *Server) addPort(r *http.Request) (any, error) {
	var c PortChange
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	config, err := c.Config()
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
	var c PortChange
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	name := r.PathValue("name")
	if c.PortSpec != (PortSpec{}) {
		if err := s.config.Backend.UpdateTrunk(name, c.Apply); err != nil {
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
