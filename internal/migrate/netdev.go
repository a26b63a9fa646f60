package migrate

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/uvtep/uvtep/internal/words"
)

// NetDev reads systemd-networkd's .netdev files of kind vxlan, and the .network
// files: those of the directories and files that are named, the first of a name
// each; without any, of where networkd looks ([NetworkDirs]).
// It returns a configuration file, and a line with file:line for each thing that
// it cannot say.
func NetDev(paths []string) (file []byte, told []string, err error) {
	path, err := newUnitPath(paths)
	if err != nil {
		return nil, nil, err
	}
	r := &netdevReader{path: path, names: map[string]bool{}}
	networks, err := r.files(path.dirs, func(p string) bool { return filepath.Ext(p) == ".network" })
	if err != nil {
		return nil, nil, err
	}
	for _, name := range networks {
		if u, err := r.read(name); err != nil {
			return nil, nil, err
		} else if u != nil {
			r.networks = append(r.networks, network{unit: *u, match: networkMatch(u.sections, &r.notes)})
		}
	}
	devs, err := r.files(path.dirs, func(p string) bool {
		return path.named[p] && filepath.Ext(p) != ".network" || path.whole[filepath.Dir(p)] && filepath.Ext(p) == ".netdev"
	})
	if err != nil {
		return nil, nil, err
	}
	var links []*fileLink
	for _, name := range devs {
		u, err := r.read(name)
		if err != nil {
			return nil, nil, err
		}
		if u == nil {
			continue
		}
		if l := r.link(u); l != nil {
			if duplicate(links, l.name) != nil {
				r.notes.addf(l.at, "%s is left out: a file before this one has it", l.name)
				continue
			}
			links = append(links, l)
		}
	}
	r.strangers()
	if len(paths) == 0 {
		paths = NetworkDirs()
	}
	return madeOf(links, &r.notes, paths)
}

// netdevReader reads the files of networkd.
type netdevReader struct {
	path     *unitPath
	notes    notes
	networks []network
	names    map[string]bool // of VXLAN devices that have a file
}

// network is a .network file.
type network struct {
	unit
	match *match
}

// netdev is a .netdev file that is being read.
type netdev struct {
	*netdevReader
	link                                     *fileLink
	said                                     map[string]unitValue // what counts at present, by word
	independent, checksum, saidChecksum, gpe bool
	mac                                      string
	anyLocal                                 *unitValue // Local=dhcp4 and the like
	invalid                                  bool       // the VNI is none
}

// kindOf is the kind of a .netdev file: the first that it says.
func (r *netdevReader) kindOf(u *unit) (kind string) {
	for _, s := range u.sections {
		for _, v := range s.values {
			switch {
			case s.name != "NetDev" || v.key != "Kind":
			case v.value == "":
				r.notes.addf(v.at, "Kind= is left out: networkd ignores it where it is empty")
			case kind == "":
				kind = v.value
			case kind != v.value && (kind == "vxlan" || v.value == "vxlan"):
				r.notes.addf(v.at, "Kind=%s is left out: the file is of kind %s already", v.value, kind)
			}
		}
	}
	return kind
}

// link is the link of a .netdev file; nil where it is of another kind, or where
// networkd would make none.
func (r *netdevReader) link(u *unit) *fileLink {
	d := &netdev{netdevReader: r, link: &fileLink{at: place{u.file, 1}, set: map[string]any{"ttl": "auto"}}, said: map[string]unitValue{}}
	if kind := r.kindOf(u); kind != "vxlan" {
		name := ""
		for _, s := range u.sections {
			for _, v := range s.values {
				if s.name == "NetDev" && v.key == "Name" {
					name = v.value
				}
			}
			if s.name == "VXLAN" {
				r.notes.addf(s.at, "[VXLAN] of %q is left out: the file is of kind %q, not vxlan", name, kind)
			}
		}
		return nil
	}
	for _, s := range u.sections {
		switch s.name {
		case "NetDev", "VXLAN":
			for _, v := range s.values {
				d.assign(s.name, &v)
			}
		case "Match":
			for _, v := range s.values {
				r.notes.addf(v.at, "[Match] %v cannot be evaluated here: the link is taken", &v)
			}
		default:
			r.notes.addf(s.at, "[%s] is left out: it is none of a vxlan netdev's sections", s.name)
		}
	}
	if err := d.verify(); err != nil {
		r.notes.addf(d.link.at, "%s is left out: %v", d.link.name, err)
		return nil
	}
	d.finish()
	return d.link
}

// assign takes one assignment. A value that cannot be is left out, as networkd
// does; so is an empty one, but for what it can take back.
func (d *netdev) assign(section string, v *unitValue) {
	take := d.netdevKey
	if section == "VXLAN" {
		take = d.vxlanKey
	}
	if err := take(v); err != nil {
		d.notes.addf(v.at, "%v is left out: %v", v, err)
	}
}

// errEmpty is an empty value where networkd keeps what was said before.
var errEmpty = errors.New("networkd ignores it where it is empty")

