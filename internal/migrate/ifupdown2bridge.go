package migrate

import (
	"regexp"
	"slices"
	"strings"
)

// learning is the learning of a link without vxlan-learning: ifupdown2's bridges
// make their port's the link's, too (sync_bridge_learning_to_vxlan_brport in
// addons/bridge.py). 3.9 lets that of a port for which nothing is said win over
// the vxlan policy's, 3.0 does not: here the policy's wins.
func (u *ifaceReader) learning() {
	bridge := u.bridgeOf(u.stanza.name)
	var a *attribute
	if bridge != nil {
		a = u.portLearning(bridge)
	}
	if a == nil {
		a = u.policy.attribute("vxlan", "vxlan-learning", policyDefaults)
	}
	if a == nil && bridge != nil {
		a = u.policy.attribute("bridge", "bridge_vxlan_port_learning", policyGlobals)
	}
	if a != nil {
		u.link.set["learning"] = u.yesNo(a)
	}
}

// bridgeOf is the stanza of the bridge that has a port of that name.
func (i *interfaces) bridgeOf(name string) *stanza {
	for _, s := range i.stanzas {
		if a := s.first("bridge-ports"); a != nil && i.portsHave(a.value, name) {
			return s
		}
	}
	return nil
}

// portLearning is the bridge-learning of a port: its own, that of its bridge for
// it or for all, or a policy's.
func (u *ifaceReader) portLearning(bridge *stanza) *attribute {
	if a := u.stanza.first("bridge-learning"); a != nil {
		return a
	}
	of := bridge.first("bridge-learning")
	for _, name := range []string{bridge.name, u.stanza.name} {
		for _, kind := range []func(policyModule) map[string]any{policyOf(name), policyDefaults} {
			if of == nil {
				of = u.policy.attribute("bridge", "bridge-learning", kind)
			}
		}
	}
	if of == nil || !strings.Contains(of.value, "=") {
		return of
	}
	for word := range strings.FieldsSeq(of.value) {
		if port, v, _ := strings.Cut(word, "="); port == u.stanza.name {
			return &attribute{of.key, v, of.at}
		}
	}
	return nil
}

// portsHave reports whether bridge-ports, or what is written like it, name an
// interface (parse_port_list in ifupdownaddons/modulebase.py).
func (i *interfaces) portsHave(ports, name string) bool {
	kind := ""
	for word := range strings.FieldsSeq(ports) {
		switch {
		case word == "glob" || word == "regex":
			kind = word
			continue
		case word == "noglob" || word == "noregex":
		case kind == "glob":
			if globHas(word, name) {
				return true
			}
		case kind == "regex":
			// Of the file's author, who decides about the links: it is bounded by RE2.
			if r, err := regexp.Compile("(?:" + word + ")$"); err == nil && r.MatchString(name) {
				return true
			}
		case word == name:
			return true
		}
		kind = ""
	}
	return false
}

// The ranges of a glob (glob_regexs in ifupdownaddons/modulebase.py): swp1-10.300,
// swp[1-10].300 and swp[1-10]sub[0-4].300.
var (
	globNumber = regexp.MustCompile(`\[(\d+)-(\d+)\]|(\d+)-(\d+)`)
	globDigits = regexp.MustCompile(`^(?:0|[1-9]\d*)`)
)

// globHas reports whether a name is one of a glob's: the glob's text with a
// number of each of its ranges.
func globHas(glob, name string) bool {
	for {
		m := globNumber.FindStringSubmatchIndex(glob)
		if m == nil {
			return glob == name
		}
		rest, ok := strings.CutPrefix(name, glob[:m[0]])
		if !ok {
			return false
		}
		digits := globDigits.FindString(rest)
		at := m[2:6]
		if at[0] < 0 { // without brackets
			at = m[6:10]
		}
		first, last := glob[at[0]:at[1]], glob[at[2]:at[3]]
		if digits == "" || lessNumber(digits, first) || lessNumber(last, digits) {
			return false
		}
		glob, name = glob[m[1]:], rest[len(digits):]
	}
}

// lessNumber compares decimal numbers of any length.
func lessNumber(a, b string) bool {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return len(a) < len(b) || len(a) == len(b) && a < b
}

// comesUp reports whether `ifup -a` brings an interface up: it is auto, or an
// interface that comes up stands on it.
func (u *ifaceReader) comesUp(s *stanza) bool {
	if a := s.first("link-down"); a != nil && a.value == "yes" {
		return false
	}
	return u.taken(s, nil)
}

func (u *ifaceReader) taken(s *stanza, over []*stanza) bool {
	if s.auto || u.ng && s.lateAuto != nil {
		return true
	}
	if slices.Contains(over, s) {
		return false
	}
	return slices.ContainsFunc(u.stanzas, func(upper *stanza) bool {
		return upper != s && u.standsOn(upper, s.name) && u.taken(upper, append(over, s))
	})
}

// standsOn reports whether an interface has another below it
// (get_dependent_ifacenames of ifupdown2's addons).
func (i *interfaces) standsOn(s *stanza, lower string) bool {
	for _, a := range s.attrs {
		switch a.key {
		case "bridge-ports", "bond-slaves", "requires":
			if i.portsHave(a.value, lower) {
				return true
			}
		case "vlan-raw-device", "vxlan-physdev", "tunnel-physdev", "tunnel-dev":
			if a.value == lower {
				return true
			}
		}
	}
	raw, vlan, ok := strings.Cut(s.name, ".")
	return ok && raw == lower && vlan != "" && strings.Trim(vlan, "0123456789") == ""
}

// tellPorts tells which bridges have links as ports: that stays with ifupdown2.
func (i *interfaces) tellPorts(links []*fileLink) {
	for _, s := range i.stanzas {
		for _, a := range s.attrs {
			if a.key != "bridge-ports" {
				continue
			}
			var names []string
			for _, l := range links {
				if i.portsHave(a.value, l.name) {
					names = append(names, l.name)
				}
			}
			switch {
			case names != nil:
				i.notes.addf(a.at, "bridge-ports of %s stays in the file: ifup makes %s its ports where uvtep runs before it", s.name, strings.Join(names, ", "))
			case mentionsVXLAN(a.value):
				i.notes.addf(a.at, "bridge-ports %s of %s names no link of what is printed", a.value, s.name)
			}
		}
	}
}
