package migrate

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/uvtep/uvtep/internal/config"
)

// stanza is what /etc/network/interfaces says of an interface, of all of its
// iface lines together.
type stanza struct {
	name  string
	at    place
	attrs []attribute
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
	auto    []string // the names of auto and allow- lines
	read    []string // the files, so that none is read from itself
	files   func(name string) ([]byte, error)
}

// readInterfaces reads a file and those that it sources.
func readInterfaces(name string) (*interfaces, error) {
	i := &interfaces{files: config.ReadInput}
	text, err := config.ReadInput(name)
	if err != nil {
		return nil, err
	}
	i.file(name, string(text))
	return i, nil
}

// file reads one file. No library reads this syntax of ifupdown2's.
func (i *interfaces) file(name, text string) {
	i.read = append(i.read, name)
	var now *stanza
	lines := strings.Split(text, "\n")
	for n := 0; n < len(lines); n++ {
		at, line := place{name, n + 1}, strings.TrimSpace(lines[n])
		for strings.HasSuffix(line, `\`) && n+1 < len(lines) {
			n++
			line = strings.TrimSpace(strings.TrimSuffix(line, `\`)) + " " + strings.TrimSpace(lines[n])
		}
		if line == "" || line[0] == '#' {
			continue
		}
		word, rest := cutWord(line)
		switch {
		case strings.HasPrefix(word, "%"), strings.Contains(line, "${"):
			i.notes.addf(at, "%q is left out: it is of a template; give what ifquery -a prints", line)
		case word == "iface":
			now = i.iface(at, rest)
		case word == "auto", strings.HasPrefix(word, "allow-"):
			i.auto, now = append(i.auto, strings.Fields(rest)...), nil
		case word == "source", word == "source-directory":
			i.source(at, word, rest)
			now = nil
		case word == "vlan", word == "mapping": // no VXLAN's
			now = &stanza{}
		case now == nil || rest == "":
			i.notes.addf(at, "%q is left out: it is no line of an iface", line)
		default:
			value := strings.ReplaceAll(rest, "$IFACE", now.name)
			now.attrs = append(now.attrs, attribute{strings.ReplaceAll(word, "_", "-"), value, at})
		}
	}
}

func cutWord(line string) (word, rest string) {
	if n := strings.IndexAny(line, " \t"); n >= 0 {
		return line[:n], strings.TrimSpace(line[n:])
	}
	return line, ""
}

// iface is the stanza of an iface line: several of one name are one.
func (i *interfaces) iface(at place, rest string) *stanza {
	name, _ := cutWord(rest)
	if n := slices.IndexFunc(i.stanzas, func(s *stanza) bool { return s.name == name }); n >= 0 {
		return i.stanzas[n]
	}
	s := &stanza{name: name, at: at}
	i.stanzas = append(i.stanzas, s)
	return s
}

// source reads the files of a pattern, or of the directories of one.
func (i *interfaces) source(at place, word, pattern string) {
	if pattern != "" && !filepath.IsAbs(pattern) {
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

// directoryFiles are the files of directories whose names ifupdown2 takes.
func directoryFiles(dirs []string) []string {
	takes := regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	var names []string
	for _, dir := range dirs {
		entries, _ := os.ReadDir(dir) // one that cannot be read has none
		slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
		for _, e := range entries {
			if takes.MatchString(e.Name()) && !e.IsDir() {
				names = append(names, filepath.Join(dir, e.Name()))
			}
		}
	}
	return names
}
