package migrate

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/uvtep/uvtep/internal/config"
)

// NetplanDirs are where netplan's files are. A file of a later directory takes
// the place of one of its name (netplan(5)).
func NetplanDirs() []string { return []string{"/lib/netplan", "/etc/netplan", "/run/netplan"} }

// Netplan reads netplan's YAML, the files of directories and files that are
// named, or of [NetplanDirs], as netplan(5) merges them: the tunnels of mode
// vxlan. It returns a configuration file, and a line with file:line for each thing
// that it cannot say.
func Netplan(paths []string) (file []byte, told []string, err error) {
	looked := paths
	if len(paths) == 0 {
		looked, paths = NetplanDirs(), there(NetplanDirs())
	}
	names, err := yamlFiles(paths)
	if err != nil {
		return nil, nil, err
	}
	r := &netplan{defs: map[string]*netplanDef{}}
	for _, name := range names {
		if err := r.file(name); err != nil {
			return nil, r.notes, err
		}
	}
	return madeOf(r.links(), &r.notes, looked)
}

// yamlFiles are the files of paths, in the order in which netplan reads them: by
// name, those of a later directory instead of those of an earlier one.
func yamlFiles(paths []string) ([]string, error) {
	byName := map[string]string{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			byName[filepath.Base(path)] = path
			continue
		}
		names, _ := filepath.Glob(filepath.Join(path, "*.yaml")) // the pattern is ours
		for _, name := range names {
			byName[filepath.Base(name)] = name
		}
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b string) int {
		return cmp.Compare(filepath.Base(a), filepath.Base(b))
	}), nil
}

// netplan is what the files say together.
type netplan struct {
	notes    notes
	defs     map[string]*netplanDef
	order    []string // the IDs
	renderer string
}

// netplanDef is a definition: an interface with its ID.
type netplanDef struct {
	id, section string // the section: tunnels, ethernets, ...
	at          place
	keys        []netplanKey
}

// netplanKey is a key of a definition, with what all files say of it.
type netplanKey struct {
	key    string
	at     place
	values []*yaml.Node
}

// file merges a file.
func (r *netplan) file(name string) error {
	text, err := config.ReadInput(name)
	if err != nil {
		return err
	}
	return r.merge(name, text)
}

// merge merges the text of a file. A mapping of another shape than netplan's is a
// mistake, with which netplan makes nothing at all: it has no links here.
func (r *netplan) merge(name string, text []byte) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	for key, network := range pairs(doc.Content[0]) {
		if key.Value != "network" {
			r.notes.addf(place{name, key.Line}, "%s is left out: netplan has network: and nothing beside it", key.Value)
			continue
		}
		for section, value := range pairs(network) {
			switch section.Value {
			case "version":
			case "renderer":
				r.renderer = value.Value
			default:
				for id, def := range pairs(value) {
					r.define(name, section.Value, id, def)
				}
			}
		}
	}
	return nil
}

// pairs are the keys and values of a mapping, aliases followed.
func pairs(n *yaml.Node) func(func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		if n = followed(n); n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], followed(n.Content[i+1])) {
				return
			}
		}
	}
}

func followed(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// define merges a definition of a file: a key that a file before has said is
// said anew, and null takes it, or the definition, back.
func (r *netplan) define(file, section string, id, value *yaml.Node) {
	d := r.defs[id.Value]
	if d == nil || d.section != section {
		d = &netplanDef{id: id.Value, section: section, at: place{file, id.Line}}
		r.defs[id.Value] = d
		if !slices.Contains(r.order, id.Value) {
			r.order = append(r.order, id.Value)
		}
	}
	if value.Tag == "!!null" {
		d.keys = nil
	}
	if section == "tunnels" {
		r.forget(d, file, value)
	}
	for key, v := range pairs(value) {
		n := slices.IndexFunc(d.keys, func(k netplanKey) bool { return k.key == key.Value })
		if n < 0 {
			d.keys = append(d.keys, netplanKey{key: key.Value})
			n = len(d.keys) - 1
		}
		k := &d.keys[n]
		if k.values != nil && section == "tunnels" && (v.Kind != yaml.SequenceNode || key.Value == "port-range") && k.key != "mode" {
			r.notes.addf(k.at, "%s: %s of %s is left out: %s:%d says it anew", k.key, k.text(), d.id, file, key.Line)
		}
		switch k.at = (place{file, key.Line}); {
		case v.Tag == "!!null":
			d.keys = slices.Delete(d.keys, n, n+1)
		case v.Kind == yaml.SequenceNode && key.Value != "port-range": // lists add up
			k.values = append(k.values, v.Content...)
		case v.Kind == yaml.SequenceNode:
			k.values = v.Content
		default:
			k.values = []*yaml.Node{v}
		}
	}
}

// forgotten are the keys of a tunnel that netplan takes from the last file that
// has it, and from no other: process_mapping_defs in src/parse.c begins a new
// NetplanVxlan with each.
func forgotten() []string {
	return []string{
		"id", "link", "ageing", "aging", "limit", "type-of-service", "flow-label", "do-not-fragment", "short-circuit", "arp-proxy", "mac-learning",
		"notifications", "checksums", "extensions", "port-range",
	}
}

// forget takes back what files before this one say of a tunnel, and tells where
// this one, which has value, does not say it anew.
func (r *netplan) forget(d *netplanDef, file string, value *yaml.Node) {
	anew := map[string]bool{}
	for key := range pairs(value) {
		anew[key.Value] = true
	}
	d.keys = slices.DeleteFunc(d.keys, func(k netplanKey) bool {
		gone := k.at.file != file && slices.Contains(forgotten(), k.key)
		if gone && !anew[k.key] {
			r.notes.addf(k.at, "%s: %s of %s is left out: netplan takes it from the last file that has the tunnel, %s", k.key, k.text(), d.id, file)
		}
		return gone
	})
}

// text is what a definition says of a key, words with a space between them.
func (d *netplanDef) text(key string) string {
	for _, k := range d.keys {
		if k.key == key {
			return k.text()
		}
	}
	return ""
}

func (k *netplanKey) text() string {
	var words []string
	for _, v := range k.values {
		if v = followed(v); v.Kind == yaml.ScalarNode {
			words = append(words, v.Value)
		}
	}
	return strings.Join(words, " ")
}

// links are the tunnels of mode vxlan.
func (r *netplan) links() []*fileLink {
	var links []*fileLink
	for _, id := range r.order {
		d := r.defs[id]
		if d.section != "tunnels" || d.text("mode") != "vxlan" || duplicate(links, id) != nil {
			continue
		}
		links = append(links, r.link(d))
	}
	for _, id := range r.order {
		for _, k := range r.defs[id].keys {
			if k.key != "interfaces" {
				continue
			}
			for _, v := range k.values {
				if duplicate(links, v.Value) != nil {
					r.notes.addf(place{k.at.file, v.Line}, "%s stays a port of %s where it is defined under ethernets instead of tunnels", v.Value, id)
				}
			}
		}
	}
	return links
}
