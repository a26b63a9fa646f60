package migrate

import (
	"errors"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/uvtep/uvtep/internal/config"
)

// NMDirs are where NetworkManager's keyfiles are. A profile of an earlier
// directory takes the place of one of its uuid (nm-settings-keyfile(5),
// NetworkManager.conf(5)).
func NMDirs() []string {
	return []string{"/run/NetworkManager/system-connections", "/etc/NetworkManager/system-connections", "/usr/lib/NetworkManager/system-connections"}
}

// NM reads NetworkManager's keyfiles, those of directories and files that are
// named, or of [NMDirs]: the profiles of type vxlan. It returns a configuration
// file, and a line with file:line for each thing that it cannot say.
func NM(paths []string) (file []byte, told []string, err error) {
	looked := paths
	if len(paths) == 0 {
		looked, paths = NMDirs(), there(NMDirs())
	}
	r := &nmReader{names: map[string]string{}}
	var profiles []*nmProfile
	for _, path := range paths {
		names, err := keyfiles(path)
		if err != nil {
			return nil, nil, err
		}
		for _, name := range names {
			p, err := r.profile(name)
			if err != nil {
				return nil, r.notes, err
			}
			if slices.ContainsFunc(profiles, func(other *nmProfile) bool { return p.uuid() != "" && other.uuid() == p.uuid() }) {
				r.notes.addf(place{name, 1}, "it is left out: a file before it has its uuid")
				continue
			}
			profiles = append(profiles, p)
		}
	}
	for _, p := range profiles {
		r.names[p.uuid()] = p.connection("interface-name")
	}
	var links []*fileLink
	for _, p := range profiles {
		if p.connection("type") != "vxlan" {
			continue
		}
		l := r.link(p)
		if other := duplicate(links, l.name); other != nil {
			r.notes.addf(l.at, "%s is left out: %s has its interface-name, and NetworkManager activates one profile of it; choose", l.name, other.at.file)
			continue
		}
		links = append(links, l)
	}
	return madeOf(links, &r.notes, looked)
}

// keyfiles are the files of a directory that NetworkManager reads
// (nm_keyfile_utils_ignore_filename), or the file.
func keyfiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	var names []string
	for _, e := range entries {
		n := e.Name()
		ignored := strings.HasPrefix(n, ".") || strings.HasSuffix(n, "~") || slices.Contains([]string{".rpmsave", ".rpmnew", ".orig", ".swp", ".pem", ".der"}, filepath.Ext(n))
		if !e.IsDir() && !ignored {
			names = append(names, filepath.Join(path, n))
		}
	}
	return names, err
}

// nmReader reads profiles.
type nmReader struct {
	notes notes
	names map[string]string // of interfaces, by their profiles' uuids
}

// nmProfile is a keyfile.
type nmProfile struct {
	file string
	keys []nmKey
}

// nmKey is an assignment.
type nmKey struct {
	section, key, value string
	at                  place
}

// profile reads a keyfile.
func (r *nmReader) profile(name string) (*nmProfile, error) {
	text, err := config.ReadInput(name)
	if err != nil {
		return nil, err
	}
	return r.parse(name, string(text)), nil
}

// parse reads the syntax of GKeyFile: no library that does keeps the lines, which
// the notes are about.
func (r *nmReader) parse(name, text string) *nmProfile {
	p, section := &nmProfile{file: name}, ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, "=")
		switch at := (place{name, i + 1}); {
		case line == "" || line[0] == '#':
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			section = line[1 : len(line)-1]
		case !ok || section == "":
			r.notes.addf(at, "%q is left out: it is no KEY=VALUE of a section", line)
		default:
			p.keys = append(p.keys, nmKey{section, strings.TrimSpace(key), strings.TrimSpace(value), at})
		}
	}
	return p
}

// connection is what a profile says of a key of [connection]: the last time
// counts.
func (p *nmProfile) connection(key string) string {
	for _, k := range slices.Backward(p.keys) {
		if k.section == "connection" && k.key == key {
			return k.value
		}
	}
	return ""
}

func (p *nmProfile) uuid() string { return p.connection("uuid") }

// link is the link of a profile. What is not said is what NetworkManager gives it
// (src/libnm-core-impl/nm-setting-vxlan.c): port 8472, learning, ageing 300.
func (r *nmReader) link(p *nmProfile) *fileLink {
	l := &fileLink{name: p.connection("interface-name"), at: place{p.file, 1}, set: map[string]any{"dstport": 8472, "ttl": "auto", "up": true}}
	n := &nmLink{nmReader: r, link: l}
	for i := range p.keys {
		k := &p.keys[i]
		if later := p.keys[i+1:]; slices.ContainsFunc(later, func(o nmKey) bool { return o.section == k.section && o.key == k.key }) {
			r.notes.addf(k.at, "%s=%s is left out: it is said again", k.key, k.value)
			continue
		}
		if err := n.take(k); err != nil {
			r.notes.addf(k.at, "%s=%s is left out: %v", k.key, k.value, err)
		}
	}
	if n.low > n.high {
		r.notes.addf(l.at, "the source ports of %s are left out: %d to %d is no range, and NetworkManager refuses the profile", l.name, n.low, n.high)
	} else if n.high != 0 { // without one the kernel takes its own range (udp_flow_src_port in include/net/udp.h)
		l.set["srcport"] = []any{max(n.low, 1), n.high}
	}
	if l.set["mtu"] == nil && l.set["dev"] == nil {
		tellKernelMTU(l, &r.notes)
	}
	if l.set["address"] == nil {
		r.notes.addf(l.at, "%s has no cloned-mac-address: its MAC address is made when it comes up, and uvtep's is another; write address, if it is to stay", l.name)
	}
	return l
}

