package migrate

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/uvtep/uvtep/internal/config"
)

// NetDev reads systemd-networkd's .netdev files of kind vxlan, and the .network
// files beside them: those of the directories and files that are named.
// It returns a configuration file, and a line with file:line for each thing that
// it cannot say.
func NetDev(paths []string) (file []byte, told []string, err error) {
	devs, networks, err := unitNames(paths)
	if err != nil {
		return nil, nil, err
	}
	r := &netdevReader{}
	for _, name := range networks {
		sections, err := r.read(name)
		if err != nil {
			return nil, nil, err
		}
		r.networks = append(r.networks, network{file: name, sections: sections})
	}
	var links []*fileLink
	for _, name := range devs {
		sections, err := r.read(name)
		if err != nil {
			return nil, nil, err
		}
		if l := r.link(name, sections); l != nil {
			if duplicate(links, l.name) != nil {
				r.notes.addf(l.at, "%s is left out: a file before this one has it", l.name)
				continue
			}
			links = append(links, l)
		}
	}
	file, err = fileOf(links, &r.notes)
	return file, r.notes, err
}

// unitNames are the .netdev and .network files of paths, in the order in which
// networkd reads them: by name.
func unitNames(paths []string) (devs, networks []string, err error) {
	list := func(dir, ext string) ([]string, error) {
		entries, err := os.ReadDir(dir)
		var names []string
		for _, e := range entries {
			if filepath.Ext(e.Name()) == ext {
				names = append(names, filepath.Join(dir, e.Name()))
			}
		}
		return names, err
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, nil, err
		}
		dir := path
		if info.IsDir() {
			more, err := list(dir, ".netdev")
			if err != nil {
				return nil, nil, err
			}
			devs = append(devs, more...)
		} else {
			dir = filepath.Dir(path)
			if filepath.Ext(path) != ".network" {
				devs = append(devs, path)
			}
		}
		more, err := list(dir, ".network")
		if err != nil {
			return nil, nil, err
		}
		for _, n := range more {
			if !slices.Contains(networks, n) {
				networks = append(networks, n)
			}
		}
	}
	slices.SortStableFunc(networks, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	return devs, networks, nil
}

// netdevReader reads the files of networkd.
type netdevReader struct {
	notes    notes
	networks []network
}

// network is a .network file.
type network struct {
	file     string
	sections []unitSection
}

// read is a file with its drop-ins, FILE.d/*.conf (systemd.netdev(5)).
func (r *netdevReader) read(name string) ([]unitSection, error) {
	text, err := config.ReadInput(name)
	if err != nil {
		return nil, err
	}
	sections := parseUnit(name, string(text), &r.notes)
	dropIns, _ := os.ReadDir(name + ".d") // there may be none
	for _, e := range dropIns {
		if filepath.Ext(e.Name()) != ".conf" {
			continue
		}
		more := filepath.Join(name+".d", e.Name())
		if text, err = config.ReadInput(more); err != nil {
			return nil, err
		}
		sections = append(sections, parseUnit(more, string(text), &r.notes)...)
	}
	return sections, nil
}

// netdev is a .netdev file that is being read.
type netdev struct {
	*netdevReader
	link                                     *fileLink
	independent, checksum, saidChecksum, gpe bool
	mac                                      string
}

// link is the link of a .netdev file; nil where it is of another kind.
func (r *netdevReader) link(file string, sections []unitSection) *fileLink {
	d := &netdev{netdevReader: r, link: &fileLink{at: place{file, 1}, set: map[string]any{"ttl": "auto"}}}
	kind := ""
	for _, s := range sections {
		for _, v := range s.values {
			if s.name == "NetDev" && v.key == "Kind" {
				kind = v.value
			}
		}
	}
	if kind != "vxlan" {
		return nil
	}
	for _, s := range sections {
		switch s.name {
		case "NetDev", "VXLAN":
			for _, v := range s.values {
				d.assign(s.name, &v)
			}
		case "Match":
			for _, v := range s.values {
				r.notes.addf(v.at, "[Match] %s=%s is not looked at: the link is taken", v.key, v.value)
			}
		default:
			r.notes.addf(s.at, "[%s] is left out: it is none of a vxlan netdev's sections", s.name)
		}
	}
	d.finish()
	return d.link
}

// assign takes one assignment. An empty one takes back what was said before; a
// value that cannot be is left out, as networkd does.
func (d *netdev) assign(section string, v *unitValue) {
	take := d.netdevKey
	if section == "VXLAN" {
		take = d.vxlanKey
	}
	if err := take(v); err != nil {
		d.notes.addf(v.at, "%s=%s is left out: %v", v.key, v.value, err)
	}
}

