package migrate

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/uvtep/uvtep/internal/config"
)

// stanza is what /etc/network/interfaces says of an interface, of all of its
// iface lines together.
type stanza struct {
	name     string
	at       place
	attrs    []attribute
	auto     bool   // an auto line before it names it
	lateAuto *place // one after it does, which ifupdown2 does not look at
	template bool   // of ifupdown-ng: others inherit it, it is no interface
	inherits []string
}

// attribute is a line of a stanza.
type attribute struct {
	key, value string
	at         place
}

// interfaces is what the files say (ifupdown/networkinterfaces.py of ifupdown2).
type interfaces struct {
	notes   notes
	stanzas []*stanza
	aside   []*stanza // what vlan and mapping lines begin: no VXLAN's
	auto    []string  // the names of auto lines
	autoAll bool
	read    []string // the files, so that none is read from itself
	files   func(name string) ([]byte, error)
	policy  policy

	localTaken bool // a link has taken the local address that lo says
}

// readInterfaces reads a file and those that it sources.
func readInterfaces(name string) (*interfaces, error) {
	i := &interfaces{files: config.ReadInput}
	text, err := config.ReadInput(name)
	if err != nil {
		return nil, err
	}
	i.file(name, string(text))
	i.policy = i.readPolicy(policyDirs(name))
	return i, nil
}

// file reads one file. No library reads this syntax of ifupdown2's.
func (i *interfaces) file(name, text string) {
	i.read = append(i.read, name)
	t := template{enabled: strings.Contains(text, "%")} // as ifupdown2 asks (read_filedata)
	var now []*stanza
	after := "it is no line of an iface"
	for _, l := range continued(name, text) {
		word, rest := cutWord(l.text)
		switch {
		case t.takes(l.text):
			i.notes.addf(l.at, "%q is left out: it is a line of a template; import what ifquery -a prints", l.text)
			if keyword(word, rest) {
				now, after = nil, "it follows an iface of a template"
			}
		case keyword(word, rest):
			now, after = i.keyword(l.at, word, rest), "it is no line of an iface"
		case now == nil, rest == "":
			i.notes.addf(l.at, "%q is left out: %s", l.text, after)
		case word == "inherit":
			for _, s := range now {
				s.inherits = append(s.inherits, rest)
			}
		default:
			for _, s := range now {
				s.attrs = append(s.attrs, attribute{strings.ReplaceAll(word, "_", "-"), strings.ReplaceAll(rest, "$IFACE", s.name), l.at})
			}
		}
	}
}

// keyword reports whether a word begins something else than a line of an iface.
func keyword(word, rest string) bool {
	switch word {
	case "iface", "auto", "source", "source-directory", "vlan", "mapping":
		return true
	case "template": // of ifupdown-ng
		return rest != ""
	}
	return strings.HasPrefix(word, "allow-")
}

// keyword takes a line that is none of an iface, and returns whose lines follow.
func (i *interfaces) keyword(at place, word, rest string) []*stanza {
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		i.notes.addf(at, "%q is left out: it names nothing", word)
		return nil
	}
	switch word {
	case "iface", "template":
		return i.iface(at, fields, word == "template")
	case "auto", "allow-auto":
		i.autoLine(at, fields)
	case "source", "source-directory":
		i.source(at, word, fields[0])
	case "vlan", "mapping": // no VXLAN's
		s := &stanza{name: rest, at: at}
		i.aside = append(i.aside, s)
		return []*stanza{s}
	default:
		i.notes.addf(at, "%s %s does not count: ifup -a brings up what is auto, and what that stands on", word, rest)
	}
	return nil
}

// autoLine takes the names of an auto line.
func (i *interfaces) autoLine(at place, names []string) {
	if slices.Contains(names, "all") {
		i.autoAll = true
		return
	}
	for _, word := range names {
		for _, name := range i.expand(at, word) {
			i.auto = append(i.auto, name)
			if s := i.stanza(name); s != nil && !s.auto {
				s.lateAuto = &at
			}
		}
	}
}

