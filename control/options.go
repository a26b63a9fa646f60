package control

import (
	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/words"
	"github.com/uvtep/uvtep/vtep"
)

// checkOptions reports what cannot be in the options.
func checkOptions(s *api.LinkSpec) error {
	if s.FlowLabel != nil && *s.FlowLabel != "inherit" {
		if n, ok := s.FlowLabel.Number(); !ok || n > encap.MaxFlowLabel {
			return api.Invalidf("flowlabel %s: write 0-%#x or inherit", *s.FlowLabel, encap.MaxFlowLabel)
		}
	}
	if s.VLAN != nil && (*s.VLAN == 0 || *s.VLAN > encap.MaxVLAN) {
		return api.Invalidf("vlan %d: write 1-%d", *s.VLAN, encap.MaxVLAN)
	}
	if s.Trunk != nil {
		if err := words.ValidName(*s.Trunk); err != nil {
			return err
		}
	}
	if s.SameHost != nil {
		if _, err := parseSameHost(*s.SameHost); err != nil {
			return err
		}
	}
	if err := oneOf("mss", s.MSS, "clamp", "none"); err != nil {
		return err
	}
	if err := oneOf("loopguard", s.LoopGuard, "on", "off"); err != nil {
		return err
	}
	return oneOf("moveguard", s.MoveGuard, "on", "off")
}

// applyOptions changes in c what the spec says of a link's options.
func applyOptions(s *api.LinkSpec, c *vtep.LinkConfig) {
	if s.LocalBypass != nil {
		c.NoLocalBypass = !*s.LocalBypass
	}
	if s.Proxy != nil {
		c.Proxy, c.ProxyLearn = *s.Proxy, false
	}
	set(&c.ProxyLearn, s.ProxyLearn)
	set(&c.L2Miss, s.L2Miss)
	set(&c.L3Miss, s.L3Miss)
	if s.FlowLabel != nil {
		c.FlowLabel, _ = s.FlowLabel.Number() // 0 for inherit
		c.FlowLabelInherit = *s.FlowLabel == "inherit"
	}
	if s.GBP != nil {
		c.GBP = *s.GBP
		if !c.GBP {
			c.PolicyID = 0
		}
	}
	set(&c.PolicyID, s.GBPID)
	if s.MSS != nil {
		c.ClampMSS = *s.MSS == "clamp"
	}
	set(&c.BUMLimit, s.BUMLimit)
	set(&c.PeerBUMLimit, s.PeerBUMLimit)
	if s.MoveGuard != nil {
		c.NoMoveGuard = *s.MoveGuard == "off"
	}
	if s.SameHost != nil {
		c.SameHost, _ = parseSameHost(*s.SameHost) // checkOptions has read it
	}
	if s.LoopGuard != nil {
		c.NoLoopGuard = *s.LoopGuard == "off"
	}
	set(&c.Trunk, s.Trunk)
	set(&c.VLAN, s.VLAN)
	set(&c.Persist, s.Persist)
	if s.User != nil {
		c.Owner = new(*s.User)
	}
	if s.GroupOwner != nil {
		c.OwnerGroup = new(*s.GroupOwner)
	}
}

// setOptions spells out the options that are in force.
func setOptions(s *api.LinkSpec, c *vtep.LinkConfig) {
	s.LocalBypass = new(!c.NoLocalBypass)
	switch {
	case c.FlowLabelInherit:
		s.FlowLabel = new(api.Value("inherit"))
	case c.FlowLabel != 0:
		s.FlowLabel = new(api.NumberValue(c.FlowLabel))
	}
	s.Proxy, s.L2Miss, s.L3Miss = new(c.Proxy), new(c.L2Miss), new(c.L3Miss)
	if c.Proxy {
		s.ProxyLearn = new(c.ProxyLearn)
	}
	s.GBP = new(c.GBP)
	s.MSS, s.BUMLimit, s.MoveGuard = new("none"), new(c.BUMLimit), new("on")
	s.PeerBUMLimit, s.SameHost, s.LoopGuard = new(c.PeerBUMLimit), new(sameHostText(c.SameHost)), new("on")
	if c.ClampMSS {
		*s.MSS = "clamp"
	}
	if c.NoMoveGuard {
		*s.MoveGuard = "off"
	}
	if c.NoLoopGuard {
		*s.LoopGuard = "off"
	}
	s.Persist, s.User, s.GroupOwner = new(c.Persist), c.Owner, c.OwnerGroup
	if c.GBP {
		s.GBPID = new(c.PolicyID)
	}
	if c.Trunk != "" {
		s.Trunk, s.VLAN = new(c.Trunk), new(c.VLAN)
		s.Queues, s.Persist = nil, nil // the port's
	}
}