// nmLink is a profile that is being read.
type nmLink struct {
	*nmReader
	link      *fileLink
	low, high uint64 // source ports
}

// errNM is said of what is not of the link.
var errNM = errors.New("it is the device's, and to be given to uvtep's")

// take takes one key.
func (n *nmLink) take(k *nmKey) error {
	l := n.link
	switch k.section {
	case "vxlan":
		return n.vxlan(k)
	case "ethernet", "802-3-ethernet":
		switch k.key {
		case "mtu":
			i, err := plainDecimal(k.value, math.MaxInt32)
			if err == nil && i == 0 {
				return errors.New("0 is what is given anyhow")
			}
			return put[uint64](l, "mtu")(i, err)
		case "cloned-mac-address":
			return put[string](l, "address")(macOf(k.value))
		}
	case "connection":
		switch k.key {
		case "id", "uuid", "type", "interface-name", "timestamp":
			return nil
		case "autoconnect":
			on, err := nmBool(k.value)
			if err == nil && !on {
				l.set["up"] = false
				n.notes.addf(k.at, "%s stays down: autoconnect=%s", l.name, k.value)
			}
			return err
		}
	case "ipv4", "ipv6", "proxy":
		if k.section == "proxy" || k.key == "method" || k.key == "addr-gen-mode" || k.key == "dns-search" || strings.HasPrefix(k.key, "ip6-privacy") {
			return nil // what every profile has
		}
	}
	return errNM
}

// vxlan takes a key of [vxlan].
func (n *nmLink) vxlan(k *nmKey) error {
	l, v := n.link, k.value
	num := func(word string, most uint64) error { return put[uint64](l, word)(plainDecimal(v, most)) }
	switch k.key {
	case "id":
		return num("id", 1<<24-1)
	case "local":
		return put[string](l, "local")(address(v, false))
	case "remote":
		a, err := anyAddress(v)
		if err == nil && netip.MustParseAddr(a).IsMulticast() {
			return put[string](l, "group")(a, nil)
		}
		return put[string](l, "remote")(a, err)
	case "parent":
		return n.parent(v)
	case "destination-port":
		return num("dstport", math.MaxUint16)
	case "source-port-min", "source-port-max":
		i, err := plainDecimal(v, math.MaxUint16)
		if err == nil && i == 0 {
			return errors.New("0 is what is given anyhow")
		}
		if k.key == "source-port-min" {
			n.low = i
		} else {
			n.high = i
		}
		return err
	case "ttl":
		i, err := plainDecimal(v, math.MaxUint8)
		return put[any](l, "ttl")(ttl(i), err)
	case "tos":
		i, err := plainDecimal(v, math.MaxUint8)
		return put[any](l, "tos")(tos(i), err)
	case "ageing":
		return num("ageing", math.MaxUint32)
	case "limit":
		i, err := plainDecimal(v, math.MaxUint32)
		if err == nil && i == 0 {
			return errors.New("0 is what is given anyhow")
		}
		return put[uint64](l, "maxaddress")(i, err)
	}
	return n.flag(k)
}

// flag takes a switch of [vxlan].
func (n *nmLink) flag(k *nmKey) error {
	word := map[string]string{"learning": "learning", "proxy": "proxy", "l2-miss": "l2miss", "l3-miss": "l3miss"}[k.key]
	if k.key != "rsc" && word == "" {
		return errors.New("it is no key of [vxlan] that uvtep knows")
	}
	on, err := nmBool(k.value)
	switch {
	case err != nil:
		return err
	case k.key != "rsc":
		n.link.set[word] = on
	case on:
		return errors.New("uvtep has no such setting")
	default:
		return errors.New("it is uvtep's way anyhow")
	}
	return nil
}

// parent is a device's name, or the uuid of the profile of one.
func (n *nmLink) parent(v string) error {
	if name, profile := n.names[v]; profile {
		v = name
	} else if len(v) == len("00000000-0000-0000-0000-000000000000") {
		v = ""
	}
	if v == "" {
		return errors.New("no profile of that uuid names an interface; write dev")
	}
	n.link.set["dev"] = v
	return nil
}

// nmBool reads a switch of a keyfile (nm_keyfile_plugin_kf_get_boolean).
func nmBool(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "true", "1", "yes":
		return true, nil
	case "false", "0", "no":
		return false, nil
	}
	return false, errors.New("it is neither true nor false")
}
