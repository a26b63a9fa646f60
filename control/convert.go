package control

import (
	"net/netip"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/words"
	"github.com/uvtep/uvtep/vtep"
)

// ValidateLink reports what is wrong with the fields that are set, each by itself and
// together. A Name is not needed. The table of words checks what the link sentence could not
// say, package vtep the rest.
func ValidateLink(s *api.LinkSpec) error {
	var c vtep.LinkConfig
	if err := ApplyLink(s, &c); err != nil {
		return err
	}
	if err := c.ValidateValues(); err != nil {
		return api.Invalidf("%s", strings.TrimPrefix(err.Error(), vtep.ErrInvalid.Error()+": "))
	}
	return nil
}

// LinkConfig converts s to a configuration of package vtep.
func LinkConfig(s *api.LinkSpec) (vtep.LinkConfig, error) {
	var c vtep.LinkConfig
	if s.Name == "" {
		return c, api.Invalidf("the link needs a name")
	}
	if s.ID == nil {
		return c, api.Invalidf("link %s needs an id: write id VNI, 0-%d", s.Name, encap.MaxVNI)
	}
	if err := ValidateLink(s); err != nil {
		return c, err
	}
	err := ApplyLink(s, &c)
	return c, err
}

// ApplyLink changes c by the fields that s sets. On an error c is as before. A remote replaces
// a group, and a group a remote, as in the kernel.
func ApplyLink(s *api.LinkSpec, c *vtep.LinkConfig) error {
	if err := words.Check(&api.LinkChange{LinkSpec: *s}); err != nil {
		return err
	}
	if s.Name != "" {
		c.Name = s.Name
	}
	if s.Remote != nil || s.Group != nil {
		c.Remote, c.Group = netip.Addr{}, netip.Addr{}
	}
	if s.Proxy != nil {
		c.ProxyLearn = false
	}
	if s.GBP != nil && !*s.GBP {
		c.PolicyID = 0
	}
	for _, w := range conversions() {
		w.apply(s, c)
	}
	return nil
}

// SpecOf describes a configuration with the values that are in force: defaults
// are spelled out. An MTU and a MAC address that were not configured stay nil.
func SpecOf(c vtep.LinkConfig) api.LinkSpec {
	s := api.LinkSpec{Name: c.Name}
	for _, w := range conversions() {
		w.of(&c, &s)
	}
	if c.Trunk != "" {
		s.Queues, s.Persist = nil, nil // the port's
	}
	return s
}

// conversion converts a word between the API's form and package vtep's.
type conversion struct {
	apply func(*api.LinkSpec, *vtep.LinkConfig)
	of    func(*vtep.LinkConfig, *api.LinkSpec)
}

// as converts a field by two functions. to is called with a value that is set; from reports
// whether there is a value to set.
func as[A, V any](a func(*api.LinkSpec) **A, v func(*vtep.LinkConfig) *V, to func(A) V, from func(V) (A, bool)) conversion {
	return conversion{
		apply: func(s *api.LinkSpec, c *vtep.LinkConfig) {
			if p := *a(s); p != nil {
				*v(c) = to(*p)
			}
		},
		of: func(c *vtep.LinkConfig, s *api.LinkSpec) {
			if said, ok := from(*v(c)); ok {
				*a(s) = &said
			}
		},
	}
}

// same copies a field.
func same[T any](a func(*api.LinkSpec) **T, v func(*vtep.LinkConfig) *T) conversion {
	return as(a, v, func(x T) T { return x }, func(x T) (T, bool) { return x, true })
}

// said copies a field, back where it is not zero.
func said[T comparable](a func(*api.LinkSpec) **T, v func(*vtep.LinkConfig) *T) conversion {
	return as(a, v, func(x T) T { return x }, func(x T) (T, bool) { return x, x != *new(T) })
}

// not negates a flag.
func not(a func(*api.LinkSpec) **bool, v func(*vtep.LinkConfig) *bool) conversion {
	return as(a, v, func(on bool) bool { return !on }, func(off bool) (bool, bool) { return !off, true })
}

// choice converts one of two words: on is true.
func choice(a func(*api.LinkSpec) **string, v func(*vtep.LinkConfig) *bool, on, off string) conversion {
	return as(a, v, func(word string) bool { return word == on }, func(is bool) (string, bool) {
		if is {
			return on, true
		}
		return off, true
	})
}

// enum converts one of several words.
func enum[V comparable](a func(*api.LinkSpec) **string, v func(*vtep.LinkConfig) *V, all map[string]V) conversion {
	return as(a, v, func(word string) V { return all[word] }, func(is V) (string, bool) {
		for word, value := range all {
			if value == is {
				return word, true
			}
		}
		return "", false
	})
}

// orInherit converts a number or the word inherit, which vtep has as a flag beside the number. unsaid is the word for 0;
// "": 0 is not set.
func orInherit[T uint8 | uint32](a func(*api.LinkSpec) **api.Value, v func(*vtep.LinkConfig) (*T, *bool), unsaid string) conversion {
	return conversion{
		apply: func(s *api.LinkSpec, c *vtep.LinkConfig) {
			if p := *a(s); p != nil {
				number, inherit := v(c)
				n, _ := p.Number() // 0 for a word
				*number, *inherit = T(n), *p == "inherit"
			}
		},
		of: func(c *vtep.LinkConfig, s *api.LinkSpec) {
			switch number, inherit := v(c); {
			case *inherit:
				*a(s) = new(api.Value("inherit"))
			case *number != 0:
				*a(s) = new(api.NumberValue(uint32(*number)))
			case unsaid != "":
				*a(s) = new(api.Value(unsaid))
			}
		},
	}
}

// evpn brings what the links of a fabric have: addresses of remote hosts come by the control plane,
// so that a link that becomes one learns none from packets, and one that is none any more does.
func evpn() conversion {
	return conversion{func(s *api.LinkSpec, c *vtep.LinkConfig) {
		if s.EVPN != nil && *s.EVPN != c.EVPN {
			c.EVPN, c.NoLearning = *s.EVPN, *s.EVPN
		}
	}, func(c *vtep.LinkConfig, s *api.LinkSpec) { s.EVPN = new(c.EVPN) }}
}
