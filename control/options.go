package control

import "github.com/uvtep/uvtep/vtep"

// applyOptions changes in c what the spec says of a link's options.
func (s *LinkSpec) applyOptions(c *vtep.LinkConfig) {
	if s.LocalBypass != nil {
		c.NoLocalBypass = !*s.LocalBypass
	}
	if s.GBP != nil {
		c.GBP = *s.GBP
		if !c.GBP {
			c.PolicyID = 0
		}
	}
	set(&c.PolicyID, s.GBPID)
}

// setOptions spells out the options that are in force.
func (s *LinkSpec) setOptions(c *vtep.LinkConfig) {
	s.LocalBypass = new(!c.NoLocalBypass)
	s.GBP = new(c.GBP)
	if c.GBP {
		s.GBPID = new(c.PolicyID)
	}
}
