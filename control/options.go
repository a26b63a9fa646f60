package control

import "github.com/uvtep/uvtep/vtep"

// applyOptions changes in c what the spec says of a link's options.
func (s *LinkSpec) applyOptions(c *vtep.LinkConfig) {
	if s.LocalBypass != nil {
		c.NoLocalBypass = !*s.LocalBypass
	}
}

// setOptions spells out the options that are in force.
func (s *LinkSpec) setOptions(c *vtep.LinkConfig) {
	s.LocalBypass = new(!c.NoLocalBypass)
}
