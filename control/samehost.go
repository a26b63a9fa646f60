package control

import "github.com/uvtep/uvtep/vtep"

// parseSameHost reads auto, none, or prefixes with commas between.
func parseSameHost(s string) (vtep.SameHost, error) {
	switch s {
	case "auto":
		return vtep.SameHost{}, nil
	case "none":
		return vtep.SameHost{Mode: vtep.SameHostNone}, nil
	}
	prefixes, err := parsePrefixes("samehost", "auto, none", s)
	return vtep.SameHost{Mode: vtep.SameHostPrefixes, Prefixes: prefixes}, err
}

// sameHostText is parseSameHost's inverse.
func sameHostText(h vtep.SameHost) string {
	switch h.Mode {
	case vtep.SameHostNone:
		return "none"
	case vtep.SameHostPrefixes:
		return prefixText(h.Prefixes)
	default:
		return "auto"
	}
}
