package migrate

import (
	"path/filepath"
	"slices"
	"strings"
)

// verdict is whether a .network file is a device's.
type verdict int

const (
	no    verdict = iota
	maybe         // what decides is not known before networkd runs
	yes
)

// trait is what [Match] asks of a device.
type trait struct {
	value string
	known bool
}

func is(value string) trait { return trait{value, true} }

// candidate is what is known of a network device. What is not here is not known.
type candidate map[string]trait

// lower is a device of which the name is known.
func lower(name string) candidate { return candidate{"Name": is(name)} }

// virtual is a device without a parent: it has no path and no permanent address,
// and is no wireless one.
func virtual(name, kind, typ, mac string) candidate {
	d := candidate{"Name": is(name), "Kind": is(kind), "Driver": is(kind), "Type": is(typ), "MACAddress": {mac, mac != ""}}
	for _, absent := range []string{"Path", "PermanentMACAddress", "WLANInterfaceType", "SSID", "BSSID"} {
		d[absent] = is("")
	}
	return d
}

// match is the [Match] section of a .network file (net_match_config in
// src/shared/net-condition.c).
type match struct {
	lists      map[string][]string
	conditions []unitValue // of the host: they cannot be evaluated here
}

// networkMatch reads [Match]: the lines of a key add up, an empty one takes them back.
func networkMatch(sections []unitSection, n *notes) *match {
	m := &match{lists: map[string][]string{}}
	for _, s := range sections {
		if s.name != "Match" {
			continue
		}
		for _, v := range s.values {
			switch v.key {
			case "Name", "Kind", "Driver", "Type", "MACAddress", "PermanentMACAddress", "Path", "Property", "WLANInterfaceType", "SSID", "BSSID":
				m.list(&v)
			case "Host", "Virtualization", "KernelCommandLine", "KernelVersion", "Version", "Credential", "Architecture", "Firmware":
				m.conditions = slices.DeleteFunc(m.conditions, func(c unitValue) bool { return c.key == v.key })
				if v.value != "" {
					m.conditions = append(m.conditions, v)
				}
			default:
				n.addf(v.at, "%v is left out: it is no key of [Match] that uvtep knows", &v)
			}
		}
	}
	return m
}

// list takes a line of patterns: a ! before the first is before each.
func (m *match) list(v *unitValue) {
	if v.value == "" {
		delete(m.lists, v.key)
		return
	}
	text, not := strings.CutPrefix(v.value, "!")
	for word := range strings.FieldsSeq(text) {
		word = strings.Trim(word, `"'`)
		if strings.HasSuffix(v.key, "MACAddress") || v.key == "BSSID" {
			mac, err := unitMAC(word)
			if err != nil { // which networkd leaves out, too
				continue
			}
			word = mac
		} else if not {
			word = "!" + word
		}
		m.lists[v.key] = append(m.lists[v.key], word)
	}
}

// empty reports whether the file is no device's.
func (m *match) empty() bool { return len(m.lists) == 0 && len(m.conditions) == 0 }

// of says whether the file is the device's.
func (m *match) of(d candidate) verdict {
	if m.empty() {
		return no
	}
	result := yes
	if len(m.conditions) > 0 {
		result = maybe
	}
	for key, list := range m.lists {
		a := d[key]
		var v verdict
		switch {
		case key == "Property":
			v = properties(list, d)
		case !a.known:
			v = maybe
		case fits(list, a.value):
			v = yes
		}
		result = min(result, v)
	}
	return result
}

// fits is net_condition_test_strv: one that is not to be there, or one of those
// that are.
func fits(patterns []string, value string) bool {
	positive, found := false, false
	for _, p := range patterns {
		pattern, not := strings.CutPrefix(p, "!")
		positive = positive || !not
		if !glob(pattern, value) {
			continue
		}
		if not {
			return false
		}
		found = true
	}
	return found || !positive
}

// glob is fnmatch(3), which has [!...] for what Go has [^...] for. An absent value
// fits nothing.
func glob(pattern, value string) bool {
	ok, err := filepath.Match(strings.ReplaceAll(pattern, "[!", "[^"), value)
	return value != "" && err == nil && ok
}

// properties evaluates Property= for what udev says of each device.
func properties(list []string, d candidate) verdict {
	result := yes
	for _, p := range list {
		text, not := strings.CutPrefix(p, "!")
		key, pattern, _ := strings.Cut(text, "=")
		a, ok := map[string]trait{"INTERFACE": d["Name"], "SUBSYSTEM": is("net"), "ID_NET_DRIVER": d["Driver"]}[key]
		if key == "DEVTYPE" {
			if a, ok = d["Type"], true; a.value == "ether" { // which udev says of no device
				a.value = ""
			}
		}
		switch {
		case !ok || !a.known:
			result = min(result, maybe)
		case glob(pattern, a.value) == not:
			return no
		}
	}
	return result
}

// name is the one device that the file is for; "": it does not say one.
func (m *match) name() string {
	names := m.lists["Name"]
	if len(names) != 1 || strings.ContainsAny(names[0], `*?[!\`) {
		return ""
	}
	return names[0]
}
