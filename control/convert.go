package control

import (
	"net/netip"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
)

// LinkConfig is the link configuration that the spec describes.
func LinkConfig(s *api.LinkSpec) (vtep.LinkConfig, error) {
	var c vtep.LinkConfig
	if s.Name == "" {
		return c, api.Invalidf("the link needs a name")
	}
	if s.ID == nil {
		return c, api.Invalidf("link %s needs an id: write id VNI, 0-%d", s.Name, encap.MaxVNI)
	}
	err := ApplyLink(s, &c)
	return c, err
}

// ApplyLink changes in c what the spec says, and nothing on an error. A remote
// replaces a group and the other way round, as in the kernel.
func ApplyLink(s *api.LinkSpec, c *vtep.LinkConfig) error {
	if err := ValidateLink(s); err != nil {
		return err
	}
	set(&c.Dev, s.Dev)
	set(&c.DstPort, s.DstPort)
	set(&c.UDP6ZeroCsumTx, s.UDP6ZeroCsumTx)
	set(&c.UDP6ZeroCsumRx, s.UDP6ZeroCsumRx)
	set(&c.MTU, s.MTU)
	set(&c.Queues, s.Queues)
	set(&c.Local, s.Local)
	if s.Name != "" {
		c.Name = s.Name
	}
	if s.ID != nil {
		c.VNI = encap.VNI(*s.ID)
	}
	if s.Remote != nil {
		c.Remote, c.Group = *s.Remote, netip.Addr{}
	}
	if s.Group != nil {
		c.Remote, c.Group = netip.Addr{}, *s.Group
	}
	if s.SrcPort != nil {
		c.SrcPortMin, c.SrcPortMax = s.SrcPort[0], s.SrcPort[1]
	}
	if s.Learning != nil {
		c.NoLearning = !*s.Learning
	}
	if s.UDPCsum != nil {
		c.NoUDPChecksum = !*s.UDPCsum
	}
	applyHeader(s, c)
	applyTable(s, c)
	applyPolicy(s, c)
	applyOptions(s, c)
	return nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func applyHeader(s *api.LinkSpec, c *vtep.LinkConfig) {
	if s.TTL != nil {
		n, _ := s.TTL.Number() // 0 for auto, as in the kernel
		c.TTL, c.TTLInherit = uint8(n), *s.TTL == "inherit"
	}
	if s.TOS != nil {
		n, _ := s.TOS.Number()
		c.TOS, c.TOSInherit = uint8(n), *s.TOS == "inherit"
		if n == 1 { // the kernel's number for inherit, drivers/net/vxlan/vxlan_core.c
			c.TOS, c.TOSInherit = 0, true
		}
	}
	if s.DF != nil {
		c.DF = map[string]vtep.DF{"set": vtep.DFSet, "unset": vtep.DFUnset, "inherit": vtep.DFInherit}[*s.DF]
	}
}

func applyTable(s *api.LinkSpec, c *vtep.LinkConfig) {
	if s.Ageing != nil {
		c.Ageing = time.Duration(*s.Ageing) * time.Second
		if c.Ageing == 0 {
			c.Ageing = vtep.NeverAge
		}
	}
	if s.MaxAddress != nil {
		n, _ := s.MaxAddress.Number()
		c.MaxAddresses = int(n)
		if n == 0 { // "unlimited", or the kernel's 0
			c.MaxAddresses = vtep.UnlimitedAddresses
		}
	}
}

func applyPolicy(s *api.LinkSpec, c *vtep.LinkConfig) {
	if s.Address != nil {
		c.Address, _ = encap.ParseMAC(*s.Address) // Validate has read it
	}
	if s.Accept != nil {
		c.Accept, _ = parseAccept(*s.Accept)
	}
	if s.Reserved != nil {
		c.Reserved, _ = parseReserved(*s.Reserved)
	}
	if s.InnerVLAN != nil {
		c.InnerVLAN = map[string]vtep.InnerVLANPolicy{"pass": vtep.InnerVLANPass, "drop": vtep.InnerVLANDrop}[*s.InnerVLAN]
	}
}

// SpecOf describes a configuration with the values that are in force: defaults
// are spelled out. An MTU and a MAC address that were not configured stay nil.
func SpecOf(c vtep.LinkConfig) api.LinkSpec {
	s := api.LinkSpec{
		Name: c.Name, ID: new(uint32(c.VNI)),
		SrcPort: &api.PortRange{c.SrcPortMin, c.SrcPortMax},
		TTL:     new(api.NumberValue(c.TTL)), DF: new(dfText(c.DF)),
		Learning: new(!c.NoLearning), UDPCsum: new(!c.NoUDPChecksum),
		UDP6ZeroCsumTx: new(c.UDP6ZeroCsumTx), UDP6ZeroCsumRx: new(c.UDP6ZeroCsumRx),
		Accept:   new(acceptText(c.Accept, c.Group.IsValid())),
		Reserved: new(reservedText(c.Reserved)), InnerVLAN: new("pass"),
		Queues: new(max(c.Queues, 1)),
	}
	for to, a := range map[**netip.Addr]netip.Addr{&s.Remote: c.Remote, &s.Group: c.Group, &s.Local: c.Local} {
		if a.IsValid() {
			*to = new(a)
		}
	}
	if c.Dev != "" {
		s.Dev = new(c.Dev)
	}
	s.DstPort = new(c.DstPort)
	if c.DstPort == 0 {
		*s.DstPort = encap.DefaultPort
	}
	switch {
	case c.TTLInherit:
		*s.TTL = "inherit"
	case c.TTL == 0:
		*s.TTL = "auto"
	}
	switch {
	case c.TOSInherit:
		s.TOS = new(api.Value("inherit"))
	case c.TOS != 0:
		s.TOS = new(api.NumberValue(c.TOS))
	}
	switch {
	case c.Ageing < 0:
		s.Ageing = new(uint32(0))
	case c.Ageing == 0:
		s.Ageing = new(uint32(vtep.DefaultAgeing / time.Second))
	default:
		s.Ageing = new(uint32(c.Ageing / time.Second))
	}
	switch {
	case c.MaxAddresses < 0:
		s.MaxAddress = new(api.Value("unlimited"))
	case c.MaxAddresses == 0:
		s.MaxAddress = new(api.NumberValue(vtep.DefaultMaxAddresses))
	default:
		s.MaxAddress = new(api.NumberValue(c.MaxAddresses))
	}
	if c.MTU != 0 {
		s.MTU = new(c.MTU)
	}
	if !c.Address.IsZero() {
		s.Address = new(c.Address.String())
	}
	if c.InnerVLAN == vtep.InnerVLANDrop {
		*s.InnerVLAN = "drop"
	}
	setOptions(&s, &c)
	return s
}

func dfText(d vtep.DF) string {
	switch d {
	case vtep.DFUnset:
		return "unset"
	case vtep.DFInherit:
		return "inherit"
	case vtep.DFSet:
	}
	return "set"
}