func (d *netdev) netdevKey(v *unitValue) error {
	switch v.key {
	case "Kind", "Description":
	case "Name":
		d.link.name, d.link.at = v.value, v.at
	case "MACAddress":
		if d.mac = v.value; d.mac == "none" {
			delete(d.link.set, "address")
			return nil
		}
		return d.assignTo("address", v, func(s string) (any, error) { return macOf(s) })
	case "MTUBytes":
		return d.assignTo("mtu", v, func(s string) (any, error) { return bytesize(s) })
	default:
		return errors.New("it is no key of [NetDev] that uvtep knows")
	}
	return nil
}

// assignTo sets a word from a value, or takes it back.
func (d *netdev) assignTo(word string, v *unitValue, read func(string) (any, error)) error {
	if v.value == "" {
		delete(d.link.set, word)
		return nil
	}
	value, err := read(v.value)
	if err == nil {
		d.link.set[word] = value
	}
	return err
}

// finish says what follows from all of the keys.
func (d *netdev) finish() {
	l := d.link
	if d.gpe && l.set["dstport"] == nil { // netdev_vxlan_verify in src/network/netdev/vxlan.c
		l.set["dstport"] = 4790
	}
	switch {
	case !l.ipv6():
		l.set["udpcsum"] = d.checksum // off unless said, other than the kernel's own
	case d.saidChecksum:
		d.notes.addf(l.at, "UDPChecksum= of %s is left out: it says nothing of an IPv6 underlay", l.name)
	}
	if d.mac == "" {
		d.notes.addf(l.at, "%s has no MACAddress=: networkd makes one of the machine's id, uvtep has another; write address, if it is to stay", l.name)
	}
	d.devOf()
	d.ownNetwork()
}

// devOf is the device whose .network file asks for the link.
func (d *netdev) devOf() {
	if d.independent {
		return
	}
	for _, n := range d.networks {
		for _, s := range n.sections {
			for _, v := range s.values {
				if s.name != "Network" || v.key != "VXLAN" || !slices.Contains(strings.Fields(v.value), d.link.name) {
					continue
				}
				name, at := n.match("Name")
				if name == "" || strings.ContainsAny(name, "*?[! \t") {
					d.notes.addf(v.at, "the dev of %s cannot be told: [Match] has no single name; write dev", d.link.name)
				} else if _, said := d.link.set["dev"]; !said {
					d.link.set["dev"] = name
				} else {
					d.notes.addf(at, "dev %s of %s is left out: another .network file has it, too", name, d.link.name)
				}
				return
			}
		}
	}
	d.notes.addf(d.link.at, "no .network file has VXLAN=%s: networkd would not make it without Independent=yes; write dev, if it is to have one", d.link.name)
}

// match is the value of a key of [Match], and where it stands.
func (n *network) match(key string) (string, place) {
	for _, s := range n.sections {
		for _, v := range s.values {
			if s.name == "Match" && v.key == key {
				return v.value, v.at
			}
		}
	}
	return "", place{}
}

// matches reports whether the file is a device's of that name, by its name and
// kind: no more is known of it.
func (n *network) matches(name string) bool {
	names, _ := n.match("Name")
	kinds, _ := n.match("Kind")
	if names == "" && kinds == "" {
		return false
	}
	return (names == "" || anyGlob(names, name)) && (kinds == "" || anyGlob(kinds, "vxlan"))
}

// anyGlob matches a list of patterns; one that begins with ! turns the list
// round (systemd.network(5), [Match]).
func anyGlob(list, name string) bool {
	list, not := strings.CutPrefix(list, "!")
	for pattern := range strings.FieldsSeq(list) {
		if ok, err := filepath.Match(pattern, name); err == nil && ok {
			return !not
		}
	}
	return not
}

// ownNetwork takes the first .network file that is the link's own: networkd
// brings a device up that has one.
func (d *netdev) ownNetwork() {
	i := slices.IndexFunc(d.networks, func(n network) bool { return n.matches(d.link.name) })
	d.link.set["up"] = i >= 0
	if i < 0 {
		d.notes.addf(d.link.at, "%s has no .network file: networkd leaves it down, and so does the file", d.link.name)
		return
	}
	var stays []string
	for _, s := range d.networks[i].sections {
		switch {
		case s.name == "Match":
		case s.name == "BridgeFDB":
			d.bridgeFDB(&s)
		case !slices.Contains(stays, "["+s.name+"]"):
			stays = append(stays, "["+s.name+"]")
		}
	}
	if stays != nil {
		d.notes.addf(place{d.networks[i].file, 1}, "%s stays with networkd, which knows the device by its name", strings.Join(stays, ", "))
	}
}

// bytesize reads a size with K, M or G of 1024 behind it.
func bytesize(v string) (any, error) {
	digits := strings.TrimRight(v, "KMG")
	unit := map[string]uint64{"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[v[len(digits):]]
	n, err := number(digits, 1<<31)
	if err != nil || unit == 0 {
		return nil, errors.New("it is no size in bytes")
	}
	return n * unit, nil
}