func (d *netdev) netdevKey(v *unitValue) error {
	switch v.key {
	case "Kind", "Description":
	case "Name":
		if err := words.ValidName(v.value); err != nil && v.value != "" {
			return err
		}
		d.counts("name", v)
		d.link.name, d.link.at = v.value, v.at
	case "MACAddress":
		if v.value == "none" || v.value == "" {
			d.counts("address", v)
			d.mac = v.value
			delete(d.link.set, "address")
			return nil
		}
		err := d.assignTo("address", v, func(s string) (any, error) { return unitMAC(s) })
		if err == nil {
			d.mac = v.value
		}
		return err
	case "MTUBytes":
		return d.assignTo("mtu", v, func(s string) (any, error) { return unitSize(s) })
	default:
		return errors.New("it is no key of [NetDev] that uvtep knows")
	}
	return nil
}

// counts notes that an assignment counts, and tells of the one that counted.
func (d *netdev) counts(word string, v *unitValue) {
	if before, ok := d.said[word]; ok && before.value != "" {
		d.notes.addf(before.at, "%v does not count: %v says %v", &before, v.at, v)
	}
	d.said[word] = *v
}

// assignTo sets a word from a value.
func (d *netdev) assignTo(word string, v *unitValue, read func(string) (any, error)) error {
	if v.value == "" {
		return errEmpty
	}
	value, err := read(v.value)
	if err == nil {
		d.counts(word, v)
		d.link.set[word] = value
	}
	return err
}

// orTakeBack is assignTo for a word that an empty value takes back.
func (d *netdev) orTakeBack(word string, v *unitValue, read func(string) (any, error)) error {
	if v.value == "" {
		d.counts(word, v)
		delete(d.link.set, word)
		return nil
	}
	return d.assignTo(word, v, read)
}

// verify refuses what networkd makes no device of (netdev_vxlan_verify in
// src/network/netdev/vxlan.c).
func (d *netdev) verify() error {
	l := d.link
	switch {
	case l.name == "":
		l.name = "the link"
		return errors.New("networkd makes none without Name=")
	case d.invalid || l.set["id"] == nil:
		return errors.New("networkd makes none without a VNI from 0 to 16777215")
	case l.set["group"] != nil && l.set["remote"] != nil:
		return errors.New("networkd makes none with both Group= and Remote=")
	case d.independent && d.anyLocal != nil:
		return fmt.Errorf("networkd makes none with Independent=yes and %v", d.anyLocal)
	}
	d.names[l.name] = true
	return nil
}

// finish says what follows from all of the keys.
func (d *netdev) finish() {
	l := d.link
	if d.gpe && l.set["dstport"] == nil { // netdev_vxlan_verify
		l.set["dstport"] = 4790
	}
	if d.anyLocal != nil {
		d.notes.addf(d.anyLocal.at, "%v is left out: only networkd knows the address, when it runs; write local", d.anyLocal)
	}
	switch {
	case !l.ipv6():
		l.set["udpcsum"] = d.checksum // off unless said, other than the kernel's own
	case d.saidChecksum:
		d.notes.addf(l.at, "UDPChecksum= of %s is left out: it has no meaning over an IPv6 underlay", l.name)
	}
	d.devOf()
	d.linkLocalDev()
	d.ownNetwork()
	d.linkLocalDev() // of the entries, which are there now
	if d.mac == "" && l.set["address"] == nil {
		d.notes.addf(l.at, "%s has no MACAddress=: networkd makes one of the machine's id, uvtep has another; write address, if it is to stay", l.name)
	}
	if l.set["dev"] == nil && l.set["mtu"] == nil {
		tellKernelMTU(l, &d.notes)
	}
}

// strangers tells of VXLAN= lines without a device.
func (r *netdevReader) strangers() {
	for i := range r.networks {
		for _, v := range r.networks[i].stacked() {
			switch {
			case v.value == "":
				r.notes.addf(v.at, "VXLAN= is left out: networkd ignores it where it is empty")
			case words.ValidName(v.value) != nil:
				r.notes.addf(v.at, "%v is left out: networkd takes one device name a line", &v)
			case !r.names[v.value]:
				r.notes.addf(v.at, "%v is left out: no .netdev file of kind vxlan makes a device of that name", &v)
			}
		}
	}
}

// stacked are the VXLAN= lines.
func (n *network) stacked() (all []unitValue) {
	for _, s := range n.sections {
		if s.name == "Network" {
			all = append(all, slices.DeleteFunc(slices.Clone(s.values), func(v unitValue) bool { return v.key != "VXLAN" })...)
		}
	}
	return all
}

// linkValue is the last assignment of a key of [Link] that is right, and where
// it is; nil: there is none.
func (n *network) linkValue(key string, right func(string) bool) *unitValue {
	for _, s := range slices.Backward(n.sections) {
		if s.name != "Link" {
			continue
		}
		for _, v := range slices.Backward(s.values) {
			if v.key == key && right(v.value) {
				return &v
			}
		}
	}
	return nil
}

// unmanaged is the line that says that networkd leaves the device alone.
func (n *network) unmanaged() *unitValue {
	v := n.linkValue("Unmanaged", func(s string) bool { _, err := boolean(s); return err == nil })
	if v == nil {
		return nil
	}
	if on, _ := boolean(v.value); !on {
		return nil
	}
	return v
}

// stays are the settings of the file that are not about VXLAN, by section.
func (n *network) stays() string {
	var all []string
	for _, s := range n.sections {
		if s.name == "Match" || s.name == "BridgeFDB" {
			continue
		}
		var values []string
		for _, v := range s.values {
			if v.key != "VXLAN" {
				values = append(values, v.String())
			}
		}
		if values != nil {
			all = append(all, "["+s.name+"] "+strings.Join(values, " "))
		}
	}
	return strings.Join(all, ", ")
}
