package migrate

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// policy is what the files of policy.d say (ifupdown/policymanager.py of
// ifupdown2): of each module, the defaults of all interfaces, of one, and what is
// no interface's.
type policy struct {
	dirs    []string        // where it was looked for
	modules []policyModules // the administrator's, then the system's
}

type policyModules map[string]policyModule

type policyModule struct {
	file              string
	Defaults, Globals map[string]any
	IfaceDefaults     map[string]map[string]any
}

// policyDirs are where the files of policy.d are: beside the file, and where the
// file is /etc/network/interfaces, or that of another root, in its /var/lib.
func policyDirs(name string) []string {
	dir := filepath.Dir(name)
	dirs := []string{filepath.Join(dir, "ifupdown2", "policy.d")}
	if root, ok := strings.CutSuffix(dir, filepath.FromSlash("etc/network")); ok {
		dirs = append(dirs, filepath.Join(root, "var", "lib", "ifupdown2", "policy.d"))
	}
	return dirs
}

// readPolicy reads the files of directories, the first of which win.
func (i *interfaces) readPolicy(dirs []string) policy {
	p := policy{dirs: dirs}
	for _, dir := range dirs {
		names, _ := filepath.Glob(filepath.Join(dir, "*.json")) // the pattern is ours
		slices.Sort(names)
		all := policyModules{}
		for _, name := range names {
			if err := all.read(i, name); err != nil {
				i.notes.addf(place{name, 1}, "it is left out: %v", err)
			}
		}
		p.modules = append(p.modules, all)
	}
	return p
}

// read adds the modules of a file. One that a file before has as well keeps of
// that only the kinds that this one does not have (dict.update).
func (all policyModules) read(i *interfaces, name string) error {
	text, err := i.files(name)
	if err != nil {
		return err
	}
	var modules map[string]json.RawMessage
	if err := json.Unmarshal(text, &modules); err != nil {
		return err
	}
	for _, module := range slices.Sorted(maps.Keys(modules)) {
		if module != "vxlan" && module != "bridge" && module != "address" {
			continue // no word of theirs is a link's
		}
		said := struct {
			Defaults      map[string]any            `json:"defaults"`
			Globals       map[string]any            `json:"module_globals"`
			IfaceDefaults map[string]map[string]any `json:"iface_defaults"`
		}{}
		if err := json.Unmarshal(modules[module], &said); err != nil {
			return fmt.Errorf("%s: %w", module, err)
		}
		m := all[module]
		m.file = name
		if said.Defaults != nil {
			m.Defaults = said.Defaults
		}
		if said.Globals != nil {
			m.Globals = said.Globals
		}
		if said.IfaceDefaults != nil {
			m.IfaceDefaults = said.IfaceDefaults
		}
		all[module] = m
	}
	return nil
}

// attribute is what a policy says of a key, the administrator's first.
func (p *policy) attribute(module, key string, of func(policyModule) map[string]any) *attribute {
	for _, all := range p.modules {
		m := all[module]
		if v, ok := of(m)[key]; ok {
			return &attribute{key, fmt.Sprint(v), place{m.file, 1}}
		}
	}
	return nil
}

func policyDefaults(m policyModule) map[string]any { return m.Defaults }

func policyGlobals(m policyModule) map[string]any { return m.Globals }

func policyOf(name string) func(policyModule) map[string]any {
	return func(m policyModule) map[string]any { return m.IfaceDefaults[name] }
}

// policyKeys are the attributes of vxlan links that ifupdown2 asks the policies
// for (get_attr_default in addons/vxlan.py): not vxlan-tos, which it does not
// use, and vxlan-learning only where no bridge decides.
func policyKeys() []string {
	return []string{"vxlan-ageing", "vxlan-port", "vxlan-ttl", "vxlan-udp-csum", "vxlan-svcnodeip", "vxlan-svcnodeip6", "vxlan-mcastgrp", "vxlan-mcastgrp6"}
}

// tellUnused tells what policies of VXLAN say that no link takes.
func (i *interfaces) tellUnused() {
	for _, all := range i.policy.modules {
		m := all["vxlan"]
		for _, key := range slices.Sorted(maps.Keys(m.Defaults)) {
			if key != "vxlan-learning" && key != "vxlan-local-tunnelip" && !slices.Contains(policyKeys(), key) {
				i.notes.addf(place{m.file, 1}, "%s %v is left out: ifupdown2 takes no default for it that uvtep knows", key, m.Defaults[key])
			}
		}
		for _, key := range slices.Sorted(maps.Keys(m.Globals)) {
			if key != "vxlan-physdev-mcastgrp" && key != "vxlan-purge-remotes" {
				i.notes.addf(place{m.file, 1}, "module_globals %s %v is left out: it is no link's", key, m.Globals[key])
			}
		}
		for _, name := range slices.Sorted(maps.Keys(m.IfaceDefaults)) {
			i.notes.addf(place{m.file, 1}, "iface_defaults of %s are left out: ifupdown2 does not look at those of vxlan", name)
		}
	}
}
