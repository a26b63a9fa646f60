package config

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/words"
)

// File is the content of a configuration file and of the files of conf.d beside it.
type File struct {
	Control string // path of the control socket; "": not said
	Metrics string // ADDR:PORT; "": not said
	Web     string // ADDR:PORT or control; "": not said
	// MaxAddresses is the `maxaddress` of the daemon, as vtep.Config has it; 0: not said.
	MaxAddresses int
	Ports        []FilePort
	Links        []FileLink

	confD   bool // there is such a directory
	sources []source
}

// FileLink is a link of a configuration file.
type FileLink struct {
	// LinkChange has the words except for the remotes; Up is never nil.
	api.LinkChange
	Remotes []Host // of `remote` or `remotes`, as given
	FDB     []FileEntry
	Place   Place
}

// FileEntry is an FDB entry of a configuration file.
type FileEntry struct {
	api.FDBEntry
	Place Place
}

// Host is a remote: an address, or a name to resolve.
type Host struct {
	Addr netip.Addr // invalid for a name
	Name string
}

// mainName is the name of a file that has a conf.d beside it.
const mainName = "uvtep.yaml"

// ReadFile reads a configuration file and, where it is named uvtep.yaml, then
// conf.d/*.yaml of its directory, in the order of their names; they have ports and
// links only. Its error is a FileErrors with all mistakes and their places.
func ReadFile(name string) (*File, error) {
	r := newFileReader()
	more, there, err := confD(name)
	if err != nil {
		r.add(Place{File: filepath.Join(filepath.Dir(name), "conf.d")}, readError(err))
	}
	r.file.confD = there
	left := MaxBytes
	for i, n := range append([]string{name}, more...) {
		data, err := readRegular(n, left)
		if errors.Is(err, ErrTooLarge) {
			r.addf(Place{File: n}, tooLarge)
			continue
		}
		if err != nil {
			r.add(Place{File: n}, readError(err))
			continue
		}
		left -= len(data)
		r.read(n, data, i > 0)
	}
	r.checkTogether()
	if err := r.result(); err != nil {
		return nil, err
	}
	return &r.file, nil
}

// Read reads the text of a configuration file, without conf.d. Its error is a FileErrors with
// all mistakes and their places, which have name as their file.
func Read(name string, data []byte) (*File, error) {
	r := newFileReader()
	r.read(name, data, false)
	r.checkTogether()
	if err := r.result(); err != nil {
		return nil, err
	}
	return &r.file, nil
}

// readError leaves out the path, which the place of the error has.
func readError(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	return words.Usagef("cannot be read: %v; write the path of a configuration file that this user may read", err)
}

// fileReader reads the files of one configuration.
type fileReader struct {
	complaints
	file  File
	links []placedLink           // beside file.Links
	known map[string]*words.Word // the keys of a link
}

func newFileReader() *fileReader { return &fileReader{known: words.Known(false)} }

// placedLink has the places of the words of a link that checks of several links report.
type placedLink struct{ name, id Place }

// read reads one file; beside says that it is one of conf.d.
func (r *fileReader) read(name string, data []byte, beside bool) {
	r.file.sources = append(r.file.sources, source{name, data})
	root, err := parseYAML(name, data)
	if err != nil {
		r.all = append(r.all, err)
		return
	}
	if root == nil {
		return // an empty file, or comments only
	}
	if root.kind != mappingNode {
		r.addf(root.place, "a configuration file has keys: write links: and the links below it")
		return
	}
	for _, p := range r.pairs(root, "") {
		if beside && (p.key.text == "control" || p.key.text == "metrics" || p.key.text == "web" || p.key.text == "maxaddress") {
			r.addf(p.key.place, "%q is of the daemon as a whole: write it in %s", p.key.text, mainName)
			continue
		}
		switch p.key.text {
		case "control":
			r.control(p.value)
		case "metrics":
			r.file.Metrics = r.listens("metrics", "127.0.0.1:9472", p.value)
		case "web":
			if p.value.kind == scalarNode && p.value.text == "control" {
				r.file.Web = p.value.text
			} else {
				r.file.Web = r.listens("web", "127.0.0.1:9473", p.value)
			}
		case "maxaddress":
			r.maxAddress(p.value)
		case "ports":
			r.readPorts(p.value)
		case "links":
			r.readLinks(p.value)
		default:
			r.addf(p.key.place, "unknown key %q: write control, metrics, web, maxaddress, ports or links", p.key.text)
		}
	}
}

// pairs are a mapping's keys with their values, each key once. what describes the mapping in
// an error.
func (r *fileReader) pairs(n *node, what string) []pair {
	first := make(map[string]Place)
	kept := make([]pair, 0, len(n.pairs))
	for _, p := range n.pairs {
		if p.key.kind != scalarNode {
			r.addf(p.key.place, "a key is one word: write KEY: VALUE")
			continue
		}
		if at, again := first[p.key.text]; again {
			r.addf(p.key.place, "%q is given twice%s, first in line %d: write it once", p.key.text, what, at.Line)
			continue
		}
		first[p.key.text] = p.key.place
		kept = append(kept, p)
	}
	return kept
}

// scalar is the text of a value that is a word or string.
func (r *fileReader) scalar(key, want string, n *node) (string, bool) {
	if n.kind != scalarNode || n.text == "" {
		r.addf(n.place, "%s needs one value: write %s: %s", key, key, want)
		return "", false
	}
	return n.text, true
}

// list are the items of a list. A key without a value has none.
func (r *fileReader) list(key, want string, n *node) []*node {
	if n.kind != listNode && n.kind != nullNode {
		r.addf(n.place, "%s is a list: write %s", key, want)
		return nil
	}
	return n.items
}

func (r *fileReader) control(n *node) {
	path, ok := r.scalar("control", api.DefaultPath, n)
	if !ok {
		return
	}
	if !filepath.IsAbs(path) {
		r.addf(n.place, "control %q: write the socket's path from the root, such as %s", path, api.DefaultPath)
	}
	r.file.Control = path
}

// listens is the ADDR:PORT that a key says.
func (r *fileReader) listens(key, example string, n *node) string {
	addr, ok := r.scalar(key, example, n)
	if !ok {
		return ""
	}
	host, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = netip.ParseAddr(host)
	}
	if p, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || p == 0 {
		r.addf(n.place, "%s %q: write ADDR:PORT, such as %s", key, addr, example)
	}
	return addr
}

func (r *fileReader) maxAddress(n *node) {
	text, ok := r.scalar("maxaddress", "1048576", n)
	if !ok {
		return
	}
	limit, err := control.TotalAddresses(api.Value(text))
	r.add(n.place, err)
	r.file.MaxAddresses = limit
}

func (r *fileReader) readLinks(n *node) { r.mappings("links", "link", "vxlan0", n, r.readLink) }

// mappings calls read with each item of a list of mappings. An error names the thing that an
// item is, and the example.
func (r *fileReader) mappings(key, thing, example string, n *node, read func(*node)) {
	for _, item := range r.list(key, "- name: "+example+" and the "+thing+"'s words below it", n) {
		if item.kind != mappingNode {
			r.addf(item.place, "a %s has keys: write - name: %s and its words below", thing, example)
			continue
		}
		read(item)
	}
}