func (i *interfaces) stanza(name string) *stanza {
	if n := slices.IndexFunc(i.stanzas, func(s *stanza) bool { return s.name == name }); n >= 0 {
		return i.stanzas[n]
	}
	return nil
}

func cutWord(line string) (word, rest string) {
	if n := strings.IndexAny(line, " \t"); n >= 0 {
		return line[:n], strings.TrimSpace(line[n:])
	}
	return line, ""
}

// iface are the stanzas of an iface line, one for each name of a range: several
// of one name are one.
func (i *interfaces) iface(at place, fields []string, template bool) []*stanza {
	name, _, _ := strings.Cut(fields[0], ":")
	var all []*stanza
	for _, name := range i.expand(at, name) {
		s := i.stanza(name)
		if s == nil {
			s = &stanza{name: name, at: at, template: template}
			i.stanzas = append(i.stanzas, s)
		}
		s.auto = s.auto || i.autoAll || slices.Contains(i.auto, name)
		if n := slices.Index(fields, "inherits"); n >= 0 && n+1 < len(fields) {
			s.inherits = append(s.inherits, fields[n+1])
		}
		all = append(all, s)
	}
	return all
}

// The ranges of names that ifupdown2 knows (parse_iface_range in
// ifupdown/utils.py), and how many names of one are taken.
var (
	nameRangeSuffix = regexp.MustCompile(`^(\w+)\[(\d+)-(\d+)\]([.\w]+)`)
	nameRange       = regexp.MustCompile(`^([\w.]+)\[(\d+)-(\d+)\]()`)
)

const maxRange = 4096

// expand are the names of a range, or the name.
func (i *interfaces) expand(at place, name string) []string {
	for _, r := range []*regexp.Regexp{nameRangeSuffix, nameRange} {
		m := r.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		first, err1 := strconv.Atoi(m[2])
		last, err2 := strconv.Atoi(m[3])
		if err1 != nil || err2 != nil || last-first >= maxRange {
			i.notes.addf(at, "%s is left out: it is more than %d names", name, maxRange)
			return nil
		}
		var names []string
		for n := first; n <= last; n++ {
			names = append(names, m[1]+strconv.Itoa(n)+m[4])
		}
		return names
	}
	return []string{name}
}

// inherit gives stanzas the attributes of those that they inherit, behind their
// own (ifupdown-ng's template and inherit, ifupdown's inherits).
func (i *interfaces) inherit() {
	for _, s := range i.stanzas {
		for n := 0; n < len(s.inherits); n++ {
			name := s.inherits[n]
			from := i.stanza(name)
			if from == nil {
				i.notes.addf(s.at, "%s inherits %s, which is not there", s.name, name)
				continue
			}
			if from == s || slices.Contains(s.inherits[:n], name) {
				continue
			}
			for _, a := range from.attrs {
				s.attrs = append(s.attrs, attribute{a.key, strings.ReplaceAll(a.value, "$IFACE", s.name), a.at})
			}
			s.inherits = append(s.inherits, from.inherits...)
		}
	}
}

// source reads the files of a pattern, or of the directories of one.
func (i *interfaces) source(at place, word, pattern string) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(filepath.Dir(at.file), pattern)
	}
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 && !strings.ContainsAny(pattern, "*?[") {
		i.notes.addf(at, "%s %s is left out: there is no such file", word, pattern)
		return
	}
	if word == "source-directory" {
		names = directoryFiles(names)
	}
	for _, name := range names {
		if slices.Contains(i.read, name) {
			i.notes.addf(at, "%s is left out: it has been read", name)
			continue
		}
		text, err := i.files(name)
		if err != nil {
			i.notes.addf(at, "%s is left out: %v", name, err)
			continue
		}
		i.file(name, string(text))
	}
}

// directoryFiles are the files of directories: ifupdown2 takes all, whatever
// their names (process_source_directory; 3.0.0 does not know the word).
func directoryFiles(dirs []string) []string {
	var names []string
	for _, dir := range dirs {
		entries, _ := os.ReadDir(dir) // one that cannot be read has none
		slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
		for _, e := range entries {
			if !e.IsDir() {
				names = append(names, filepath.Join(dir, e.Name()))
			}
		}
	}
	return names
}
